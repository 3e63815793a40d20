import { afterAll, beforeAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { startModel } from '@nostr-dm-agent/sandbox/model';
import { generateSecretKey } from 'nostr-tools/pure';
import { createBackends } from '../../src/backends/all-backends.ts';
import type { Backend } from '../../src/backends/backend.ts';
import { createConnectionKeeper } from '../../src/keys/connection-keeper.ts';
import { createSealer } from '../../src/keys/seal.ts';
import type { KeptCredential } from '../../src/keys/sealed-connections.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createConnectionStore } from '../../src/store/connections-table.ts';
import { makePlace, silent, watch } from '../support/backend.ts';
import { filesHolding } from '../support/files.ts';
import { bubblewrapHere } from '../support/jail.ts';
import { newKey } from '../support/key-providers.ts';

const me = { name: 'me', uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const missing = await bubblewrapHere(me);
if (missing !== undefined) test('the jail can be built', () => expect(process.env.CI).toBeUndefined());
const story = test.if(missing === undefined);

const place = makePlace();
const ann = 'a'.repeat(64) as PublicKey;
/** Which credential each call came with. */
const shown: (string | undefined)[] = [];
const model = startModel({
  models: ['tiny'],
  authorize: (bearer) => {
    shown.push(bearer);
    return undefined;
  },
});
/** Of the provider: gives out the tokens of logins. */
const tokens: string[] = [];
const issuer = Bun.serve({
  ...{ hostname: '127.0.0.1', port: 0 },
  fetch: async (request) => {
    tokens.push(new URLSearchParams(await request.text()).get('refresh_token') ?? '');
    const n = tokens.length;
    return Response.json({
      access_token: `access-${n}-of-ann`,
      refresh_token: `refresh-${n}-of-ann`,
      expires_in: 3600,
    });
  },
});
const db = openDatabase(':memory:', botMigrations);
const store = createConnectionStore(db, systemClock);
const connections = createConnectionKeeper({
  ambient: {},
  ...{ store, home: place.settings.home, clock: systemClock, log: silent },
  sealer: createSealer(generateSecretKey()),
  protect: () => () => undefined,
  bind: () => undefined,
  allowLoopback: true,
  renewalWays: { xai: { url: `http://127.0.0.1:${issuer.port}/token`, clientId: 'opencode' } },
});
const { vault, renewals } = connections.tools;
const connect = (owner: PublicKey, provider: string, credential: string | KeptCredential) =>
  store.put({
    ...{ owner, provider, kind: typeof credential === 'string' ? 'api' : credential.type, error: undefined },
    credential: vault.seal(owner, provider, credential),
  });
let opencode: Backend;
/** The credentials of the calls since this was asked last. */
const used = () => [...new Set(shown.splice(0))].sort();

/** Makes opencode speak to the model of this test, in the way that it speaks. */
const config = {
  npm: '@ai-sdk/openai-compatible',
  options: { baseURL: model.url },
  models: { tiny: { name: 'tiny', tool_call: true, limit: { context: 100_000, output: 1_000 } } },
};

beforeAll(() => {
  writeFileSync(
    join(place.settings.home, 'opencode.json'),
    JSON.stringify({ provider: { groq: config, xai: { ...config, npm: '@ai-sdk/openai' } } }),
  );
  writeFileSync(
    join(place.workspace, 'look.sh'),
    'env; cat ~/.local/share/opencode/auth.json; cat /proc/*/environ | tr "\\0" "\\n" | grep -i groq; true\n',
  );
  const warm = { servers: 3, keptMs: 60_000 };
  const created = createBackends(place.settings, { ...place.behind('bwrap'), warm }).get('opencode');
  if (created === undefined) throw new Error('no opencode');
  opencode = created;
});
afterAll(async () => {
  await opencode.close?.();
  await Promise.all([model.stop(), issuer.stop(true)]);
  db.close();
  place.remove();
});

const run = async (owner: string, id: string, task: string) => {
  const provider = connections.providers.find(({ name }) => name === id) ?? connections.announced(owner, id);
  const standing = provider?.standing?.(owner, undefined);
  const request = { ...place.request(task), owner, model: `${id}/tiny` };
  const signal = AbortSignal.timeout(80_000);
  const prepared = await provider?.prepareRun(
    { runId: request.runId, sessionId: 's', owner, model: request.model, task },
    signal,
  );
  if (prepared?.state !== 'ready' || standing === undefined) throw new Error('not connected');
  const result = await opencode.run(
    { ...request, standing, payment: prepared.payment },
    watch().observer,
    signal,
  );
  provider?.ended?.(request.runId, result.failure);
  await provider?.finalizeRun(request.runId, signal);
  return result;
};

story(
  'a server has its owner’s key, which no agent can read; a new key is used at once, by the same server',
  async () => {
    const [first, next] = [newKey('gsk_'), newKey('gsk_')];
    const look = async () => {
      const { answer, outcome } = await run(ann, 'groq', 'run sh look.sh');
      expect(outcome).toBe('answered');
      expect(answer).toContain('{}');
      for (const key of [first, next]) expect(answer).not.toContain(key);
      return used();
    };
    connect(ann, 'groq', first);
    expect(await look()).toEqual([first]);
    connect(ann, 'groq', next);
    expect(await look()).toEqual([next]);
    expect(opencode.kept?.()).toMatchObject({ state: 'kept', servers: 1 });
    expect(filesHolding(place.settings.home, [first, next])).toEqual([]);
  },
  90_000,
);

story(
  'one that an address announced is its server’s alone, too; what is announced anew is heeded, with the same key, too',
  async () => {
    const [id, token] = ['corp.example', `printed-${crypto.randomUUID()}`];
    const moved: (string | undefined)[] = [];
    const other = startModel({
      models: ['tiny'],
      authorize: (bearer) => {
        moved.push(bearer);
        return undefined;
      },
    });
    const announced = (api: string) => ({
      ...{ url: `https://${id}`, model: 'tiny' },
      models: { tiny: { ...config.models.tiny, provider: { npm: config.npm, api } } },
    });
    for (const [api, here, there] of [
      [model.url, [token], []],
      [model.url, [token], []],
      [other.url, [], [token]],
    ] as const) {
      connect(ann, id, { type: 'wellknown', token, announced: announced(api) });
      const { answer, outcome } = await run(ann, id, 'run sh look.sh');
      expect(outcome).toBe('answered');
      expect(answer).not.toContain(token);
      expect([used(), [...new Set(moved.splice(0))]]).toEqual([[...here], [...there]]);
    }
    await other.stop();
    expect(filesHolding(place.settings.home, [token])).toEqual([]);
  },
  90_000,
);

story(
  'a login is renewed by the bot alone, once for all who ask, kept when it is, and what renews it is in no jail',
  async () => {
    const login = { type: 'oauth', access: 'access-0-of-ann', refresh: 'refresh-0-of-ann' } as const;
    connect(ann, 'xai', { ...login, expires: Date.now() + 5_000 });
    const signal = AbortSignal.timeout(80_000);
    const asked = await Promise.all([1, 2, 3].map(() => renewals.fresh(ann, 'xai', signal)));
    expect(tokens).toEqual(['refresh-0-of-ann']);
    for (const fresh of asked)
      expect(fresh).toMatchObject({ credential: { access: 'access-1-of-ann', refresh: 'refresh-1-of-ann' } });
    const seen = await run(ann, 'xai', 'run sh look.sh');
    expect(seen.answer).toContain('access-1-of-ann');
    expect(used()).toEqual(['access-1-of-ann']);
    expect(seen.answer).not.toContain('refresh-1-of-ann');
    // Its token is another one by now; the server is the same.
    const servers = opencode.kept?.();
    await renewals.fresh(ann, 'xai', signal, true);
    await run(ann, 'xai', 'say hello');
    expect(used()).toEqual(['access-2-of-ann']);
    expect(opencode.kept?.()).toEqual(servers);
  },
  90_000,
);
