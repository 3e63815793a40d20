import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { z } from 'zod';
import { findOpencode, testedOpencode } from '../../src/backends/opencode-binary.ts';

const model = z.looseObject({
  id: z.string(),
  api: z.looseObject({ url: z.string(), npm: z.string() }),
  capabilities: z.looseObject({
    toolcall: z.boolean(),
    input: z.looseObject({ text: z.boolean() }),
    output: z.looseObject({ text: z.boolean() }),
  }),
  status: z.string(),
  release_date: z.string(),
});
type ShippedModel = z.infer<typeof model>;
const provider = z.looseObject({
  id: z.string(),
  name: z.string(),
  env: z.array(z.string()),
  models: z.record(z.string(), model),
});
const providers = z.object({ all: z.array(provider), default: z.record(z.string(), z.string()) });
const logins = z.record(
  z.string(),
  z.array(z.object({ type: z.string(), label: z.string(), prompts: z.array(z.unknown()).optional() })),
);

/**
 * What `src/providers/connections/catalogue.json` holds: the catalogue of models.dev inside the shipped opencode, asked
 * of its own server, offline; and for SDKs that bring their endpoint along, that endpoint, read from their code in the binary.
 */
export async function readShippedCatalogue() {
  const found = await findOpencode(undefined, '');
  if (found.state === 'missing' || found.candidates[0] === undefined) throw new Error('no opencode');
  const path = found.candidates[0];
  const [served, login] = await serve(path);
  const endpoints = endpointsIn(readFileSync(path).toString('latin1'));
  return {
    opencode: testedOpencode,
    providers: served.all
      .map(({ id, name, env, models }) => {
        const first = defaultModel(Object.values(models), served.default[id]);
        const keys = env.filter((variable) => /(?:KEY|TOKEN|PAT)$/.test(variable));
        const builtIn = keys.find((variable) => endpoints.has(variable));
        const variable = builtIn ?? keys[0];
        const api = first?.api.url || (builtIn === undefined ? '' : (endpoints.get(builtIn) ?? ''));
        const ways = login[id] ?? [];
        return {
          id,
          name,
          ...(variable === undefined ? {} : { variable }),
          needs: env.filter((other) => !keys.includes(other)),
          asks: ways.some(({ type, prompts }) => type === 'api' && (prompts ?? []).length > 0),
          keys: ways.length === 0 || ways.some(({ type }) => type === 'api'),
          logins: ways.filter(({ type }) => type === 'oauth').map(({ label }) => label),
          ...(first === undefined ? {} : { npm: first.api.npm, model: first.id }),
          ...(api === '' || api.includes('$') ? {} : { api: api.replace(/\/+$/, '') }),
        };
      })
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
  };
}

/** opencode's own default, unless it is none for an agent; then the newest of the family it likes best, or of all. */
function defaultModel(
  models: readonly ShippedModel[],
  preferred: string | undefined,
): ShippedModel | undefined {
  const able = models.filter(
    ({ capabilities, status }) =>
      capabilities.toolcall && capabilities.input.text && capabilities.output.text && status !== 'deprecated',
  );
  const newest = [...able].sort(
    (a, b) => b.release_date.localeCompare(a.release_date) || a.id.localeCompare(b.id),
  );
  const liked = newest.find(({ id }) => /claude-sonnet/.test(id));
  return able.find(({ id }) => id === preferred) ?? liked ?? newest[0];
}

/** Where an SDK sends its requests unless it is told otherwise, by the variable that it takes its key from. */
function endpointsIn(binary: string): ReadonlyMap<string, string> {
  const endpoints = new Map<string, string>();
  for (const match of binary.matchAll(/environmentVariableName:"([A-Z0-9_]+KEY)"/g)) {
    const before = binary.slice(Math.max(0, match.index - 900), match.index);
    const start = before.lastIndexOf('apiKey:');
    const url = [...before.slice(0, start).matchAll(/"(https:\/\/[^"$]+)"(?:,\w+=`\$\{\w+\}(\/v1)`)?/g)].at(
      -1,
    );
    if (url?.[1] !== undefined && match[1] !== undefined && !endpoints.has(match[1]))
      endpoints.set(match[1], url[1] + (url[2] ?? ''));
  }
  return endpoints;
}

async function serve(path: string) {
  const home = mkdtempSync(join(tmpdir(), 'opencode-catalogue-'));
  const password = crypto.randomUUID();
  const server = Bun.spawn([path, 'serve', '--hostname', '127.0.0.1', '--port', '0'], {
    cwd: home,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'ignore',
    env: {
      PATH: process.env.PATH ?? '',
      HOME: home,
      PWD: home,
      OPENCODE_SERVER_PASSWORD: password,
      OPENCODE_DISABLE_MODELS_FETCH: '1',
      OPENCODE_DISABLE_AUTOUPDATE: '1',
    },
  });
  try {
    let said = '';
    void (async () => {
      for await (const chunk of server.stdout) said += new TextDecoder().decode(chunk);
    })();
    const address = () => /listening on (http:\/\/\S+)/.exec(said)?.[1];
    await until(() => address() !== undefined, 'opencode serves');
    const ask = async (what: string): Promise<unknown> => {
      const authorization = `Basic ${Buffer.from(`opencode:${password}`).toString('base64')}`;
      const response = await fetch(`${address()}${what}`, {
        headers: { authorization },
        signal: AbortSignal.timeout(30_000),
      });
      return response.json();
    };
    return [providers.parse(await ask('/provider')), logins.parse(await ask('/provider/auth'))] as const;
  } finally {
    server.kill('SIGKILL');
    await server.exited;
    rmSync(home, { recursive: true, force: true });
  }
}
