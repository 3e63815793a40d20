import { expect, test } from 'bun:test';
import { NotStartedError } from '../../src/backends/not-started.ts';
import type { WarmServer } from '../../src/backends/warm/server.ts';
import { createServerPool, type ServerPlace } from '../../src/backends/warm/server-pool.ts';
import { keptLine } from '../../src/replies/kept-replies.ts';
import { silent } from '../support/backend.ts';
import { startDoor } from '../support/warm-door.ts';

const unused = (): never => {
  throw new Error('a pool does not look at this');
};
/** A server that ends when it is told to, or dies. */
const standIn = () => {
  const gone = Promise.withResolvers<void>();
  let alive = true;
  let bytes = 0;
  const die = (): void => {
    alive = false;
    gone.resolve();
  };
  const server: WarmServer = {
    get plan() {
      return unused();
    },
    get prepared() {
      return unused();
    },
    get client() {
      return unused();
    },
    login: { now: undefined },
    ...{ pid: 0, chain: [], hasGit: false, listen: () => () => undefined, limit: () => undefined },
    ...{ exited: gone.promise, isAlive: () => alive, memory: async () => bytes },
    end: async () => die(),
  };
  const grow = (to: number): void => {
    bytes = to;
  };
  return { server, die, grow, gone: gone.promise };
};
const place: ServerPlace = {
  ...{ owner: 'a', workspace: '/w', mode: 'agent', model: undefined },
  standing: {
    payer: 'own',
    payment: () => ({ credentials: 'own', variables: {}, configuration: {} }),
  },
};

test('a server that was started for one run alone is ended when that run is stopped before it is there', async () => {
  const begun = Promise.withResolvers<void>();
  const there = Promise.withResolvers<void>();
  const { server, gone } = standIn();
  const pool = createServerPool({
    ...{ servers: 0, keptMs: 60_000, log: silent, configStamp: () => '' },
    start: async () => {
      begun.resolve();
      await there.promise;
      return { stamp: '', server };
    },
  });
  const stopping = new AbortController();
  const taking = pool.take(place, stopping.signal, true);
  await begun.promise;
  stopping.abort();
  expect(await taking).toBeUndefined();
  there.resolve();
  await Promise.race([gone, Bun.sleep(1_000)]);
  expect(server.isAlive()).toBe(false);
  await pool.close();
});

test('where servers die one after the other none is kept for an hour, and then again', async () => {
  let now = 0;
  let started = 0;
  let latest = standIn();
  const pool = createServerPool({
    ...{ servers: 1, keptMs: 60_000, log: silent, configStamp: () => '', now: () => now },
    start: async () => {
      started++;
      latest = standIn();
      return { stamp: '', server: latest.server };
    },
  });
  const soon = AbortSignal.timeout(5_000);
  const dies = async (): Promise<void> => {
    const held = await pool.take(place, soon);
    expect(held?.server).toBe(latest.server);
    latest.die();
    await latest.gone;
    held?.leave();
  };
  await dies();
  now += 59 * 60_000;
  await dies();
  expect(await pool.take(place, soon)).toBeUndefined();
  // The first death is forgotten, the second one is not.
  now += 2 * 60_000;
  await dies();
  expect(await pool.take(place, soon)).toBeUndefined();
  now += 60 * 60_000;
  await dies();
  expect(started).toBe(4);
  await pool.close();
});

/** A pool of stand-ins, by the workspace that each was started for. */
const house = (options: Partial<Parameters<typeof createServerPool>[0]> = {}) => {
  let now = 0;
  const started: { readonly workspace: string; readonly one: ReturnType<typeof standIn> }[] = [];
  const pool = createServerPool({
    ...{ servers: 2, keptMs: 900_000, log: silent, configStamp: () => '', now: () => now },
    free: async () => 4 * 2 ** 30,
    sweepMs: 5,
    start: async ({ workspace }) => {
      const one = standIn();
      started.push({ workspace, one });
      return { stamp: '', server: one.server };
    },
    ...options,
  });
  const soon = AbortSignal.timeout(5_000);
  const at = (workspace: string): ServerPlace => ({ ...place, workspace });
  return {
    ...{ pool, started, at },
    pass: (ms: number) => {
      now += ms;
    },
    take: (workspace: string, must = false) => pool.take(at(workspace), soon, must),
    alive: () => started.filter(({ one }) => one.server.isAlive()).map(({ workspace }) => workspace),
  };
};

const nothing = { madeRoom: 0, grown: 0, died: 0, without: 0 };

test('what became of servers is in the status: also of those that died where tasks start a process of their own now', async () => {
  const { take, started, pool, pass } = house();
  for (let death = 0; death < 2; death += 1) {
    const held = await take('/a');
    started.at(-1)?.one.die();
    await started.at(-1)?.one.gone;
    held?.leave();
  }
  expect(await take('/a')).toBeUndefined();
  (await take('/b'))?.leave();
  expect(keptLine(pool.kept())).toBe(
    'Kept ready: 1 of 2 agent servers; in the last hour 2 died; in 1 place each task starts a process of its own for that',
  );
  pass(3_600_000);
  expect(keptLine(pool.kept())).toBe('Kept ready: 1 of 2 agent servers');
  await pool.close();
});

