import { expect, setDefaultTimeout, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { createRelayStore } from '@nostr-dm-agent/sandbox/relay';
import { HOUR_S, nowS, wrapOf } from './support/relay-client.ts';
import { loopback, relayWorld, reservePort } from './support/relay-world.ts';

setDefaultTimeout(30_000);

const YEAR_S = 365 * 86_400;

test.concurrent('s01: after a lost connection, wraps back-dated by up to two days still arrive, stored and live', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const { heard } = await world.listening(relay.url);
  relay.inject(wrapOf('before', nowS() - HOUR_S));
  await until(() => heard.includes('before'), 'the first wrap');

  relay.dropAll();
  await until(() => relay.connections() === 0, 'the connection being lost');
  relay.inject(wrapOf('meanwhile', nowS() - 20 * HOUR_S));
  await until(() => heard.includes('meanwhile'), 'the wrap of the outage');
  relay.inject(wrapOf('live again', nowS() - 47 * HOUR_S));
  await until(() => heard.includes('live again'), 'the wrap after it');

  expect(heard).toEqual(['before', 'meanwhile', 'live again']);
});

test.concurrent('s02: a relay that restarts is found again', async () => {
  await using world = relayWorld();
  const port = await reservePort();
  const store = createRelayStore();
  const first = world.relay({ port, store });
  const { connection, heard } = await world.listening(first.url);
  await first.stop();
  await until(() => connection.status().lastError === 'Failed to connect', 'a refused attempt');

  const second = world.relay({ port, store });
  second.inject(wrapOf('stored', nowS() - 20 * HOUR_S));
  await until(() => second.subscriptions().length === 1, 'the subscription on the restarted relay');
  second.inject(wrapOf('live', nowS() - 47 * HOUR_S));
  await until(() => heard.length === 2, 'both wraps');
});

test.concurrent('s03: a relay that closes politely is connected to again', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const { connection, heard } = await world.listening(relay.url);
  relay.closeAll(1000);
  await until(
    () => connection.status().lastError === 'closed by the relay (1000 bye)',
    'the close being noticed',
  );
  await until(() => relay.subscriptions().length === 1, 'the new subscription');
  relay.inject(wrapOf('x'));
  await until(() => heard.includes('x'), 'the wrap');
});

test.concurrent('s04: a relay that is down at start is connected to when it comes up', async () => {
  await using world = relayWorld();
  const port = await reservePort();
  const { connection, heard } = world.listen(loopback(port));
  await until(() => connection.status().state === 'waiting', 'the first attempt failing');
  const relay = world.relay({ port });
  await until(() => relay.subscriptions().length === 1, 'the subscription');
  relay.inject(wrapOf('x'));
  await until(() => heard.includes('x'), 'the wrap');
});

test.concurrent('s11: a connection on which nothing passes any more is replaced', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const proxy = world.proxy(relay.port);
  const { connection, heard } = await world.listening(loopback(proxy.port), {
    timings: { pingMs: 300, pongMs: 1_000 },
  });
  proxy.silence();
  await until(() => proxy.accepted() > 1, 'a second connection');
  expect(connection.status().lastError).toBe('no answer to a ping');
  expect(proxy.held()).toBe(1);
  await until(() => connection.status().state === 'open', 'the second connection being open');
  relay.inject(wrapOf('x'));
  await until(() => heard.includes('x'), 'the wrap');
});

test.concurrent('s12: an upgrade that is never answered is given up, and tried again', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const proxy = world.proxy(relay.port, { mute: true });
  const { connection, heard } = world.listen(loopback(proxy.port), { timings: { connectMs: 500 } });
  await until(
    () => connection.status().lastError === 'no answer to the WebSocket upgrade',
    'the attempt being given up',
  );
  proxy.mute = false;
  await until(() => relay.subscriptions().length === 1, 'the subscription');
  relay.inject(wrapOf('x'));
  await until(() => heard.includes('x'), 'the wrap');
});

test.concurrent('s16: a failing relay leaves another one alone', async () => {
  await using world = relayWorld();
  const failing = world.relay();
  const healthy = world.relay();
  const a = await world.listening(failing.url);
  const b = await world.listening(healthy.url);
  const openSince = b.connection.status().since;
  failing.dropAll();
  await until(() => a.eoses() === 2, 'the failing relay being back');
  healthy.inject(wrapOf('old', nowS() - 30 * HOUR_S));
  await until(() => b.heard.includes('old'), 'the wrap of the healthy relay');
  expect(b.connection.status()).toEqual({
    url: healthy.url,
    state: 'open',
    lastError: undefined,
    since: openSince,
    feeds: [],
  });
});

