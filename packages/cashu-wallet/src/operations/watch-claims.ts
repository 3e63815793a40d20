import { pause } from '@nostr-dm-agent/kit/abort';
import { askMint } from '../mints/mint-errors.ts';
import type { Session } from '../mints/mint-sessions.ts';
import { loadProof, type StoredProof } from '../store/stored-proof.ts';
import type { Core } from '../wallet-core.ts';
import { MintError } from '../wallet-errors.ts';
import type { MintUrl, OperationId } from '../wallet-types.ts';
import { markClaimed } from './sent-token.ts';
import { statesOf } from './swap.ts';

/**
 * How long is waited between two looks: a part of the youngest token's age, so that one that was just given away is looked
 * at soon, one that lies around for weeks hardly ever, and a restart changes nothing. With a WebSocket only to be sure.
 */
const shareOfAge = 1 / 20;
const mostMs = 2 * 3_600_000;
const leastMs = { withSocket: 60_000, afterFailure: 60_000 } as const;
/** A socket is kept open so long for a token that nobody claims, and for so many proofs. */
const socketMs = 24 * 3_600_000;
const mostProofs = 200;

/**
 * Waits until one of these tokens is out no longer: claimed, or taken back. The mint tells it over NUT-17 where it can;
 * else, and beside it, it is asked for all of them at once (NUT-07), with pauses that grow. @throws when aborted
 */
export async function watchClaims(
  core: Core,
  mint: MintUrl,
  operations: readonly OperationId[],
  signal: AbortSignal,
): Promise<void> {
  // Nobody has read it yet.
  await pause(Math.max(0, core.policy.claimPollMs - ageOfYoungest(core, operations)), signal);
  for (;;) {
    signal.throwIfAborted();
    if (operations.some((id) => !isOut(core, id))) return;
    const look = await lookAt(core, mint, operations, signal).catch((error: unknown) => {
      if (!(error instanceof MintError) || signal.aborted) throw error;
      core.log.debug({ mint, problem: error.problem.kind }, 'tokens that are out could not be asked about');
      return undefined;
    });
    signal.throwIfAborted();
    if (look?.claimed === true) return;
    const age = ageOfYoungest(core, operations);
    const wait = (least: number): number => Math.min(mostMs, Math.max(least, age * shareOfAge));
    if (look === undefined) await pause(wait(leastMs.afterFailure), signal);
    else if (age > socketMs || look.unspent.length > mostProofs || !canTell(look.session)) {
      await pause(wait(core.policy.claimPollMs), signal);
    } else {
      const told = await waitForNews(core, look.session, look.unspent, wait(leastMs.withSocket), signal);
      // A mint that tells what is no news is not asked without end.
      await pause(told ? Math.min(core.policy.claimPollMs, 250) : 0, signal);
    }
  }
}

const ageOfYoungest = (core: Core, operations: readonly OperationId[]): number =>
  Math.max(0, core.clock.now() - Math.max(...operations.map((id) => core.journal.head(id).updatedAt)));

const isOut = (core: Core, id: OperationId): boolean =>
  ['issued', 'handed_over', 'reclaiming'].includes(core.journal.head(id).state);

/** Asks once about all of them; those that are spent as a whole are claimed. */
async function lookAt(core: Core, mint: MintUrl, operations: readonly OperationId[], signal: AbortSignal) {
  const session = await core.mints.open(mint, signal);
  const held = operations.map((id) => ({ id, proofs: core.proofs.heldBy(id, 'sent') }));
  const all = held.flatMap(({ proofs }) => proofs);
  const states = await askMint(mint, signal, () => statesOf(session, all));
  const spent = new Set(all.filter((_, i) => states[i] === 'SPENT').map(({ secret }) => secret));
  let claimed = false;
  for (const { id, proofs } of held) {
    if (proofs.length === 0 || !proofs.every(({ secret }) => spent.has(secret))) continue;
    // Not one that is being taken back: that is for whoever does it to find out.
    if (!['issued', 'handed_over'].includes(core.journal.head(id).state)) continue;
    markClaimed(core, id);
    claimed = true;
  }
  return { session, claimed, unspent: all.filter(({ secret }) => !spent.has(secret)) };
}

/** True when the mint has told that one of these is spent; false when the time is over, or it can't tell. */
async function waitForNews(
  core: Core,
  session: Session,
  proofs: readonly StoredProof[],
  ms: number,
  signal: AbortSignal,
): Promise<boolean> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const failed = (error: unknown): void => {
    if (either.aborted) return;
    core.log.debug({ mint: session.mint.mintUrl, error }, 'the WebSocket of a mint failed');
    void pause(core.policy.claimPollMs, either).then(() => resolve(false));
  };
  const subscribed = session.on.proofStateUpdates(
    proofs.map(loadProof),
    ({ state }) => state === 'SPENT' && resolve(true),
    failed,
    { signal: either },
  );
  // One that connects after the waiting is over is closed then.
  subscribed.then(() => either.aborted && session.mint.disconnectWebSocket(), failed);
  try {
    return await Promise.race([promise, pause(ms, either).then(() => false)]);
  } finally {
    over.abort();
    session.mint.disconnectWebSocket();
  }
}

function canTell(session: Session): boolean {
  const { supported, params } = session.getMintInfo().isSupported(17);
  return (
    supported &&
    (params ?? []).some(({ unit, commands }) => unit === 'sat' && commands.includes('proof_state'))
  );
}
