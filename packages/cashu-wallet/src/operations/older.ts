/*
 * Older money with these words. A database that was put back, or a second machine, uses numbers (NUT-13) that the mint
 * has signed before. What is signed there is somebody else's answer: never this operation's. It is looked at once, taken
 * in as far as it is unspent, written to the history, and the numbers go on behind it.
 */
import { OutputData } from '@cashu/cashu-ts';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import type { Session } from '../mints/mint-sessions.ts';
import { yOf } from '../store/proofs.ts';
import {
  type StoredOutput,
  type StoredProof,
  satSchema,
  storeOutput,
  sumProofs,
} from '../store/stored-proof.ts';
import { type Core, newOperationId } from '../wallet-core.ts';
import { UnfinishedOperationError } from '../wallet-errors.ts';
import type { FoundMoney, MintUrl, OperationId } from '../wallet-types.ts';
import { canRestore, type InputState, restoreOutputs, type Signed, statesIfKnown } from './swap.ts';

/** What became of it: stands in the history as a receipt. */
const foundSchema = z.object({
  state: z.literal('found'),
  /** Older proofs that are spent, and ready ones that turned out to be. */
  spent: satSchema,
  lost: satSchema,
  told: z.boolean(),
  /** `Y` of those that were lost: what a mint is asked by. */
  lostProofs: z.array(z.string()).optional(),
});
type FoundOperation = z.infer<typeof foundSchema>;

/** So far the numbers go on, at least, where a mint can't say which of them it has signed. */
const leap = 100;

/** Outputs of these numbers, blank: a signature says its own amount. */
export function outputsAt(
  { seed }: Core,
  keyset: string,
  from: number,
  count: number,
): readonly StoredOutput[] {
  return Array.from({ length: count }, (_, i) =>
    storeOutput(OutputData.createSingleDeterministicData(0, seed.bytes, from + i, keyset)),
  );
}

/** Everything that is signed from a number on. `least`: the end is not believed before it. */
export async function findSigned(
  core: Core,
  session: Session,
  keyset: string,
  { from, least }: { readonly from: number; readonly least: number },
): Promise<{ readonly signed: readonly Signed[]; readonly next: number }> {
  const { gap, batch } = core.depth;
  const signed: Signed[] = [];
  let next = from;
  for (let at = from; at < Math.max(next, least) + gap; at += batch) {
    const outputs = outputsAt(core, keyset, at, batch);
    const restored = await restoreOutputs(session, outputs);
    for (const [i, output] of outputs.entries()) {
      const proof = restored[i];
      if (proof === undefined) continue;
      signed.push({ output, proof });
      next = at + i + 1;
    }
  }
  return { signed, next };
}

/**
 * Signatures that are known to be older, and those behind them, as one entry of the history. `also`: in its transaction.
 * @returns keysets of which something is in the middle of a payment: its change may be signed yet
 */
export async function takeOlder(
  core: Core,
  session: Session,
  {
    mint,
    keysets,
    signed = [],
    also,
  }: {
    readonly mint: MintUrl;
    readonly keysets: Iterable<string>;
    readonly signed?: readonly Signed[];
    readonly also?: () => void;
  },
): Promise<ReadonlySet<string>> {
  const older = [...signed];
  const ends = new Map<string, number>();
  for (const keyset of new Set(keysets)) {
    const from = core.counters.next(keyset);
    if (!canRestore(session)) {
      // How many there are, nobody can be asked: farther each time.
      ends.set(keyset, Math.max(leap, from * 2));
      continue;
    }
    const behind = await findSigned(core, session, keyset, { from, least: from });
    older.push(...behind.signed);
    ends.set(keyset, behind.next);
  }
  const ready = core.proofs.all(mint, 'ready');
  const states = await statesIfKnown(session, [...older.map(({ proof }) => proof), ...ready]);
  const lost = ready.filter((_, i) => states[older.length + i] === 'SPENT');
  core.store.write(() => {
    also?.();
    for (const [keyset, next] of ends) core.counters.moveTo(keyset, next);
    const news = addFound(core, mint, older, states, lost);
    if (news !== undefined) core.log.warn({ mint, ...news }, 'older money with these words was found');
  });
  const underWay = older.filter((_, i) => states[i] === 'PENDING' || states[i] === 'UNKNOWN');
  return new Set(underWay.map(({ proof }) => proof.id));
}

/** The same on the way of an operation, which goes on when it is asked about again. @throws UnfinishedOperationError */
export async function takeOlderFor(
  core: Core,
  session: Session,
  id: OperationId,
  older: { readonly mint: MintUrl; readonly keysets: Iterable<string>; readonly signed: readonly Signed[] },
  also: () => void,
): Promise<void> {
  // It was taken, and the process ended before the operation went on.
  if (older.signed.length === 0 && canRestore(session)) return;
  try {
    await takeOlder(core, session, { ...older, also });
  } catch (cause) {
    throw new UnfinishedOperationError(id, undefined, cause);
  }
}

