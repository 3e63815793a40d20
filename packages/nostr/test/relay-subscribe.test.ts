import { expect, setDefaultTimeout, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { HOUR_S, nowS, wrapFilters, wrapOf } from './support/relay-client.ts';
import { relayWorld } from './support/relay-world.ts';

setDefaultTimeout(30_000);

const never = new AbortController().signal;

test.concurrent('s05: a subscription that the relay closed with an error is asked for again', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const { connection, heard, eoses } = await world.listening(relay.url);
  relay.closeSubscriptions('error: bye');
  await until(() => eoses() === 2, 'the subscription being back');
  expect(connection.status()).toMatchObject({
    state: 'open',
    lastError: 'subscription closed by the relay: error: bye',
  });
  relay.inject(wrapOf('x'));
  await until(() => heard.includes('x'), 'the wrap');
});

test.concurrent('s05b: CLOSED on one of two relays is mended there, and nothing happens at the other', async () => {
  await using world = relayWorld();
  const requests: string[] = [];
  const closing = world.relay();
  const other = world.relay({ onMessage: ([type]) => requests.push(type) });
  const a = await world.listening(closing.url);
  const b = await world.listening(other.url);
  closing.closeSubscriptions('bye');
  await until(() => a.eoses() === 2, 'the subscription being back');
  closing.inject(wrapOf('a'));
  other.inject(wrapOf('b'));
  await until(() => a.heard.includes('a') && b.heard.includes('b'), 'both wraps');
  expect(requests).toEqual(['REQ']);
});

test.concurrent('s20b: CLOSED without a reason, which NIP-01 does not allow, is understood', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const { heard, eoses } = await world.listening(relay.url);
  relay.closeSubscriptions();
  await until(() => eoses() === 2, 'the subscription being back');
  relay.inject(wrapOf('x'));
  await until(() => heard.includes('x'), 'the wrap');
});

test.concurrent('a relay that closes every subscription is asked less and less often', async () => {
  await using world = relayWorld();
  const times: number[] = [];
  const relay = world.relay({
    auth: 'all',
    faults: { lateChallenge: true, swallow: new Set(['AUTH']) },
    onMessage: ([type]) => type === 'REQ' && times.push(performance.now()),
  });
  world.listen(relay.url, { random: () => 0.5, timings: { retry: { baseMs: 50, maxMs: 10_000 } } });
  await until(() => times.length >= 5, 'five REQs');
  expect((times[4] ?? 0) - (times[3] ?? 0)).toBeGreaterThanOrEqual(8 * 50 - 1);
});

test.concurrent('after a time in which it held, a closed subscription is asked for soon again', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  // Every subscription counts as one that held. Otherwise the seventh wait alone would be 12.8 s.
  const { eoses } = await world.listening(relay.url, {
    timings: { stableMs: 0, retry: { baseMs: 200, maxMs: 60_000 } },
  });
  for (let closed = 1; closed <= 7; closed += 1) {
    relay.closeSubscriptions('error: again');
    await until(() => eoses() === closed + 1, `the subscription being back for the ${closed}. time`);
  }
});

test.concurrent('s19, s25: garbage, malformed frames and a tampered event change nothing, and are not delivered', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const { connection, heard } = await world.listening(relay.url);
  const openSince = connection.status().since;
  const [id = ''] = relay.subscriptions();
  const tampered = { ...wrapOf('forged'), content: 'tampered' };
  for (const frame of [
    '',
    'nope',
    '[]',
    '{}',
    'null',
    '["EVENT"]',
    '["EOSE"]',
    '["OK"]',
    '["OK","x"]',
    '["NOTICE"]',
    '["AUTH"]',
    '["CLOSED"]',
    '["CLOSED","unknown"]',
    '["EOSE","unknown"]',
    '["COUNT","x",{"count":1}]',
    JSON.stringify(['EVENT', id, null]),
    JSON.stringify(['EVENT', id, { id: 5, tags: 'x' }]),
    JSON.stringify(['EVENT', id, { ...wrapOf('tags'), tags: [[1]] }]),
    JSON.stringify(['EVENT', 'unknown', wrapOf('for nobody')]),
    JSON.stringify(['EVENT', id, tampered]),
    JSON.stringify(['EVENT', id, { ...tampered, id: wrapOf('other').id }]),
  ]) {
    relay.sendRaw(frame);
  }
  relay.inject(wrapOf('x'));
  await until(() => heard.includes('x'), 'the wrap after them');
  expect(heard).toEqual(['x']);
  expect(connection.status()).toMatchObject({ state: 'open', since: openSince });
});

