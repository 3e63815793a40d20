import { expect, test } from 'bun:test';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { RelayUrl } from '@nostr-dm-agent/nostr';
import { connectRelay, createRelays, type RelayConnection, signEvent } from '@nostr-dm-agent/nostr';
import {
  createParty,
  forge,
  forgeJunk,
  forgeLegacy,
  nowSeconds,
  type Party,
} from '@nostr-dm-agent/nostr/testing/forge';
import {
  type SandboxRelay,
  type SandboxRelayOptions,
  startSandboxRelay,
} from '@nostr-dm-agent/sandbox/relay';
import { Client, Keys, loadWasmSync, NostrSigner, PublicKey } from '@rust-nostr/nostr-sdk';
import { createDatabaseFile, silentLog, startInbox } from '../support/inbox.ts';

const bot = createParty();
const owner = createParty();
const HOUR_S = 3600;

/** The inbox on real connections to real relays. */
function world(owners: readonly Party[] = [owner]) {
  const closers: (() => unknown)[] = [];
  const connect = (url: RelayUrl): RelayConnection => {
    const connection = connectRelay({
      url,
      own: true,
      sign: async (template) => signEvent(template, bot.secretKey),
      clock: systemClock,
      random: seededRandom(1),
      log: silentLog,
      timings: { reconnect: { baseMs: 50, maxMs: 200 } },
    });
    closers.push(connection.close);
    return connection;
  };
  return {
    relay: (options?: SandboxRelayOptions) => {
      const relay = startSandboxRelay(options);
      closers.push(relay.stop);
      return relay;
    },
    inbox: (relays: readonly SandboxRelay[], options: { path?: string } = {}) => {
      const connections = relays.map(({ url }) => connect(url));
      const running = startInbox({ bot, owners, relays: connections, ...options });
      closers.push(running.stop);
      const stop = () => {
        running.stop();
        for (const { close } of connections) close();
      };
      return {
        ...running,
        stop,
        subscribed: () => relays.every((relay) => relay.subscriptions().length > 0),
      };
    },
    onEnd: (close: () => unknown) => closers.push(close),
    [Symbol.asyncDispose]: async () => {
      for (const close of closers.reverse()) await close();
    },
  };
}

test('a DM that rust-nostr sends through two relays arrives once', async () => {
  loadWasmSync();
  const keys = Keys.generate();
  const phone = createParty(new Uint8Array(Buffer.from(keys.secretKey.toHex(), 'hex')));
  await using here = world([phone]);
  const relays = [here.relay(), here.relay()];
  const running = here.inbox(relays);
  await until(running.subscribed, 'the subscriptions');

  const client = new Client(NostrSigner.keys(keys));
  here.onEnd(() => client.disconnect());
  for (const { url } of relays) await client.addRelay(url);
  await client.connect();
  await until(() => relays.every((relay) => relay.connections() === 2), 'rust-nostr being connected');
  await client.sendPrivateMsgTo(
    relays.map(({ url }) => url),
    PublicKey.parse(bot.publicKey),
    'hello from rust',
  );

  await until(() => running.texts().includes('hello from rust'), 'the message');
  await until(() => relays.every((relay) => relay.store.all().length === 1), 'both relays having it');
  expect(running.received).toMatchObject([{ sender: phone.publicKey, protocol: 'nip17', kind: 14 }]);
}, 30_000);

test('over dropped connections nothing is lost and nothing comes twice', async () => {
  await using here = world();
  const relay = here.relay();
  const running = here.inbox([relay]);
  const backdated = (text: string, hours: number) =>
    forge(owner, bot.publicKey, text, { wrap: { created_at: nowSeconds() - hours * HOUR_S } });
  const expected: string[] = [];
  for (const hours of [0, 47, 20, 1]) {
    await until(running.subscribed, 'the subscription');
    relay.dropAll();
    const text = `dated back ${hours} h`;
    expected.push(text);
    relay.inject(backdated(text, hours));
    await until(() => running.texts().includes(text), `the message ${text}`);
  }
  expect(running.texts()).toEqual(expected);
}, 30_000);

test('what waited at a relay with AUTH, behind more junk than it sends at once, is found', async () => {
  await using here = world();
  const relay = here.relay({ auth: 'dms', maxPerFilter: 100 });
  // The owner's wrap is the oldest: it is on the last page.
  relay.inject(
    forge(owner, bot.publicKey, 'last page', { wrap: { created_at: nowSeconds() - 47 * HOUR_S } }),
  );
  for (const wrap of forgeJunk(bot.publicKey, 450)) relay.inject(wrap);
  const running = here.inbox([relay]);
  await until(() => running.texts().includes('last page'), 'the message on the last page');
  await until(() => running.rejections('undecryptable') === 450, 'the junk');
}, 60_000);

test('after a restart on the same database only what is new arrives, in either protocol', async () => {
  await using here = world();
  const file = createDatabaseFile();
  here.onEnd(file.remove);
  const relay = here.relay();
  const before = here.inbox([relay], { path: file.path });
  await until(before.subscribed, 'the subscription');
  relay.inject(forge(owner, bot.publicKey, 'new style'));
  relay.inject(forgeLegacy(owner, bot.publicKey, 'old style'));
  await until(() => before.received.length === 2, 'both messages');
  before.stop();
  await until(() => relay.connections() === 0, 'the bot being gone');

  relay.inject(forge(owner, bot.publicKey, 'new style, while it was down'));
  relay.inject(forgeLegacy(owner, bot.publicKey, 'old style, while it was down'));
  const after = here.inbox([relay], { path: file.path });
  await until(() => after.received.length === 2, 'what came meanwhile');
  expect(after.texts().sort()).toEqual(['new style, while it was down', 'old style, while it was down']);
}, 30_000);

test('a clock that is days ahead keeps nobody out: a relay is asked by its own', async () => {
  await using here = world();
  const relay = here.relay();
  const clock = { now: () => Date.now() + 4 * 24 * 3_600_000 };
  const sign = () => Promise.reject(new Error('not asked for'));
  const relays = createRelays({
    ...{ own: [relay.url], sign, clock, random: seededRandom(1), log: silentLog },
    fetch: { own: fetch, others: fetch },
  });
  here.onEnd(relays.close);
  const running = startInbox({ bot, owners: [owner], relays: relays.own, clock });
  here.onEnd(running.stop);
  await until(() => relays.own[0]?.status().clockAheadMs !== undefined, 'the relay’s time');
  relay.inject(forge(owner, bot.publicKey, 'hello'));
  // To this home it is from before all times: what is done about that is for others.
  const came = () => running.texts().length + running.inbox.stats().beforeDatabase;
  await until(() => came() === 1, 'the message');
});

test('a live flood over a socket does not keep an owner’s message from coming through another relay', async () => {
  await using here = world();
  const [bad, good] = [here.relay(), here.relay()];
  const running = here.inbox([bad, good]);
  await until(running.subscribed, 'the subscriptions');
  for (const wrap of forgeJunk(bot.publicKey, 3000)) bad.inject(wrap);
  good.inject(forge(owner, bot.publicKey, 'through the good one'));
  bad.inject(forge(owner, bot.publicKey, 'through the flood'));
  await until(() => running.texts().includes('through the good one'), 'the message through the good relay');
  await until(() => running.texts().includes('through the flood'), 'the message through the flood', 60_000);
}, 120_000);
