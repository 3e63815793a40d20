import { afterAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventId, InboundMessage, PublicKey, RelayUrl } from '@nostr-dm-agent/nostr';
import { adoptCommand } from '../../src/commands/adopt-command.ts';
import { createCatalogue } from '../../src/keys/catalogue.ts';
import { offeredTo, remember, untold } from '../../src/keys/offer-old-keys.ts';
import { createOldKeys } from '../../src/keys/old-keys.ts';
import { oldKeysNotice } from '../../src/replies/old-key-replies.ts';
import { depsWithoutWallet } from '../support/commands.ts';

const root = mkdtempSync(join(tmpdir(), 'old-keys-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const catalogue = createCatalogue();

/** A user's home with this as opencode's login. */
function home(auth?: string | ((path: string) => void)): string {
  const path = mkdtempSync(join(root, 'home-'));
  const folder = join(path, '.local/share/opencode');
  mkdirSync(folder, { recursive: true });
  if (typeof auth === 'string') writeFileSync(join(folder, 'auth.json'), auth);
  else auth?.(join(folder, 'auth.json'));
  return path;
}
const message = (sender: PublicKey): InboundMessage => ({
  ...{ id: 'c'.repeat(64) as EventId, sender, protocol: 'nip17', kind: 14, text: '', references: [] },
  ...{ createdAt: 0, relay: 'wss://relay.example/' as RelayUrl },
});
const found = (ambient: Record<string, string>): readonly string[] =>
  createOldKeys(catalogue, ambient)
    .found()
    .map(({ provider, from }) => `${provider.id} in ${from}`);

describe('keys on the host', () => {
  test('are found in variables and in opencode’s own login, each once', () => {
    const both = home(
      JSON.stringify({ openrouter: { type: 'api', key: 'b' }, groq: { type: 'api', key: 'c' } }),
    );
    const ambient = { HOME: both, OPENROUTER_API_KEY: ' a ', ANTHROPIC_API_KEY: '', PATH: '/bin' };
    expect(found(ambient)).toEqual(['openrouter in OPENROUTER_API_KEY', 'groq in auth.json']);
    const keys = createOldKeys(catalogue, ambient);
    expect(keys.found().map(keys.keyOf)).toEqual(['a', 'c']);
  });

  test('a login by OAuth, what is broken, and what is a link are none', () => {
    const elsewhere = join(root, 'elsewhere.json');
    writeFileSync(elsewhere, JSON.stringify({ groq: { type: 'api', key: 'c' } }));
    for (const auth of [
      JSON.stringify({
        anthropic: { type: 'oauth', refresh: 'x' },
        groq: { type: 'api' },
        nobody: { type: 'api', key: 'x' },
      }),
      '{"groq":',
      '[]',
      (path: string) => symlinkSync(elsewhere, path),
      undefined,
    ])
      expect(found({ HOME: home(auth) })).toEqual([]);
  });
});

test('they are offered once, to whoever runs the host, and never the key itself', () => {
  const [admin, other] = ['a', 'b'].map((digit) => digit.repeat(64) as PublicKey) as [PublicKey, PublicKey];
  const { stores } = depsWithoutWallet([{ publicKey: admin, role: 'admin' }]);
  stores.owners.put(other, 'admin', admin);
  const secret = 'sk-or-v1-secret';
  const oldKeys = createOldKeys(catalogue, {
    HOME: home(),
    OPENROUTER_API_KEY: secret,
    GROQ_API_KEY: 'gsk_secret',
  });
  const deps = { oldKeys, stores };
  const offered = offeredTo(deps, admin);
  expect(offered.map(({ provider }) => provider.id).sort()).toEqual(['groq', 'openrouter']);
  expect(offeredTo(deps, other)).toEqual([]);
  expect(oldKeysNotice(offered)).toContain('OpenRouter (OPENROUTER_API_KEY)');
  expect(oldKeysNotice(offered)).toContain('!provider adopt all');
  expect(oldKeysNotice(offered)).not.toContain('secret');

  expect(untold(deps, offered)).toHaveLength(2);
  remember(stores, 'told', offered);
  expect(untold(deps, offered)).toEqual([]);
  // Still on the page until it is answered.
  expect(offeredTo(deps, admin)).toHaveLength(2);
  stores.keys.put({ owner: admin, provider: 'groq', kind: 'api', credential: 'sealed:x', error: undefined });
  expect(offeredTo(deps, admin).map(({ provider }) => provider.id)).toEqual(['openrouter']);
  remember(stores, 'answered', offeredTo(deps, admin));
  expect(offeredTo(deps, admin)).toEqual([]);
  expect(stores.meta.get('old_keys_told')).not.toContain('secret');
});

test('a yes connects it sealed and leaves what is there; another admin, and a member, have no say', async () => {
  const admin = 'a'.repeat(64) as PublicKey;
  const deps = depsWithoutWallet([{ publicKey: admin, role: 'admin' }]);
  const ambient = { HOME: home(), GROQ_API_KEY: 'gsk_0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdef' };
  const connections = {
    ...deps.connections,
    oldKeys: createOldKeys(catalogue, ambient),
    verify: async () => ({ state: 'unverified', why: 'unreachable' }) as const,
  };
  const command = adoptCommand({ ...deps, connections });
  const adopt = async (publicKey: PublicKey, argument: string) => {
    if (command.kind !== 'lasting') throw new Error('not lasting');
    const call = {
      owner: { publicKey, role: 'admin' },
      message: message(publicKey),
      argument,
      resumed: false,
    } as const;
    const outcome = await command.run(call, new AbortController().signal);
    if (typeof outcome === 'string' || !('reply' in outcome)) throw new Error('no reply');
    outcome.commit?.();
    return outcome.reply;
  };
  await expect(adopt('b'.repeat(64) as PublicKey, 'all')).rejects.toThrow('BOT_OWNERS');
  await expect(adopt(admin, 'openai')).rejects.toThrow('There are: groq');
  expect(await adopt(admin, 'all')).toContain(
    'Connected to Groq with the key from GROQ_API_KEY, which stays there.',
  );
  const made = deps.stores.keys.get(admin, 'groq');
  expect(made?.credential).toStartWith('sealed');
  expect(JSON.stringify(made)).not.toContain('gsk_');
  expect(connections.vault.open(admin, 'groq', made?.credential ?? '')).toBe(ambient.GROQ_API_KEY);
  await expect(adopt(admin, 'all')).rejects.toThrow('no key on this machine');
});
