import { expect, setDefaultTimeout, test } from 'bun:test';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { RelayUrl } from '../src/nostr-types.ts';
import { createRelays, type RelaysOptions } from '../src/relay/pool.ts';
import type { Relay, Relays } from '../src/relay/relay.ts';
import { RelayUrlError } from '../src/relay/relay-url.ts';
import { never, quickTimings, signAsBot, silentLogger, wrapFilters, wrapOf } from './support/relay-client.ts';
import { refusingUrl, relayWorld } from './support/relay-world.ts';

setDefaultTimeout(30_000);

/** The bot's relays; whatever is borrowed is on loopback here. Closed at the end of the test. */
function openRelays(options: Partial<RelaysOptions> = {}) {
  const relays = createRelays({
    own: [],
    sign: signAsBot,
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
    timings: quickTimings,
    locate: async (url) => [{ url, headers: {}, tls: undefined }],
    idleMs: 100,
    ...options,
  });
  return { ...relays, [Symbol.dispose]: relays.close };
}

/** Borrowed until it is released. */
function lease({ borrow }: Pick<Relays, 'borrow'>, url: RelayUrl) {
  const { promise, resolve: release } = Promise.withResolvers<void>();
  let lent: Relay | undefined;
  void borrow(url, (relay) => {
    lent = relay;
    return promise;
  });
  if (lent === undefined) throw new Error('nothing was lent');
  return { relay: lent as Relay, release };
}

test.concurrent('own relays are connected to at once, each once, and lent as they are', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  using relays = openRelays({ own: [relay.url, relay.url] });
  await until(() => relays.own[0]?.status().state === 'open', 'the own relay');
  expect(relays.own).toHaveLength(1);
  const lent = lease(relays, relay.url);
  expect(relays.own[0]).toBe(lent.relay);
  lent.release();
  expect(await lent.relay.publish(wrapOf('p'), 10_000, never())).toMatchObject({ result: 'accepted' });
});

test.concurrent('two who borrow the same relay share a connection, which is closed some time after both are done', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  using relays = openRelays({ idleMs: 1 });
  const first = lease(relays, relay.url);
  const second = lease(relays, relay.url);
  expect(second.relay).toBe(first.relay);
  expect(await first.relay.publish(wrapOf('p'), 10_000, never())).toMatchObject({ result: 'accepted' });
  first.release();
  first.release();
  for (let time = 0; time < 10; time += 1) {
    expect(await second.relay.query(wrapFilters(), 10_000, never())).toHaveLength(1);
  }
  second.release();
  expect(first.relay.status().state).toBe('open');
  await until(() => relay.connections() === 0, 'the connection being closed');
  expect(first.relay.status().state).toBe('closed');
});

test.concurrent('a relay that is borrowed again in time keeps its connection', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  using relays = openRelays({ idleMs: 60_000 });
  const first = lease(relays, relay.url);
  await until(() => relay.connections() === 1, 'the connection');
  first.release();
  expect(lease(relays, relay.url).relay).toBe(first.relay);
});

test.concurrent('only so many foreign relays are connected to at the same time; the next one waits its turn', async () => {
  await using world = relayWorld();
  const [a, b, c] = [world.relay(), world.relay(), world.relay()];
  using relays = openRelays({ maxBorrowed: 2 });
  const first = lease(relays, a.url);
  const second = lease(relays, b.url);
  const third = lease(relays, c.url);
  const publishing = third.relay.publish(wrapOf('p'), 15_000, never());
  await until(() => a.connections() === 1 && b.connections() === 1, 'the first two');
  expect(c.connections()).toBe(0);
  first.release();
  expect(await publishing).toMatchObject({ result: 'accepted' });
  expect(a.connections() + b.connections() + c.connections()).toBeLessThanOrEqual(2);
  second.release();
});

test.concurrent('an idle connection makes room for another relay', async () => {
  await using world = relayWorld();
  const [a, b] = [world.relay(), world.relay()];
  using relays = openRelays({ maxBorrowed: 1, idleMs: 60_000 });
  const first = lease(relays, a.url);
  await until(() => a.connections() === 1, 'the first relay');
  first.release();
  const second = lease(relays, b.url);
  expect(await second.relay.publish(wrapOf('p'), 10_000, never())).toMatchObject({ result: 'accepted' });
  await until(() => a.connections() === 0, 'the idle one being closed');
});

test.concurrent('a relay whose name leads into a private network is never connected to, and refuses for good', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  using relays = openRelays({
    locate: async () => {
      throw new RelayUrlError('a private or local address', 'relay.example.com');
    },
  });
  const { relay: lent } = lease(relays, relay.url);
  expect(await lent.publish(wrapOf('p'), 10_000, never())).toEqual({
    result: 'refused',
    permanent: true,
    message: 'a private or local address',
  });
  expect(relay.connections()).toBe(0);
});

test.concurrent('by default loopback counts as private', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  using relays = createRelaysWithoutHostCheck();
  expect(await lease(relays, relay.url).relay.publish(wrapOf('p'), 10_000, never())).toMatchObject({
    result: 'refused',
    permanent: true,
  });

  function createRelaysWithoutHostCheck() {
    const made = createRelays({
      own: [],
      sign: signAsBot,
      clock: systemClock,
      random: seededRandom(1),
      log: silentLogger,
      timings: quickTimings,
    });
    return { ...made, [Symbol.dispose]: made.close };
  }
});

test.concurrent('a name that cannot be resolved now is tried again', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  let calls = 0;
  using relays = openRelays({
    locate: async (url) => {
      calls += 1;
      if (calls === 1) throw new Error('getaddrinfo ENOTFOUND');
      return [{ url, headers: {}, tls: undefined }];
    },
  });
  const { relay: lent } = lease(relays, relay.url);
  expect(await lent.publish(wrapOf('p'), 10_000, never())).toMatchObject({ result: 'accepted' });
  expect(lent.status().lastError).toBe('getaddrinfo ENOTFOUND');
});

test.concurrent('who can be asked says what there is, be it nothing; of others it is not known', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  using relays = openRelays();
  expect(await relays.ask(relay.url, wrapFilters(), 10_000, never())).toEqual([]);
  expect(await relays.ask(refusingUrl, wrapFilters(), 300, never())).toBeUndefined();
  expect(await relays.ask(relay.url, wrapFilters(), 10_000, AbortSignal.abort())).toBeUndefined();
});

test.concurrent('closing ends every connection, also one that waits, and later loans are closed ones', async () => {
  await using world = relayWorld();
  const own = world.relay();
  const foreign = world.relay();
  using relays = openRelays({ own: [own.url], maxBorrowed: 1 });
  const first = lease(relays, foreign.url);
  const waiting = lease(relays, refusingUrl);
  const publishing = waiting.relay.publish(wrapOf('p'), 60_000, never());
  await until(() => own.connections() === 1 && foreign.connections() === 1, 'both connections');
  relays.close();
  expect(await publishing).toEqual({ result: 'unanswered', message: 'closed' });
  await until(() => own.connections() === 0 && foreign.connections() === 0, 'both being closed');
  first.release();
  const late = lease(relays, foreign.url);
  expect(late.relay.status().state).toBe('closed');
  late.release();
});
