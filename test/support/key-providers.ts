import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';

/** What a provider that was asked about a key answers; undefined: it takes the key. */
type Judge = (key: string | undefined) => Response | Promise<Response> | undefined;

/** A provider's API on loopback, as far as a key is checked there: `GET <base>/models` and `GET <base>/key`. */
export function startKeyProvider(judge: Judge) {
  const asked: { readonly path: string; readonly key: string | undefined }[] = [];
  let judging = judge;
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request) => {
      const { headers } = request;
      const bearer = /^Bearer (.+)$/.exec(headers.get('authorization') ?? '')?.[1];
      const key = bearer ?? headers.get('x-api-key') ?? headers.get('x-goog-api-key') ?? undefined;
      asked.push({ path: new URL(request.url).pathname, key });
      return (await judging(key)) ?? Response.json({ data: [] });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}/v1`,
    asked,
    judge: (next: Judge): void => {
      judging = next;
    },
    stop: (): Promise<void> => server.stop(true),
  };
}

/** Takes these keys alone, as Anthropic and OpenAI answer. */
export const only =
  (...keys: readonly string[]): Judge =>
  (key) =>
    key !== undefined && keys.includes(key)
      ? undefined
      : Response.json({ error: { message: 'invalid x-api-key' } }, { status: 401 });

/** Sends the bot's requests for these providers elsewhere, as an operator does behind a gateway of their own. */
export async function sendElsewhere(home: string, urls: Readonly<Record<string, string>>): Promise<void> {
  const path = join(home, 'opencode.json');
  await until(() => Bun.file(path).size > 0, 'the bot has its configuration');
  const config: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (typeof config !== 'object' || config === null) throw new Error('no configuration');
  const there = 'provider' in config && typeof config.provider === 'object' ? config.provider : {};
  const provider = Object.fromEntries(
    Object.entries(urls).map(([id, baseURL]) => [id, { options: { baseURL } }]),
  );
  writeFileSync(path, JSON.stringify({ ...config, provider: { ...there, ...provider } }));
}

/** A new key in the form of this provider's. */
export const newKey = (prefix: string): string => `${prefix}${crypto.randomUUID().replaceAll('-', '')}`;