test.concurrent('s20: a binary frame is ignored', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const { connection, heard } = await world.listening(relay.url);
  relay.sendRaw(new Uint8Array([1, 2, 3]));
  relay.inject(wrapOf('x'));
  await until(() => heard.includes('x'), 'the wrap after it');
  expect(connection.status()).toMatchObject({ state: 'open', lastError: undefined });
});

test.concurrent('an oversized frame is dropped, the next one is read', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const { connection, heard } = await world.listening(relay.url, { limits: { maxFrameLength: 2_000 } });
  relay.inject(wrapOf('x'.repeat(2_000)));
  relay.inject(wrapOf('short'));
  await until(() => heard.includes('short'), 'the wrap after it');
  expect(heard).toEqual(['short']);
  expect(connection.status().state).toBe('open');
});

test.concurrent('a relay that goes on sending garbage is disconnected from', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const { connection } = await world.listening(relay.url, { limits: { maxBadFrames: 10 } });
  for (let frame = 0; frame <= 10; frame += 1) relay.sendRaw('garbage');
  await until(
    () => connection.status().lastError === 'too many malformed frames',
    'the connection being cut',
  );
});

test.concurrent('a relay that answers pings but not one REQ is asked again', async () => {
  await using world = relayWorld();
  let requests = 0;
  const relay = world.relay({
    faults: { swallow: new Set(['REQ']) },
    onMessage: ([type]) => {
      if (type === 'REQ') requests += 1;
    },
  });
  relay.inject(wrapOf('stored'));
  const { heard, connection } = world.listen(relay.url, { timings: { eoseMs: 1_500 } });
  await until(() => requests === 1, 'the first REQ');
  const openSince = connection.status().since;
  relay.faults.swallow.clear();
  await until(() => heard.includes('stored'), 'the wrap');
  expect(connection.status().since).toBe(openSince);
});

test.concurrent('a relay that answers pings but never a REQ is connected to anew', async () => {
  await using world = relayWorld();
  const relay = world.relay({ faults: { swallow: new Set(['REQ']) } });
  relay.inject(wrapOf('stored'));
  const { heard, connection } = world.listen(relay.url, { timings: { eoseMs: 300 } });
  await until(() => connection.status().lastError === 'REQ is not answered', 'the reconnect');
  relay.faults.swallow.clear();
  await until(() => heard.includes('stored'), 'the wrap');
});

test.concurrent('stored events without an EOSE at the end are delivered all the same', async () => {
  await using world = relayWorld();
  const relay = world.relay({ faults: { omitEose: true } });
  relay.inject(wrapOf('stored'));
  const { heard } = world.listen(relay.url);
  await until(() => heard.includes('stored'), 'the wrap');
});

test.concurrent('what is known already is not delivered again after a reconnect', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  relay.inject(wrapOf('old', nowS() - HOUR_S));
  const connection = world.connect(relay.url);
  const seen = new Set<string>();
  const delivered: string[] = [];
  let eoses = 0;
  const subscription = {
    filters: wrapFilters,
    known: (eventId: string) => seen.has(eventId),
    onEvent: ({ id, content }: { readonly id: string; readonly content: string }) => {
      seen.add(id);
      delivered.push(content);
    },
    onEose: () => {
      eoses += 1;
    },
  };
  connection.subscribe(subscription, never);
  await until(() => eoses === 1, 'the stored events');
  relay.dropAll();
  await until(() => eoses === 2, 'the stored events again');
  relay.inject(wrapOf('new'));
  await until(() => delivered.includes('new'), 'a live one');
  expect(delivered).toEqual(['old', 'new']);
});

test.concurrent('a subscriber that throws costs neither itself nor another one the next event', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const errors: string[] = [];
  const logger = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: (_: unknown, message: string) => errors.push(message),
    child: () => logger,
  };
  const { connection, heard } = await world.listening(relay.url, { log: logger });
  const delivered: string[] = [];
  connection.subscribe(
    {
      filters: wrapFilters,
      onEvent: ({ content }) => {
        delivered.push(content);
        throw new Error('bug');
      },
      onEose: () => {
        throw new Error('bug');
      },
    },
    never,
  );
  await until(() => relay.subscriptions().length === 2, 'both subscriptions');
  relay.inject(wrapOf('one'));
  relay.inject(wrapOf('two'));
  await until(() => heard.length === 2 && delivered.length === 2, 'both events, twice');
  expect(errors).toEqual([
    'a subscriber failed at the end of the stored events',
    'what a relay sent could not be handled',
    'what a relay sent could not be handled',
  ]);
});

