import type { Session } from '../mints/mint-sessions.ts';
import { type StoredProof, sumProofs } from '../store/stored-proof.ts';
import type { Core } from '../wallet-core.ts';
import type { MintUrl, OperationId } from '../wallet-types.ts';
import type { Findings } from './check-findings.ts';
import { addFound } from './older.ts';
import { markClaimed } from './sent-token.ts';
import { type InputState, statesOf } from './swap.ts';

/**
 * Holds every proof that is worth something here, in whatever state, against the mint's word (NUT-07, at most 100 in a
 * request), and mends what the word decides: ready ones that are spent are put aside, with an entry in the history that
 * names them; what was put aside and is free comes back; what a closed operation holds is let go; tokens that were claimed
 * are known to be.
 */
export async function checkProofs(
  core: Core,
  session: Session,
  mint: MintUrl,
  findings: Findings,
): Promise<void> {
  const ready = core.proofs.all(mint, 'ready');
  const aside = core.proofs.all(mint, 'quarantined');
  const reserved = core.proofs.all(mint, 'reserved');
  const sent = core.proofs.all(mint, 'sent');
  const all = [...ready, ...aside, ...reserved, ...sent];
  const states = await statesOf(session, all);
  const stateOf = new Map(all.map(({ secret }, i) => [secret, states[i]]));
  const is = (state: InputState) => (proof: StoredProof) => stateOf.get(proof.secret) === state;
  findings.checkedProofs += all.length;
  const lost = ready.filter(is('SPENT'));
  core.store.write(() => {
    // Only what is still ready: a send may have taken some while the mint was asked.
    const still = core.proofs.stillIn(lost, 'ready');
    const entry = addFound(core, mint, [], [], still);
    const paying = core.proofs.stillIn(ready.filter(is('PENDING')), 'ready');
    core.proofs.setStateFrom(paying, 'ready', 'quarantined');
    const free = core.proofs.stillIn(aside.filter(is('UNSPENT')), 'quarantined');
    core.proofs.setStateFrom(free, 'quarantined', 'ready');
    if (entry !== undefined) {
      findings.add({ kind: 'put-aside', mint, amount: sumProofs(still), operation: entry.operation });
    }
    if (paying.length > 0) findings.add({ kind: 'being-paid', mint, amount: sumProofs(paying) });
    if (free.length > 0) findings.add({ kind: 'free-again', mint, amount: sumProofs(free) });
  });
  letGo(core, mint, reserved, is, findings);
  for (const operation of claimedAmong(core, mint, is)) {
    markClaimed(core, operation);
    findings.add({ kind: 'claimed', operation, amount: core.journal.head(operation).amount });
  }
}

/** Reserved by an operation that is closed, or by none: free where the mint says so, else spent. */
function letGo(
  core: Core,
  mint: MintUrl,
  reserved: readonly StoredProof[],
  is: (state: InputState) => (proof: StoredProof) => boolean,
  findings: Findings,
): void {
  core.store.write(() => {
    const held = new Set(
      core.journal
        .open()
        .flatMap(({ operation }) => core.proofs.heldBy(operation, 'reserved').map(({ secret }) => secret)),
    );
    const loose = core.proofs.stillIn(
      reserved.filter(({ secret }) => !held.has(secret)),
      'reserved',
    );
    const free = loose.filter(is('UNSPENT'));
    const spent = loose.filter(is('SPENT'));
    core.proofs.setStateFrom(free, 'reserved', 'ready');
    core.proofs.setStateFrom(spent, 'reserved', 'quarantined');
    if (free.length > 0) findings.add({ kind: 'let-go', mint, amount: sumProofs(free) });
    if (spent.length > 0) {
      const entry = addFound(core, mint, [], [], spent);
      if (entry !== undefined) {
        findings.add({ kind: 'put-aside', mint, amount: sumProofs(spent), operation: entry.operation });
      }
    }
  });
}

/** Tokens that are out, and all spent. */
function claimedAmong(
  core: Core,
  mint: MintUrl,
  is: (state: InputState) => (proof: StoredProof) => boolean,
): readonly OperationId[] {
  return ['issued', 'handed_over'].flatMap((state) =>
    core.journal
      .inState('send', state)
      .filter((head) => head.mint === mint)
      .map(({ operation }) => operation)
      .filter((operation) => {
        const held = core.proofs.heldBy(operation, 'sent');
        return held.length > 0 && held.every(is('SPENT'));
      }),
  );
}
