import { expect, setDefaultTimeout, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { never, signAsBot, wrapFilters, wrapOf } from './support/relay-client.ts';
import { relayWorld } from './support/relay-world.ts';

setDefaultTimeout(30_000);

const failingSigner = async () => {
  throw new Error('bunker offline');
};

test.concurrent('s06: an AUTH relay is asked at once, and again after the AUTH, and gives the stored wraps', async () => {
  await using world = relayWorld();
  const messages: string[] = [];
  const relay = world.relay({ auth: 'dms', onMessage: ([type]) => messages.push(type) });
  relay.inject(wrapOf('stored'));
  const { heard } = world.listen(relay.url);
  await until(() => heard.includes('stored'), 'the wrap');
  expect(messages).toEqual(['REQ', 'AUTH', 'REQ']);
});

test.concurrent('s07: AUTH is given again after every reconnect', async () => {
  await using world = relayWorld();
  const relay = world.relay({ auth: 'dms' });
  const { heard, eoses } = await world.listening(relay.url);
  for (let reconnect = 1; reconnect <= 3; reconnect += 1) {
    relay.dropAll();
    await until(() => eoses() === reconnect + 1, `reconnect ${reconnect}`);
    relay.inject(wrapOf(`after ${reconnect}`));
    await until(() => heard.includes(`after ${reconnect}`), `the wrap after reconnect ${reconnect}`);
  }
});

test.concurrent('s08: a publish that demands AUTH gets it, again after a reconnect', async () => {
  await using world = relayWorld();
  const relay = world.relay({ auth: 'all' });
  // Not an own relay: it gets an AUTH for a publish only.
  const connection = world.connect(relay.url, { own: false });
  expect(await connection.publish(wrapOf('one'), 10_000, never())).toEqual({
    result: 'accepted',
    message: '',
  });
  relay.dropAll();
  expect(await connection.publish(wrapOf('two'), 10_000, never())).toMatchObject({ result: 'accepted' });
  expect(relay.store.all().map(({ content }) => content)).toEqual(['one', 'two']);
});

test.concurrent('a relay that sends its challenge only after it has refused is served too', async () => {
  await using world = relayWorld();
  const relay = world.relay({ auth: 'all', faults: { lateChallenge: true } });
  relay.inject(wrapOf('stored'));
  const { heard } = world.listen(relay.url);
  await until(() => heard.includes('stored'), 'the wrap');
  const other = world.connect(relay.url, { own: false });
  expect(await other.publish(wrapOf('one'), 10_000, never())).toMatchObject({ result: 'accepted' });
  relay.dropAll();
  await until(() => other.status().state !== 'open', 'the connection being lost');
  expect(await other.publish(wrapOf('two'), 10_000, never())).toMatchObject({ result: 'accepted' });
});

test.concurrent('a second challenge on the same connection is answered', async () => {
  await using world = relayWorld();
  const relay = world.relay({ auth: 'dms' });
  const { connection, heard, eoses } = await world.listening(relay.url);
  relay.challengeAgain();
  await until(() => eoses() === 2, 'the subscription after the second AUTH');
  relay.inject(wrapOf('x'));
  await until(() => heard.includes('x'), 'the wrap');
  expect(connection.status().lastError).toBeUndefined();
});

test.concurrent('challenges without end do not make us sign without end', async () => {
  await using world = relayWorld();
  const relay = world.relay({ auth: 'dms' });
  let signed = 0;
  const { heard } = await world.listening(relay.url, {
    sign: async (template, signal) => {
      signed += 1;
      return signAsBot(template, signal);
    },
    timings: { authSpacingMs: 300 },
  });
  for (let challenge = 0; challenge < 500; challenge += 1) relay.challengeAgain();
  await until(() => signed === 2, 'the answer to the last one');
  relay.inject(wrapOf('x'));
  await until(() => heard.includes('x'), 'the wrap');
  expect(signed).toBeLessThan(5);
});

test.concurrent('s09: a relay that refuses our AUTH refuses a publish for good, and hears from us less and less', async () => {
  await using world = relayWorld();
  const times: number[] = [];
  const relay = world.relay({
    auth: 'all',
    faults: { refuseAuth: true },
    onMessage: ([type]) => type === 'AUTH' && times.push(performance.now()),
  });
  const { connection } = world.listen(relay.url, {
    random: () => 0.5,
    timings: { retry: { baseMs: 100, maxMs: 10_000 } },
  });
  await until(() => times.length === 4, 'four AUTHs');
  expect((times[3] ?? 0) - (times[2] ?? 0)).toBeGreaterThanOrEqual(399);
  expect(await connection.publish(wrapOf('p'), 10_000, never())).toEqual({
    result: 'refused',
    permanent: true,
    message: 'AUTH refused: restricted: AUTH refused',
  });
});

test.concurrent('s10: while the signer fails, a publish is refused for now and the connection holds', async () => {
  await using world = relayWorld();
  const relay = world.relay({ auth: 'all' });
  const { connection } = world.listen(relay.url, { sign: failingSigner });
  expect(await connection.publish(wrapOf('p'), 10_000, never())).toEqual({
    result: 'refused',
    permanent: false,
    message: 'AUTH failed: the signer failed',
  });
  expect(connection.status()).toMatchObject({ state: 'open' });
});

test.concurrent('s10b: a signer that failed once is asked again, on the same connection and after a reconnect', async () => {
  await using world = relayWorld();
  const relay = world.relay({ auth: 'dms' });
  let calls = 0;
  const { heard, eoses } = await world.listening(relay.url, {
    sign: (template, signal) => (++calls % 2 === 1 ? failingSigner() : signAsBot(template, signal)),
  });
  relay.dropAll();
  await until(() => eoses() === 2, 'the subscription after the reconnect');
  relay.inject(wrapOf('x'));
  await until(() => heard.includes('x'), 'the wrap');
  expect(calls).toBe(4);
});

test.concurrent('an AUTH that failed is tried again although nothing demands it', async () => {
  await using world = relayWorld();
  let accepted = 0;
  const relay = world.relay({ auth: 'dms', onMessage: ([type]) => type === 'AUTH' && ++accepted });
  let calls = 0;
  world.connect(relay.url, {
    sign: (template, signal) => (++calls === 1 ? failingSigner() : signAsBot(template, signal)),
  });
  await until(() => accepted === 1, 'the AUTH');
  expect(calls).toBe(2);
});

test.concurrent('a relay whose session expired gets another AUTH for its old challenge', async () => {
  await using world = relayWorld();
  const relay = world.relay({ auth: 'dms' });
  const { heard, eoses } = await world.listening(relay.url);
  relay.expireAuth();
  await until(() => eoses() === 2, 'the subscription being back');
  relay.inject(wrapOf('x'));
  await until(() => heard.includes('x'), 'the wrap');
});

test.concurrent('a signer that hangs, and one that throws at once, count as failed', async () => {
  await using world = relayWorld();
  const relay = world.relay({ auth: 'dms' });
  let calls = 0;
  const { heard } = world.listen(relay.url, {
    sign: (template, signal) => {
      calls += 1;
      if (calls === 1) return new Promise(() => {});
      if (calls === 2) throw new Error('synchronously');
      return signAsBot(template, signal);
    },
  });
  await until(() => calls === 3, 'the third attempt');
  relay.inject(wrapOf('x'));
  await until(() => heard.includes('x'), 'the wrap');
});

test.concurrent('s21: an AUTH that is never answered is given again, on the same connection and after a reconnect', async () => {
  await using world = relayWorld();
  let auths = 0;
  const relay = world.relay({
    auth: 'dms',
    faults: { swallow: new Set(['AUTH']) },
    onMessage: ([type]) => {
      if (type === 'AUTH') auths += 1;
    },
  });
  relay.inject(wrapOf('stored'));
  const { connection, heard, eoses } = world.listen(relay.url);
  await until(() => auths === 2, 'the second AUTH');
  expect(connection.status().lastError).toMatch(/AUTH failed: the relay did not answer|auth-required/);
  relay.dropAll();
  await until(() => auths === 3, 'an AUTH after the reconnect');
  relay.faults.swallow.clear();
  await until(() => heard.includes('stored') && eoses() > 0, 'the wrap');
});

test.concurrent('a relay that is not ours gets no AUTH for reading', async () => {
  await using world = relayWorld();
  const messages: string[] = [];
  const relay = world.relay({ auth: 'dms', onMessage: ([type]) => messages.push(type) });
  const connection = world.connect(relay.url, { own: false });
  const asking = connection.query(wrapFilters(), 10_000, never());
  await expect(asking).rejects.toMatchObject({
    name: 'RelayError',
    reason: 'refused',
    detail: 'auth-required: to read this',
  });
  expect(messages).toEqual(['REQ']);
});

test.concurrent('a query at an own relay waits for the AUTH', async () => {
  await using world = relayWorld();
  const relay = world.relay({ auth: 'dms', faults: { lateChallenge: true } });
  relay.inject(wrapOf('stored'));
  const events = await world.connect(relay.url).query(wrapFilters(), 10_000, never());
  expect(events.map(({ content }) => content)).toEqual(['stored']);
});
