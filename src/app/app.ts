import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import type { Config } from '../config/config.ts';
import { openStores } from '../store/open-stores.ts';
import type { App, AppDeps } from './app-deps.ts';
import type { Basics } from './basics.ts';
import { rememberProblems } from './recent-problem.ts';
import { openRelays } from './relays.ts';
import { logProxy } from './watch-proxy.ts';

export type { App, AppDeps } from './app-deps.ts';

/** How long loading the rest waits for the first relay; one far away answers while that goes on. */
const relayPatienceMs = 50;

/**
 * Opens, wires, starts and recovers the bot. Resolves once everything that an earlier life left open is settled and
 * messages are acted on; the relays connect meanwhile.
 *
 * @throws LockHeldError when another process works in `config.home`
 */
export async function startApp(config: Config, deps: AppDeps): Promise<App> {
  const open = new AsyncDisposableStack();
  try {
    return await start(config, deps, open);
  } catch (error) {
    await open.disposeAsync();
    throw error;
  }
}

/** The relays first: they take their time to answer, in which the rest is loaded. */
async function start(config: Config, deps: AppDeps, open: AsyncDisposableStack): Promise<App> {
  const clock = deps.clock ?? systemClock;
  const startedAt = clock.now();
  const { log, lastProblem } = rememberProblems(deps.log, deps.redact, clock);
  const stopping = new AbortController();
  deps.signal?.addEventListener('abort', () => stopping.abort(deps.signal?.reason), { once: true });
  const basics: Basics = {
    clock,
    random: Math.random,
    log,
    reached: deps.onCheckpoint ?? (() => undefined),
    stopping: stopping.signal,
  };

  logProxy(basics, open);
  const stores = openStores(config, basics, open);
  const relays = openRelays(config, stores, basics, open);
  // What they and their housekeeping do ends before they are closed, also when the rest can't be started.
  open.defer(() => stopping.abort());
  // Loading keeps the program busy: a relay near by is asked before.
  await Promise.race([relays.feed.asked, sleep(relayPatienceMs, undefined, { ref: false })]);
  const [{ openOneBot }, { assemble }] = await Promise.all([
    import('./open-one-bot.ts'),
    import('./assemble.ts'),
  ]);
  const oneBot = openOneBot(config, deps, { stores, relays: relays.relays }, basics);
  return assemble(config, deps, { basics, startedAt, stores, relays, oneBot, lastProblem }, stopping, open);
}
