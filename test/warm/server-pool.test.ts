import { expect, test } from 'bun:test';
import type { WarmServer } from '../../src/backends/warm/server.ts';
import { createServerPool, type ServerPlace } from '../../src/backends/warm/server-pool.ts';
import { silent } from '../support/backend.ts';

const unused = (): never => {
  throw new Error('a pool does not look at this');
};
/** A server that ends when it is told to, or dies. */
const standIn = () => {
  const gone = Promise.withResolvers<void>();
  let alive = true;
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
    ...{ pid: 0, chain: [], hasGit: false, listen: () => () => undefined, limit: () => undefined },
    ...{ exited: gone.promise, isAlive: () => alive, memory: async () => 0 },
    end: async () => die(),
  };
  return { server, die, gone: gone.promise };
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
