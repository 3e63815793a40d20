import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startModel } from '@nostr-dm-agent/sandbox/model';
import { sandboxOpencodeConfig, writeOpencodeUserConfig } from './opencode-user-config.ts';
import type { SandboxModel } from './run-sandbox.ts';

/** A real OpenAI-compatible server in place of the built-in model. */
export type Upstream = {
  /** Its base URL, usually with `/v1`. */
  readonly url: string;
  readonly key: string | undefined;
  readonly model: string;
};

/**
 * Points the opencode of the pretended user at the built-in model, which is started for it, or at an upstream.
 * @param userHome `HOME` of the pretended user; the upstream's key is written below it, 0600
 */
export async function startSandboxModel(
  userHome: string,
  upstream: Upstream | undefined,
): Promise<SandboxModel> {
  const configHome = join(userHome, '.config');
  if (upstream !== undefined) {
    await writeUpstreamConfig(configHome, upstream);
    return {
      description: `${upstream.model} at ${new URL(upstream.url).host}`,
      upstream: {
        baseUrl: upstream.url.replace(/\/+$/, ''),
        ...(upstream.key === undefined ? {} : { apiKey: upstream.key }),
        model: upstream.model,
      },
      stop: async () => undefined,
    };
  }
  const model = startModel();
  try {
    await writeOpencodeUserConfig(configHome, model.url);
  } catch (error) {
    await model.stop();
    throw error;
  }
  return {
    description: `tiny at ${model.url} (built in)`,
    upstream: { baseUrl: model.url, apiKey: 'sandbox-key', model: 'tiny' },
    stop: model.stop,
  };
}

/** The built-in model's configuration, with the one model that the upstream is to be asked for. */
async function writeUpstreamConfig(configHome: string, { url, key, model }: Upstream): Promise<void> {
  const base = sandboxOpencodeConfig(url, key ?? 'none');
  const { sandbox } = base.provider;
  const config = {
    ...base,
    model: `sandbox/${model}`,
    small_model: `sandbox/${model}`,
    provider: { sandbox: { ...sandbox, models: { [model]: { name: model, tool_call: true } } } },
  };
  const folder = join(configHome, 'opencode');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, 'opencode.json'), `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
}