test('of more than may be kept the one that was used longest ago goes, and never one that has a run', async () => {
  const { take, alive, pass, pool } = house();
  const use = async (workspace: string) => {
    pass(1_000);
    (await take(workspace))?.leave();
  };
  for (const workspace of ['/a', '/b', '/a', '/c']) await use(workspace);
  expect(alive()).toEqual(['/a', '/c']);
  const [first, second] = [await take('/a'), await take('/c')];
  // Both have a run: there is room for no other one, and each of them stays.
  expect(await take('/d')).toBeUndefined();
  expect(await take('/a')).toBeUndefined();
  expect(alive()).toEqual(['/a', '/c']);
  // What only a server can do gets one of its own, which goes with it.
  const spare = await take('/d', true);
  expect(alive()).toEqual(['/a', '/c', '/d']);
  spare?.leave();
  first?.leave();
  await use('/d');
  expect(alive()).toEqual(['/c', '/d']);
  expect(pool.kept()).toEqual({ state: 'kept', servers: 2, most: 2, lately: { ...nothing, madeRoom: 2 } });
  expect(keptLine(pool.kept())).toBe(
    'Kept ready: 2 of 2 agent servers; in the last hour 2 made room for others',
  );
  second?.leave();
  await pool.close();
  expect(alive()).toEqual([]);
});

test('a task that comes as the one before it is answered waits for its server; others do not', async () => {
  const { take, pool, started, alive } = house();
  const running = await take('/a');
  expect(await take('/a')).toBeUndefined();
  running?.answered();
  const next = take('/a');
  // One waits; a third one does not.
  expect(await take('/a')).toBeUndefined();
  running?.leave();
  const held = await next;
  expect(held?.server).toBe(started[0]?.one.server);
  held?.answered();
  const stopping = new AbortController();
  const stopped = pool.take({ ...place, workspace: '/a' }, stopping.signal);
  stopping.abort();
  expect(await stopped).toBeUndefined();
  held?.leave();
  (await take('/a'))?.leave();
  expect(alive()).toEqual(['/a']);
  await pool.close();
});

test('a server ends some minutes after its last task, or when it has grown too large, but not under a run', async () => {
  const { take, pass, pool, started } = house();
  const old = await take('/old');
  const large = await take('/large');
  const [first, second] = started.map(({ one }) => one);
  if (first === undefined || second === undefined) throw new Error('not started');
  second.grow(901 * 2 ** 20);
  pass(3_600_000);
  await Bun.sleep(30);
  expect([first.server.isAlive(), second.server.isAlive()]).toEqual([true, true]);
  large?.leave();
  await second.gone;
  old?.leave();
  pass(899_000);
  await Bun.sleep(30);
  expect(first.server.isAlive()).toBe(true);
  pass(2_000);
  await first.gone;
  expect(pool.kept()).toEqual({ state: 'kept', servers: 0, most: 2, lately: { ...nothing, grown: 1 } });
  await pool.close();
});

test('a machine without memory to spare keeps none, and says so; what needs a server gets one', async () => {
  let bytes = 0.7 * 2 ** 30;
  const { take, alive, pool } = house({ free: async () => bytes });
  expect(await take('/a')).toBeUndefined();
  expect(pool.kept()).toEqual({ state: 'none', why: 'no_memory' });
  const asked = await take('/a', true);
  expect(alive()).toEqual(['/a']);
  asked?.leave();
  bytes = 2 ** 30;
  (await take('/a'))?.leave();
  expect(pool.kept()).toEqual({ state: 'kept', servers: 1, most: 2, lately: nothing });
  expect(keptLine(pool.kept())).toBe('Kept ready: 1 of 2 agent servers');
  await pool.close();
});

test('what is configured anew gets a successor, while the run on the one before it goes on', async () => {
  let configured = 'first';
  const { take, alive, pool, started } = house({ configStamp: () => configured });
  const running = await take('/a');
  configured = 'second';
  const next = await take('/a');
  expect(next?.server).toBe(started[1]?.one.server);
  expect(alive()).toEqual(['/a', '/a']);
  running?.leave();
  await started[0]?.one.gone;
  next?.leave();
  expect((await take('/a'))?.server).toBe(next?.server);
  await pool.close();
});

test('a version that nobody has tried is kept nowhere, and why is known', async () => {
  let tries = 0;
  const { take, pool } = house({
    start: async () => {
      tries++;
      throw new NotStartedError('backend_unknown', 'opencode 9.9.9, tested with 1.2.3');
    },
  });
  for (const must of [false, true, false]) expect(await take('/a', must)).toBeUndefined();
  expect(tries).toBe(1);
  expect(pool.kept()).toMatchObject({
    state: 'none',
    why: 'untested',
    detail: expect.stringContaining('9.9.9'),
  });
  expect(keptLine(pool.kept())).toContain('9.9.9');
  await pool.close();
});

test('the door of a server says whether it is kept for the runs to come: only then their money is made ready', async () => {
  const opened: string[] = [];
  const { door, stop } = startDoor('');
  const paid: ServerPlace = {
    ...place,
    standing: {
      ...place.standing,
      openDoor: (server) => {
        opened.push(server);
        return door;
      },
    },
  };
  const pool = createServerPool({
    ...{ servers: 1, keptMs: 60_000, log: silent, configStamp: () => '' },
    start: async () => ({ stamp: '', server: standIn().server }),
  });
  const soon = AbortSignal.timeout(5_000);
  const kept = await pool.take(paid, soon, true);
  const spare = await pool.take(paid, soon, true);
  expect(opened).toEqual(['kept', 'spare']);
  spare?.leave();
  kept?.leave();
  await pool.close();
  stop();
});
