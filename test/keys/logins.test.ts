import { afterAll, expect, test } from 'bun:test';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EventId, type InboundMessage, parseRelayUrl } from '@nostr-dm-agent/nostr';
import { parsePublicKey } from '@nostr-dm-agent/nostr/keys';
import { createOpencode } from '../../src/backends/opencode.ts';
import { findOpencode } from '../../src/backends/opencode-binary.ts';
import { connectCommand } from '../../src/commands/connect-command.ts';
import { createLoginKeeper } from '../../src/keys/login-keeper.ts';
import { renewalWays } from '../../src/keys/login-renewal.ts';
import { makePlace, silent } from '../support/backend.ts';
import { depsWithoutWallet } from '../support/commands.ts';
import { filesHolding } from '../support/files.ts';

const place = makePlace();
/** A provider as opencode's plugins make them: lets in who says so, gives out a code, or wants one. */
const plugin = `export const Provider = async () => ({ auth: { provider: 'acme', methods: [
  { type: 'oauth', label: 'Acme (browser)', authorize: async () => ({ url: 'https://acme.example/login?redirect_uri=http://localhost:1455/back', instructions: '', method: 'auto', callback: async () => ({ type: 'failed' }) }) },
  { type: 'oauth', label: 'Acme (device)', prompts: [{ type: 'select', key: 'where', message: 'Where?', options: [{ label: 'Here', value: 'here' }] }],
    authorize: async (inputs) => ({ url: 'https://acme.example/device', instructions: 'Enter code: ' + inputs.where, method: 'code',
      callback: async (code) => code === 'right' ? { type: 'success', access: 'the-access', refresh: 'the-refresh', expires: 0, accountId: 'acme-1' } : { type: 'failed' } }) },
] } });`;
const path = join(place.root, 'provider.ts');
writeFileSync(path, plugin);
writeFileSync(join(place.settings.home, 'opencode.json'), JSON.stringify({ plugin: [`file://${path}`] }));
const opencode = createOpencode(place.settings, place.deps);
const folder = join(place.settings.home, 'agent', 'logins');
const left = () => (existsSync(folder) ? readdirSync(folder) : []);
afterAll(async () => {
  await opencode.close?.();
  place.remove();
});

test('opencode’s own server logs somebody in, in a home of its own of which nothing stays', async () => {
  const owner = parsePublicKey('a'.repeat(64));
  const kept: unknown[] = [];
  const told: unknown[] = [];
  const logins = createLoginKeeper({
    begin: opencode.login,
    keep: (...what) => void kept.push(what),
    over: (...what) => void told.push(what),
    log: silent,
  });
  const signal = AbortSignal.timeout(80_000);
  expect(await logins.begin(owner, 'acme', signal)).toMatchObject({
    ...{ state: 'begun', provider: 'acme', label: 'Acme (device)', wantsCode: true },
    ...{ url: 'https://acme.example/device', instructions: 'Enter code: here' },
  });
  expect(left()).toHaveLength(1);
  expect(logins.enterCode(owner, 'other', 'right')).toBeUndefined();
  expect(await logins.enterCode(owner, 'acme', 'right')).toBe('connected');
  expect(kept).toEqual([
    [
      ...[owner, 'acme'],
      { type: 'oauth', access: 'the-access', refresh: 'the-refresh', expires: 0, accountId: 'acme-1' },
    ],
  ]);
  expect(logins.pending(owner)).toBeUndefined();
  await logins.close();
  expect(left()).toEqual([]);
  expect(filesHolding(place.root, ['the-access', 'the-refresh'])).toEqual([path]);
  expect(told).toEqual([]);
}, 90_000);

test('logins are renewed where, and as which program, opencode does it', async () => {
  const found = await findOpencode(undefined, '');
  if (found.state === 'missing') throw new Error('no opencode');
  const binary = Buffer.from(await Bun.file(found.candidates[0] ?? '').arrayBuffer());
  for (const { url, clientId } of Object.values(renewalWays)) {
    expect(binary.includes(`"${clientId}"`)).toBe(true);
    expect(binary.includes(`"${new URL(url).origin}`)).toBe(true);
  }
});

test('a key that comes while a login waits for a code is no code, and takes the login’s place', async () => {
  const owner = parsePublicKey('a'.repeat(64));
  const codes: string[] = [];
  const given: string[] = [];
  const deps = depsWithoutWallet([{ publicKey: owner, role: 'member' }]);
  const connect = connectCommand({
    ...deps,
    connections: { ...deps.connections, verify: async () => ({ state: 'valid' }) },
    logins: {
      ...deps.logins,
      enterCode: (_owner, _provider, code) => {
        codes.push(code);
        return Promise.resolve('connected' as const);
      },
      cancel: (_owner, provider) => given.push(provider) > 0,
    },
  });
  if (connect.kind !== 'lasting') throw new Error('it asks the provider');
  const message: InboundMessage = {
    id: 'b'.repeat(64) as EventId,
    sender: owner,
    protocol: 'nip17',
    kind: 14,
    text: '',
    references: [],
    createdAt: 0,
    relay: parseRelayUrl('wss://relay.example'),
  };
  const say = async (argument: string) => {
    const call = { owner: { publicKey: owner, role: 'member' as const }, message, argument, resumed: false };
    const outcome = await connect.run(call, AbortSignal.timeout(5_000));
    if (typeof outcome === 'string' || 'task' in outcome) throw new Error('no full reply');
    outcome.commit?.();
    return outcome.reply;
  };
  expect(await say(`xai xai-${'k'.repeat(40)}`)).toStartWith('Connected to');
  expect(deps.connections.store.get(owner, 'xai')).toMatchObject({ kind: 'api', status: 'connected' });
  expect([codes, given]).toEqual([[], ['xai']]);
  await say('xai ABCD-1234');
  expect(codes).toEqual(['ABCD-1234']);
});
