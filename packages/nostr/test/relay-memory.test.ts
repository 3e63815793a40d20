import { heapStats } from 'bun:jsc';
import { expect, setDefaultTimeout, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { never, wrapFilters, wrapOf } from './support/relay-client.ts';
import { relayWorld } from './support/relay-world.ts';

setDefaultTimeout(30_000);

const settledHeap = () => {
  Bun.gc(true);
  return heapStats().heapSize;
};

test('ten thousand events, some thousand publishes, queries and reconnects leave nothing behind', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  let delivered = 0;
  const connection = world.connect(relay.url);
  // A signal that outlives everything, as that of the whole bot does: what is registered on it must go again.
  const signal = never();
  connection.subscribe(
    {
      filters: wrapFilters,
      known: () => false,
      onEvent: () => {
        delivered += 1;
      },
    },
    signal,
  );
  await until(() => relay.subscriptions().length === 1, 'the subscription');
  const event = wrapOf('x'.repeat(1_500));

  const work = async (times: number) => {
    const [id] = relay.subscriptions();
    const frame = JSON.stringify(['EVENT', id, event]);
    const target = delivered + 10 * times;
    for (let index = 0; index < 10 * times; index += 1) {
      relay.sendRaw(frame);
      if (index % 500 === 0) await Bun.sleep(0);
    }
    await until(() => delivered >= target, 'the events');
    for (let index = 0; index < times; index += 1) {
      await connection.publish(event, 10_000, signal);
      await connection.query([{ kinds: [1] }], 10_000, signal);
      const subscription = new AbortController();
      connection.subscribe({ filters: wrapFilters, onEvent: () => {} }, subscription.signal);
      subscription.abort();
    }
    relay.dropAll();
    await until(() => relay.subscriptions().length === 1, 'the reconnect');
  };

  await work(300);
  const before = settledHeap();
  await work(1_000);
  const grownBytes = settledHeap() - before;
  // 0.15 MB are measured. 2 kB for each event would be 20 MB; a forgotten listener for each publish is 1 MB.
  expect(grownBytes).toBeLessThan(600_000);
}, 60_000);
