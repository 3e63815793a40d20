import { expect, setDefaultTimeout, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { createRelayStore } from '@nostr-dm-agent/sandbox/relay';
import type { Subscription } from '../src/relay/relay.ts';
import { type ConnectOptions, HOUR_S, never, nowS, wrapFilters, wrapOf } from './support/relay-client.ts';
import { type RelayWorld, relayWorld } from './support/relay-world.ts';

setDefaultTimeout(30_000);

/** Stored wraps `w0`, `w1`, …, `spacingS` seconds apart, into the past. */
function storeOf(count: number, spacingS: number) {
  const store = createRelayStore();
  const end = nowS() - 60;
  for (let index = 0; index < count; index += 1) store.add(wrapOf(`w${index}`, end - index * spacingS));
  return store;
}

function collect(
  world: RelayWorld,
  url: Parameters<RelayWorld['connect']>[0],
  subscription: Partial<Subscription> = {},
  options: ConnectOptions = {},
) {
  const delivered: string[] = [];
  let eoses = 0;
  world.connect(url, options).subscribe(
    {
      filters: wrapFilters,
      pageBack: { room: async () => {} },
      onEvent: ({ content }) => delivered.push(content),
      onEose: () => {
        eoses += 1;
      },
      ...subscription,
    },
    never(),
  );
  return { delivered, eoses: () => eoses };
}

const allOf = (count: number) => Array.from({ length: count }, (_, index) => `w${index}`);

test.concurrent('of 100 stored wraps all arrive, once, from a relay that gives 20 at a time', async () => {
  await using world = relayWorld();
  const relay = world.relay({ maxPerFilter: 20, store: storeOf(100, 1_000) });
  const { delivered, eoses } = collect(world, relay.url);
  await until(() => eoses() === 1, 'the end of the stored events');
  expect(delivered).toEqual(allOf(100));
  await until(() => relay.subscriptions().length === 1, 'the pages being closed');
});

test.concurrent('pages end at the filter’s since', async () => {
  await using world = relayWorld();
  const relay = world.relay({ maxPerFilter: 20, store: storeOf(100, HOUR_S) });
  const { delivered, eoses } = collect(world, relay.url);
  await until(() => eoses() === 1, 'the end of the stored events');
  expect(delivered).toEqual(allOf(72));
});

test.concurrent('several wraps of one second across the edge of a page are all found', async () => {
  await using world = relayWorld();
  const store = createRelayStore();
  const end = nowS() - 60;
  for (let index = 0; index < 100; index += 1) store.add(wrapOf(`w${index}`, end - Math.floor(index / 7)));
  const relay = world.relay({ maxPerFilter: 20, store });
  const { delivered, eoses } = collect(world, relay.url);
  await until(() => eoses() === 1, 'the end of the stored events');
  expect(delivered.toSorted()).toEqual(allOf(100).toSorted());
});

test.concurrent('a second with more wraps than the relay gives is stepped over', async () => {
  await using world = relayWorld();
  const store = createRelayStore();
  const end = nowS() - 60;
  for (let index = 0; index < 30; index += 1) store.add(wrapOf('same second', end));
  store.add(wrapOf('older', end - 1));
  const relay = world.relay({ maxPerFilter: 20, store });
  const { delivered, eoses } = collect(world, relay.url);
  await until(() => eoses() === 1, 'the end of the stored events');
  expect(delivered).toHaveLength(21);
  expect(delivered).toContain('older');
});

test.concurrent('each filter is paged by itself, and known events count for the size of a page', async () => {
  await using world = relayWorld();
  const store = storeOf(60, 1_000);
  const knownIds = new Set(
    store
      .all()
      .slice(0, 20)
      .map(({ id }) => id),
  );
  const relay = world.relay({ maxPerFilter: 20, store });
  const filters = () => [{ kinds: [4], since: 0 }, ...wrapFilters()];
  const { delivered, eoses } = collect(world, relay.url, { filters, known: (id) => knownIds.has(id) });
  await until(() => eoses() === 1, 'the end of the stored events');
  expect(delivered).toEqual(allOf(60).slice(20));
});

test.concurrent('a page is asked for only when there is room', async () => {
  await using world = relayWorld();
  const relay = world.relay({ maxPerFilter: 20, store: storeOf(50, 1_000) });
  const gates: (() => void)[] = [];
  const room = () => new Promise<void>((resolve) => gates.push(resolve));
  const { delivered, eoses } = collect(world, relay.url, { pageBack: { room } });
  await until(() => gates.length === 1, 'the first wait');
  expect(delivered).toHaveLength(20);
  gates[0]?.();
  await until(() => gates.length === 2, 'the second wait');
  expect(delivered).toHaveLength(39);
  gates[1]?.();
  await until(() => eoses() === 1, 'the end of the stored events');
  expect(delivered).toHaveLength(50);
});

test.concurrent('a page that the relay refuses is asked for again', async () => {
  await using world = relayWorld();
  let requests = 0;
  const relay = world.relay({
    maxPerFilter: 20,
    store: storeOf(50, 1_000),
    onMessage: ([type, id]) => {
      if (type !== 'REQ') return;
      requests += 1;
      relay.faults.swallow.clear();
      if (requests !== 2) return;
      relay.faults.swallow.add('REQ');
      relay.sendRaw(JSON.stringify(['CLOSED', id, 'rate-limited: slow down']));
    },
  });
  const { delivered, eoses } = collect(world, relay.url);
  await until(() => eoses() === 1, 'the end of the stored events');
  expect(delivered).toEqual(allOf(50));
});

test.concurrent('stored events are not said to be through while the relay refuses a page', async () => {
  await using world = relayWorld();
  let refused = 0;
  const relay = world.relay({
    maxPerFilter: 20,
    store: storeOf(50, 1_000),
    onMessage: (message) => {
      if (message[0] !== 'REQ') return;
      relay.faults.swallow.clear();
      // Only pages have an `until`. More refusals than a page gets attempts.
      if (refused === 6 || message[2]?.until === undefined) return;
      refused += 1;
      relay.faults.swallow.add('REQ');
      relay.sendRaw(JSON.stringify(['CLOSED', message[1], 'rate-limited: slow down']));
    },
  });
  const refusedAtEose: number[] = [];
  const { delivered } = collect(world, relay.url, { onEose: () => refusedAtEose.push(refused) });
  await until(() => refusedAtEose.length > 0, 'the end of the stored events');
  expect(refusedAtEose).toEqual([6]);
  expect(new Set(delivered)).toEqual(new Set(allOf(50)));
});

test.concurrent('when the connection is lost between two pages, paging begins anew on the next one', async () => {
  await using world = relayWorld();
  let requests = 0;
  const relay = world.relay({
    maxPerFilter: 20,
    store: storeOf(100, 1_000),
    onMessage: ([type]) => {
      if (type === 'REQ' && ++requests === 3) relay.dropAll();
    },
  });
  const { delivered, eoses } = collect(world, relay.url);
  await until(() => eoses() === 1, 'the end of the stored events');
  expect(new Set(delivered)).toEqual(new Set(allOf(100)));
});

test.concurrent('a relay that invents older and older events is not followed for ever', async () => {
  await using world = relayWorld();
  const relay = world.relay({ maxPerFilter: 20, store: storeOf(200, 100) });
  const { delivered, eoses } = collect(world, relay.url, {}, { limits: { maxPages: 3 } });
  await until(() => eoses() === 1, 'the end of the paging');
  expect(delivered).toHaveLength(20 + 3 * 19);
});

test.concurrent('without pageBack, and for a filter with a limit, one answer is all', async () => {
  await using world = relayWorld();
  let requests = 0;
  const relay = world.relay({
    maxPerFilter: 20,
    store: storeOf(50, 1_000),
    onMessage: ([type]) => {
      if (type === 'REQ') requests += 1;
    },
  });
  const connection = world.connect(relay.url);
  let eoses = 0;
  const onEose = () => {
    eoses += 1;
  };
  const limited = () => wrapFilters().map((filter) => ({ ...filter, limit: 20 }));
  const pageBack = { room: async () => {} };
  connection.subscribe({ filters: wrapFilters, onEvent: () => {}, onEose }, never());
  connection.subscribe({ filters: limited, onEvent: () => {}, onEose, pageBack }, never());
  await until(() => eoses === 2, 'both answers');
  expect(requests).toBe(2);
});
