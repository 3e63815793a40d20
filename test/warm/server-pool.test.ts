import { expect, test } from 'bun:test';
import type { WarmServer } from '../../src/backends/warm/server.ts';
import { createServerPool, type ServerPlace } from '../../src/backends/warm/server-pool.ts';
import { silent } from '../support/backend.ts';

test('a server that was started for one run alone is ended when that run is stopped before it is there', async () => {
  const begun = Promise.withResolvers<void>();
  const there = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  let ended = 0;
  const unused = (): never => {
    throw new Error('a pool does not look at this');
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
    exited: gone.promise,
    isAlive: () => true,
    memory: async () => 0,
    end: async () => {
      ended++;
      gone.resolve();
    },
  };
  const pool = createServerPool({
    ...{ servers: 0, keptMs: 60_000, log: silent, configStamp: () => '' },
    start: async () => {
      begun.resolve();
      await there.promise;
      return { stamp: '', server };
    },
  });
  const place: ServerPlace = {
    ...{ owner: 'a', workspace: '/w', mode: 'agent', model: undefined },
    standing: {
      payer: 'own',
      payment: () => ({ credentials: 'own', variables: {}, configuration: {} }),
    },
  };
  const stopping = new AbortController();
  const taking = pool.take(place, stopping.signal, true);
  await begun.promise;
  stopping.abort();
  expect(await taking).toBeUndefined();
  there.resolve();
  await Promise.race([gone.promise, Bun.sleep(1_000)]);
  expect(ended).toBe(1);
  await pool.close();
});
