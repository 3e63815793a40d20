import { expect, setDefaultTimeout, test } from 'bun:test';
import { dirname } from 'node:path';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { inboxServiceOf } from '@nostr-dm-agent/nostr';
import { silentLogger } from '@nostr-dm-agent/nostr/testing/relay-client';
import { relayWorld } from '@nostr-dm-agent/nostr/testing/relay-world';
import { parseNodeUrl } from '@nostr-dm-agent/routstr';
import { checkClock } from '../../src/doctor/check-clock.ts';
import { checkInbox } from '../../src/doctor/check-inbox.ts';
import { checkRelays } from '../../src/doctor/check-relays.ts';
import { connectedCount, relayTroubles } from '../../src/replies/relay-replies.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { saveInboxRecord } from '../../src/store/inbox-record.ts';
import { createMeta } from '../../src/store/meta-table.ts';
import { createDatabaseFile } from '../support/inbox.ts';
import { newIdentity, relayList } from '../support/outbox-world.ts';

setDefaultTimeout(30_000);
const never = new AbortController().signal;

test('doctor says of each relay whether it serves the inbox, and what it lacks', async () => {
  await using net = relayWorld();
  const identity = newIdentity();
  const good = net.relay();
  const noLegacy = net.relay({ faults: { refuseKinds: new Set([4]) } });
  const noInbox = net.relay({ faults: { refuseKinds: new Set([1059]) } });
  const demanding = net.relay({
    maxBytes: 8_000,
    limitation: { min_pow_difficulty: 30, payment_required: true },
  });
  const all = [good, noLegacy, noInbox, demanding];
  for (const relay of all) relay.inject(relayList(identity, 10050, [good.url]));
  const findings = await checkRelays({ identity, relays: all.map(({ url }) => url) }, silentLogger, never);
  const of = ({ url }: { readonly url: string }) =>
    findings
      .filter(({ subject }) => subject.endsWith(url))
      .map(({ state, fact }) => `${state}: ${fact}`)
      .join('\n');
  expect(of(good)).toMatch(/^ok: serves the inbox in .*, has the bot’s inbox list$/);
  expect(of(noLegacy)).toMatch(/ok: serves the inbox.*\nwarning: does not serve old messages.*kind 4/);
  expect(of(noInbox)).toMatch(/^warning: blocked: kind 1059 is not served here$/);
  expect(of(demanding)).toMatch(/8,000 bytes.*30 bits.*\n.*those who paid.*\n.*30 bits/);
});

test('connected means that the inbox is served, and what is not is said with its reason', () => {
  const url = 'wss://relay.example' as Parameters<typeof inboxServiceOf>[0]['url'];
  const open = { url, state: 'open', lastError: undefined, since: 0 } as const;
  const feed = (name: string, state: 'served' | 'waiting', problem?: string) => ({ name, state, problem });
  const services = [
    inboxServiceOf({ ...open, feeds: [feed('NIP-17', 'served'), feed('NIP-04', 'served')] }),
    inboxServiceOf({
      ...open,
      feeds: [feed('NIP-17', 'waiting', 'blocked: no DMs'), feed('NIP-04', 'served')],
    }),
    inboxServiceOf({
      ...open,
      feeds: [feed('NIP-17', 'served'), feed('NIP-04', 'waiting', 'blocked: kind')],
    }),
    inboxServiceOf({ ...open, state: 'waiting', lastError: 'no answer to a ping', feeds: [] }),
  ];
  expect(connectedCount(services)).toBe('2 of 4');
  expect(relayTroubles(services)).toEqual([
    `  ${url}: blocked: no DMs`,
    `  ${url}: no old messages (NIP-04): blocked: kind`,
    `  ${url}: no answer to a ping`,
  ]);
});

test('doctor compares the clock, and says what the bot turned away', async () => {
  await using net = relayWorld();
  const { url } = net.relay();
  const config = { relays: [url], wallet: undefined, node: parseNodeUrl('https://node.example/v1') };
  const [right] = await checkClock(config, never);
  expect(right).toMatchObject({ state: 'ok', fact: expect.stringContaining('right, says relay 127.0.0.1') });
  const [slow] = await checkClock(config, never, { now: () => Date.now() - 3_600_000 });
  expect(slow).toMatchObject({ state: 'broken', fact: expect.stringMatching(/(1 h|59 min).* behind/) });

  const file = createDatabaseFile();
  const home = dirname(file.path);
  expect(checkInbox({ home })).toEqual([]);
  using db = openDatabase(file.path, botMigrations);
  saveInboxRecord(createMeta(db), {
    since: 0,
    rejected: { stranger: 3, expired: 1, recipient: 9 },
    refusing: [{ url, said: 'blocked: not on the list', times: 2 }],
  });
  expect(checkInbox({ home })).toMatchObject([
    { fact: 'Not acted on: 1 expired, 3 from strangers (since the start at 1970-01-01T00:00:00.000Z)' },
    { state: 'warning', fact: `Replies refused by ${url} (2 times): blocked: not on the list` },
  ]);
  file.remove();
});