/**
 * Inside a transaction: what is unspent is ours, what is spent is only remembered, what belongs to an operation under way
 * or is known already stays as it is. `lost`: ready proofs that the mint calls spent. undefined: nothing is news.
 */
export function addFound(
  core: Core,
  mint: MintUrl,
  older: readonly Signed[],
  states: readonly (InputState | 'UNKNOWN')[],
  lost: readonly StoredProof[],
  told = false,
): { readonly operation: OperationId; readonly recovered: Sat; readonly proofs: number } | undefined {
  const awaited = core.journal.openOutputs();
  const inState = (...wanted: (InputState | 'UNKNOWN')[]): readonly StoredProof[] => [
    ...new Map(
      older
        .filter(
          ({ output, proof }, i) =>
            wanted.some((state) => states[i] === state) &&
            !awaited.has(output.blindedMessage.B_) &&
            !core.proofs.exists(yOf(proof)),
        )
        .map(({ proof }) => [proof.secret, proof]),
    ).values(),
  ];
  const unspent = inState('UNSPENT');
  const spent = inState('SPENT');
  core.proofs.setStateFrom(lost, 'ready', 'quarantined');
  // Whose payment it is in the middle of is not known: `check` finds it free, or spent.
  core.proofs.add(mint, inState('PENDING', 'UNKNOWN'), 'quarantined', undefined);
  const nothing = unspent.length + lost.length === 0 && (told || spent.length === 0);
  if (nothing) return undefined;
  const operation = newOperationId();
  const recovered = sumProofs(unspent);
  core.journal.insert<FoundOperation>({
    id: operation,
    kind: 'receive',
    mint,
    amount: recovered,
    body: {
      state: 'found',
      spent: sumProofs(spent),
      lost: sumProofs(lost),
      told,
      ...(lost.length > 0 ? { lostProofs: lost.map(yOf) } : {}),
    },
  });
  core.proofs.add(mint, unspent, 'ready', operation);
  if (!told) core.proofs.add(mint, spent, 'spent', undefined);
  return { operation, recovered, proofs: unspent.length };
}

/** Everything that was ever found, oldest first. */
export const olderMoney = (core: Core): readonly (FoundMoney & { readonly told: boolean })[] =>
  core.journal.inState('receive', 'found').map(({ operation, mint, amount }) => {
    const { spent, lost, told } = core.journal.body(operation, foundSchema);
    return { operation, mint, recovered: amount, spent, lost, told };
  });

/** What was found and has not been told yet, oldest first. */
export const found = (core: Core): readonly FoundMoney[] =>
  olderMoney(core).flatMap(({ told, ...money }) => (told ? [] : [money]));

/** It has been: durably, by whoever calls this. */
export function foundTold(core: Core, operations: readonly OperationId[]): void {
  core.store.write(() => {
    for (const id of operations) {
      const body = core.journal.body(id, foundSchema);
      core.journal.move<FoundOperation>(id, ['found'], { ...body, told: true });
    }
  });
}

/**
 * Numbers of outputs that nobody had signed are used again (`giveBack`). So what is found signed of an operation that was
 * undone may be another one's answer: it is in the wallet already, or that one waits for it.
 */
export function isAnothers(
  core: Core,
  proofs: readonly StoredProof[],
  outputs: readonly StoredOutput[],
): boolean {
  const awaited = core.journal.openOutputs();
  return (
    proofs.some((proof) => core.proofs.exists(yOf(proof))) ||
    outputs.some(({ blindedMessage }) => awaited.has(blindedMessage.B_))
  );
}

/** Numbers are looked for among so many of the newest. */
const reach = 200;

/**
 * Inside the transaction that undoes an operation whose outputs no mint has signed: their numbers are used again. So
 * refusals leave no gap that a restore would have to look across.
 */
export function giveBack(core: Core, keyset: string, outputs: readonly StoredOutput[]): void {
  const own = new Set(outputs.map(({ secret }) => secret));
  const isOwn = ({ secret }: StoredOutput): boolean => own.has(secret);
  const next = core.counters.next(keyset);
  for (let at = next - 1; own.size > 0 && at >= Math.max(0, next - reach); at -= 1) {
    if (!outputsAt(core, keyset, at, 1).every(isOwn)) continue;
    const first = at + 1 - own.size;
    if (first >= 0 && outputsAt(core, keyset, first, own.size).every(isOwn))
      core.counters.giveBack(keyset, first, own.size);
    return;
  }
}
