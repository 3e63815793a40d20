import { expect, test } from 'bun:test';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { createParty } from '@nostr-dm-agent/nostr/testing/forge';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { storesIn } from '../../src/store/open-stores.ts';

test('a key that was still being looked at when its owner was removed is not kept', () => {
  using db = openDatabase(':memory:', botMigrations);
  const [configured, invited] = [createParty().publicKey, createParty().publicKey];
  const chance = { clock: { now: () => 1 }, random: () => 0.5 };
  const { keys, owners } = storesIn(db, [{ publicKey: configured, role: 'admin' }], chance);
  const keep = (owner: typeof invited) =>
    keys.put({ owner, provider: 'groq', kind: 'api', credential: 'sealed', error: undefined });
  owners.put(invited, 'member', configured);
  for (const owner of [configured, invited]) keep(owner);
  expect(keys.all()).toHaveLength(2);
  // As `!owners remove` does.
  owners.remove(invited);
  keys.revoke(invited, 'groq');
  keep(invited);
  expect(keys.get(invited, 'groq')).toMatchObject({ status: 'revoked', credential: undefined });
});