test.concurrent('filters that cannot be computed are tried again later', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  relay.inject(wrapOf('stored'));
  const connection = world.connect(relay.url);
  let calls = 0;
  const delivered: string[] = [];
  connection.subscribe(
    {
      filters: () => {
        calls += 1;
        if (calls === 1) throw new Error('not ready');
        return wrapFilters();
      },
      onEvent: ({ content }) => delivered.push(content),
    },
    never,
  );
  await until(() => delivered.includes('stored'), 'the wrap');
});

for (const refuseBy of ['CLOSED', 'NOTICE', 'end'] as const) {
  test.concurrent(`a relay that refuses one kind by ${refuseBy} serves the other, and says why not the first`, async () => {
    await using world = relayWorld();
    const relay = world.relay({ faults: { refuseKinds: new Set([4]), refuseBy } });
    relay.inject(wrapOf('stored'));
    const connection = world.connect(relay.url, { timings: { eoseMs: 200 } });
    const heard: string[] = [];
    const onEvent = ({ content }: { readonly content: string }) => heard.push(content);
    connection.subscribe({ name: 'wraps', filters: wrapFilters, onEvent }, never);
    const filters = () => [{ kinds: [4] }];
    connection.subscribe({ name: 'legacy', lesser: true, filters, onEvent }, never);
    const feed = (name: string) => connection.status().feeds.find((each) => each.name === name);
    const why = refuseBy === 'end' ? 'it ended the connection when asked for this' : 'kind 4 is not served';
    await until(() => feed('legacy')?.problem?.includes(why) === true, 'the reason');
    await until(() => feed('wraps')?.state === 'served', 'the wraps being served');
    relay.inject(wrapOf('live'));
    await until(() => heard.includes('live'), 'the live wrap');
  });
}

test.concurrent('a relay whose EOSE takes longer each time than one waits at first is waited for, and not cut', async () => {
  await using world = relayWorld();
  let requests = 0;
  const relay = world.relay({
    faults: { eoseDelayMs: 700 },
    onMessage: ([type]) => {
      if (type === 'REQ') requests += 1;
    },
  });
  const { eoses, connection } = world.listen(relay.url, { timings: { eoseMs: 200 } });
  await until(() => connection.status().state === 'open', 'the connection');
  const { since } = connection.status();
  await until(() => eoses() === 1, 'the EOSE');
  // 200, 400, then 800 ms: the third REQ is answered.
  expect(requests).toBe(3);
  expect(connection.status()).toMatchObject({ state: 'open', since });
});

for (const refuseBy of ['CLOSED', 'NOTICE'] as const) {
  test.concurrent(`of one place, which the relay tells by ${refuseBy} alone, the wraps have it, also after it ended theirs`, async () => {
    await using world = relayWorld();
    const relay = world.relay({ limitation: { max_subscriptions: 1 }, faults: { refuseBy } });
    const connection = world.connect(relay.url, { timings: { retry: { baseMs: 300, maxMs: 300 } } });
    const heard: string[] = [];
    const onEvent = ({ content }: { readonly content: string }) => heard.push(content);
    const feed = (name: string) => connection.status().feeds.find((each) => each.name === name);
    const filters = () => [{ kinds: [4] }];
    // The lesser one is there first, as after a CLOSED for the wraps.
    connection.subscribe({ name: 'legacy', lesser: true, filters, onEvent }, never);
    await until(() => feed('legacy')?.state === 'served', 'the lesser one being served');
    connection.subscribe({ name: 'wraps', filters: wrapFilters, onEvent }, never);
    await until(() => feed('wraps')?.state === 'served', 'the wraps being served');
    expect(feed('legacy')).toMatchObject({
      state: 'waiting',
      problem: 'it serves only 1 subscriptions at a time',
    });
    relay.closeSubscriptions('error: idle');
    await until(() => feed('wraps')?.state === 'waiting', 'the wraps being closed');
    await until(() => feed('wraps')?.state === 'served', 'the wraps being served again');
    relay.inject(wrapOf('live'));
    await until(() => heard.includes('live'), 'the live wrap');
  });
}
