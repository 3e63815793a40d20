import { setTimeout as delay } from 'node:timers/promises';
import type { Session } from '../mints/mint-sessions.ts';
import type { Core } from '../wallet-core.ts';
import { MintError } from '../wallet-errors.ts';
import type { OperationId, TopUpState } from '../wallet-types.ts';
import { claimTopUp, mintSchema } from './mint.ts';

/** How often a quote is asked about: with a WebSocket only to be sure, without one as often as is polite. */
const pollMs = { withSocket: 15_000, without: 3_000 } as const;

/**
 * Waits until a top-up is paid and its money taken, or its invoice has expired and nobody pays late for as long as the
 * policy says. The mint tells it over NUT-17 where it can; asking goes on beside it, because sockets fall silent.
 */
export async function watchTopUp(core: Core, id: OperationId, signal: AbortSignal): Promise<TopUpState> {
  for (;;) {
    const state = await claimTopUp(core, id, signal).catch((error: unknown) => {
      // The mint may be back the next time; anything else is for the caller.
      if (!(error instanceof MintError) || signal.aborted) throw error;
      core.log.debug({ operation: id, problem: error.problem.kind }, 'a quote could not be asked about');
      return 'unpaid' as const;
    });
    if (state === 'paid' || core.journal.head(id).state === 'expired') return state;
    await nextLook(core, id, signal);
  }
}

async function nextLook(core: Core, id: OperationId, signal: AbortSignal): Promise<void> {
  const { mint } = core.journal.head(id);
  const { quote } = core.journal.body(id, mintSchema);
  const session = await core.mints.open(mint, signal).catch((error: unknown) => {
    if (!(error instanceof MintError) || signal.aborted) throw error;
    return undefined;
  });
  if (!session || !canTell(session)) {
    await delay(pollMs.without, undefined, { signal });
    return;
  }
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const told = session.on.onceMintPaid(quote.quote, { signal: either }).then(
    () => undefined,
    (error: unknown) => {
      if (!either.aborted) core.log.debug({ mint, error }, 'the WebSocket of a mint failed');
      return delay(pollMs.without, undefined, { signal: either });
    },
  );
  const polled = delay(pollMs.withSocket, undefined, { signal: either });
  // The one that loses is aborted below and must not reject unheard.
  const outcomes = Promise.allSettled([told, polled]);
  try {
    await Promise.race([told, polled]);
  } finally {
    over.abort();
    session.mint.disconnectWebSocket();
    await outcomes;
  }
}

function canTell(session: Session): boolean {
  const { supported, params } = session.getMintInfo().isSupported(17);
  return (
    supported &&
    (params ?? []).some(({ unit, commands }) => unit === 'sat' && commands.includes('bolt11_mint_quote'))
  );
}
