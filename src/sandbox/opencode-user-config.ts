import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const model = (name: string) => ({
  name,
  tool_call: true,
  limit: { context: 128_000, output: 4096 },
  cost: { input: 1, output: 4 },
});

/** The provider `sandbox`, whose models `tiny` and `small` are those of `startModel`. */
export const sandboxOpencodeConfig = (modelUrl: string, apiKey: string) => ({
  $schema: 'https://opencode.ai/config.json',
  model: 'sandbox/tiny',
  small_model: 'sandbox/small',
  enabled_providers: ['sandbox'],
  provider: {
    sandbox: {
      npm: '@ai-sdk/openai-compatible',
      name: 'Sandbox',
      options: { baseURL: modelUrl, apiKey },
      models: { tiny: model('Tiny'), small: model('Small') },
    },
  },
});

/**
 * Makes the provider `local` of a bot whose `XDG_CONFIG_HOME` is `configHome` work with a sandbox model: it writes the
 * user's own configuration of opencode there. Returns the file's path.
 */
export const writeOpencodeUserConfig = async (
  configHome: string,
  modelUrl: string,
  apiKey = 'sandbox-key',
): Promise<string> => {
  const folder = join(configHome, 'opencode');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'opencode.json');
  await writeFile(path, `${JSON.stringify(sandboxOpencodeConfig(modelUrl, apiKey), null, 2)}\n`, {
    mode: 0o600,
  });
  return path;
};
