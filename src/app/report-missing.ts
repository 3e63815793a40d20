import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { InboxService } from '@nostr-dm-agent/nostr';
import type { BackendHealth } from '../backends/backend.ts';
import type { HealthWatch } from '../backends/watch-health.ts';
import type { Config } from '../config/config.ts';
import { connectedCount } from '../replies/relay-replies.ts';

/** So long a relay may take to be reached before it is said that it was not. */
const relayPatienceMs = 10_000;
const lookEveryMs = 250;

/**
 * Says in the log, one line each, what the bot has to do without: a relay, its backend, a wallet. (Of the wall,
 * `watch-wall.ts` says so.) Ends when all is said, or when the signal is aborted.
 */
export async function reportMissing(
  { backend, wallet }: Pick<Config, 'backend' | 'wallet'>,
  parts: { readonly relays: () => readonly InboxService[]; readonly healths: HealthWatch },
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  if (wallet === undefined) {
    log.info(
      {},
      'no wallet: CASHU_MNEMONIC is not set, so tasks are paid by the backend’s own login or by owners’ keys',
    );
  }
  await parts.healths.done;
  const problem = backendProblem(parts.healths.of(backend));
  if (problem !== undefined && !signal.aborted) {
    log.warn(
      { backend },
      `no ${backend}: ${problem}. Until that is put right no task can run; doctor says more`,
    );
  }
  const allServed = () => parts.relays().every(({ served }) => served);
  for (let waited = 0; waited < relayPatienceMs && !allServed(); waited += lookEveryMs) {
    if (signal.aborted) return;
    await sleep(lookEveryMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
  if (signal.aborted) return;
  const relays = parts.relays();
  for (const { url, served, reason } of relays) {
    if (!served)
      log.warn(
        { relay: url },
        `a relay does not serve: ${reason ?? 'no answer'}; it is tried again and again`,
      );
  }
  if (!relays.some(({ served }) => served)) {
    log.warn({}, `no relay: ${connectedCount(relays)} serve, so nobody can reach the bot yet (BOT_RELAYS)`);
  }
}

const backendProblem = (health: BackendHealth | undefined): string | undefined =>
  health?.state === 'missing' ? health.problem : undefined;
