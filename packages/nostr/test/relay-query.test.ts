import { expect, setDefaultTimeout, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { generateSecretKey, publicKeyOf, signEvent } from '../src/event.ts';
import { botPublicKey, HOUR_S, never, nowS, wrapFilters, wrapOf } from './support/relay-client.ts';
import { loopback, refusingUrl, relayWorld, reservePort } from './support/relay-world.ts';

setDefaultTimeout(30_000);

test.concurrent('a query brings the stored events, once each, and leaves no subscription behind', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  relay.inject(wrapOf('a'));
  relay.inject(wrapOf('b', nowS() - HOUR_S));
  const connection = world.connect(relay.url);
  const events = await connection.query([...wrapFilters(), { kinds: [1059] }], 10_000, never());
  expect(events.map(({ content }) => content)).toEqual(['a', 'b']);
  await until(() => relay.subscriptions().length === 0, 'CLOSE');
});

test.concurrent('nothing stored is an answer, and no error', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  expect(await world.connect(relay.url).query(wrapFilters(), 10_000, never())).toEqual([]);
});

test.concurrent('forged events and events that were not asked for are left out', async () => {
  await using world = relayWorld();
  const relay = world.relay({ faults: { omitEose: true } });
  const asking = world.connect(relay.url).query(wrapFilters(), 15_000, never());
  await until(() => relay.subscriptions().length === 1, 'the REQ');
  const [id] = relay.subscriptions();
  const signed = wrapOf('wrong signature');
  for (const event of [
    { ...wrapOf('wrong id'), content: 'changed' },
    { ...signed, sig: wrapOf('other').sig },
    signEvent(
      { kind: 1, created_at: nowS(), tags: [['p', botPublicKey]], content: 'note' },
      generateSecretKey(),
    ),
    wrapOf('too old', nowS() - 100 * HOUR_S),
    wrapOf('good'),
  ]) {
    relay.sendRaw(JSON.stringify(['EVENT', id, event]));
  }
  relay.sendRaw(JSON.stringify(['EOSE', id]));
  expect((await asking).map(({ content }) => content)).toEqual(['good']);
});

test.concurrent('a relay cannot make one query swell without bound', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  for (let index = 0; index < 30; index += 1) relay.inject(wrapOf(String(index)));
  const connection = world.connect(relay.url, { limits: { maxQueryEvents: 10 } });
  expect(await connection.query(wrapFilters(), 10_000, never())).toHaveLength(10);
});

test.concurrent('a relay that cannot be reached is told from one that does not answer, and from one that refuses', async () => {
  await using world = relayWorld();
  const silent = world.relay({ faults: { swallow: new Set(['REQ']) } });
  const refusing = world.relay({ faults: { omitEose: true } });
  const asking = world.connect(refusing.url).query(wrapFilters(), 15_000, never());
  await until(() => refusing.subscriptions().length === 1, 'the REQ');
  refusing.closeSubscriptions('error: too many subscriptions');
  await expect(asking).rejects.toMatchObject({
    reason: 'refused',
    detail: 'error: too many subscriptions',
  });
  await expect(world.connect(refusingUrl).query(wrapFilters(), 300, never())).rejects.toMatchObject({
    reason: 'unreachable',
    detail: 'Failed to connect',
    url: refusingUrl,
  });
  const connection = world.connect(silent.url);
  await until(() => connection.status().state === 'open', 'the connection');
  await expect(connection.query(wrapFilters(), 1_000, never())).rejects.toMatchObject({ reason: 'timeout' });
});

test.concurrent('a query is refused at once by a relay that wants AUTH after it has accepted one', async () => {
  await using world = relayWorld();
  const relay = world.relay({
    auth: 'dms',
    faults: { swallow: new Set(['REQ']) },
    onMessage: ([type, id]) => {
      if (type === 'REQ')
        relay.sendRaw(JSON.stringify(['CLOSED', id, 'auth-required: nobody is good enough']));
    },
  });
  await expect(world.connect(relay.url).query(wrapFilters(), 600_000, never())).rejects.toMatchObject({
    reason: 'refused',
    detail: 'auth-required: nobody is good enough',
  });
});

test.concurrent('a query outlives a lost connection, and waits for a relay that comes up in time', async () => {
  await using world = relayWorld();
  const port = await reservePort();
  const connection = world.connect(loopback(port));
  const asking = connection.query(wrapFilters(), 15_000, never());
  await until(() => connection.status().state === 'waiting', 'the first attempt failing');
  const relay = world.relay({ port, faults: { swallow: new Set(['REQ']) } });
  relay.inject(wrapOf('stored'));
  await until(() => connection.status().state === 'open', 'the connection');
  relay.faults.swallow.clear();
  relay.dropAll();
  expect(await asking).toHaveLength(1);
});

test.concurrent('a query ends when its signal aborts, with the reason, and when the connection is closed', async () => {
  await using world = relayWorld();
  const connection = world.connect(refusingUrl);
  const controller = new AbortController();
  const reason = new Error('stop');
  const aborted = connection.query(wrapFilters(), 60_000, controller.signal);
  controller.abort(reason);
  await expect(aborted).rejects.toMatchObject({ name: 'RelayError', reason: 'aborted', cause: reason });
  await expect(connection.query(wrapFilters(), 60_000, controller.signal)).rejects.toMatchObject({
    reason: 'aborted',
  });

  const closed = connection.query(wrapFilters(), 60_000, never());
  connection.close();
  await expect(closed).rejects.toMatchObject({ reason: 'closed' });
  await expect(connection.query(wrapFilters(), 60_000, never())).rejects.toMatchObject({ reason: 'closed' });
});

test.concurrent('of a replaceable event the newest one is found', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const connection = world.connect(relay.url);
  const key = generateSecretKey();
  const list = (createdAt: number) =>
    signEvent({ kind: 10050, created_at: createdAt, tags: [], content: String(createdAt) }, key);
  for (const createdAt of [200, 300, 100]) await connection.publish(list(createdAt), 10_000, never());
  const found = await connection.query([{ kinds: [10050], authors: [publicKeyOf(key)] }], 10_000, never());
  expect(found.map(({ content }) => content)).toEqual(['300']);
});