test.concurrent('s17: a wrap dated ten years ahead does not make us deaf after a reconnect', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const { heard, eoses } = await world.listening(relay.url);
  relay.inject(wrapOf('from the future', nowS() + 10 * YEAR_S));
  await until(() => heard.includes('from the future'), 'the future wrap');
  relay.dropAll();
  await until(() => eoses() === 2, 'the reconnect');
  relay.inject(wrapOf('x'));
  await until(() => heard.includes('x'), 'the wrap of today');
});

test.concurrent('filters are computed afresh for every subscription', async () => {
  await using world = relayWorld();
  const asked: unknown[] = [];
  const relay = world.relay({ onMessage: (message) => message[0] === 'REQ' && asked.push(message[2]) });
  const connection = world.connect(relay.url);
  let calls = 0;
  const filters = () => [{ kinds: [1059], since: ++calls }];
  connection.subscribe({ filters, onEvent: () => {} }, new AbortController().signal);
  await until(() => asked.length === 1, 'the first REQ');
  relay.dropAll();
  await until(() => asked.length === 2, 'the second REQ');
  expect(asked).toEqual([
    { kinds: [1059], since: 1 },
    { kinds: [1059], since: 2 },
  ]);
});

/** The waits between connections of a relay that accepts and then closes at once. */
async function waitsOf(onConnected: 'close' | 'answer and close', connections: number): Promise<number[]> {
  const times: number[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response('', { status: 426 })),
    websocket: {
      open: (socket) => {
        times.push(performance.now());
        if (onConnected === 'close') socket.close(1013, 'too many');
      },
      message: (socket, frame) => {
        const id = /"REQ","(\w+)"/.exec(String(frame))?.[1];
        socket.send(JSON.stringify(['EOSE', id]));
        socket.terminate();
      },
    },
  });
  await using world = relayWorld();
  world.listen(loopback(server.port ?? 0), {
    random: () => 0.5,
    timings: { reconnect: { baseMs: 50, maxMs: 10_000 } },
  });
  await until(() => times.length >= connections, `${connections} connections`);
  await server.stop(true);
  return times.slice(1).map((time, index) => time - (times[index] ?? 0));
}

test.concurrent('a relay that accepts and closes at once is tried less and less often', async () => {
  const waits = await waitsOf('close', 5);
  expect(waits[3]).toBeGreaterThanOrEqual(8 * 50 - 1);
});

test.concurrent('a relay that has answered before it closed is tried again soon', async () => {
  // Were the backoff not begun anew, these would take 50 × (2⁹ − 1) ms = 25 s, past the deadline.
  await waitsOf('answer and close', 10);
});

test.concurrent('a relay process that is stopped (half-open) is noticed, and found again when it goes on', async () => {
  const relay = Bun.spawn([process.execPath, `${import.meta.dir}/support/relay-process.ts`], {
    stdout: 'pipe',
  });
  try {
    const reader = relay.stdout.getReader();
    const port = Number(new TextDecoder().decode((await reader.read()).value));
    await using world = relayWorld();
    const { connection } = await world.listening(loopback(port), {
      timings: { pingMs: 300, pongMs: 1_000, connectMs: 1_000 },
    });
    relay.kill('SIGSTOP');
    await until(() => connection.status().state !== 'open', 'the half-open connection being noticed');
    relay.kill('SIGCONT');
    await until(() => connection.status().state === 'open', 'the connection being back');
  } finally {
    relay.kill('SIGKILL');
    await relay.exited;
  }
});

test.concurrent('s18: aborting sends CLOSE, closing ends the socket, and a process with nothing else to do exits', async () => {
  await using world = relayWorld();
  const messages: string[] = [];
  const relay = world.relay({ onMessage: ([type]) => messages.push(type) });
  const listener = await world.listening(relay.url);
  listener.stopListening();
  await until(() => relay.subscriptions().length === 0, 'CLOSE');
  relay.inject(wrapOf('unheard'));
  expect(messages).toEqual(['REQ', 'CLOSE']);
  expect(relay.connections()).toBe(1);

  listener.connection.close();
  await until(() => relay.connections() === 0, 'the socket being closed');
  expect(listener.connection.status().state).toBe('closed');
  expect(listener.heard).toEqual([]);

  const silent = world.proxy(relay.port, { mute: true });
  const child = Bun.spawn(
    [process.execPath, `${import.meta.dir}/support/relay-exit-process.ts`, relay.url, loopback(silent.port)],
    { stdout: 'pipe', stderr: 'pipe' },
  );
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const [code, output] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  clearTimeout(timer);
  expect({ code, output }).toEqual({ code: 0, output: '' });
});
