/*
 * Before numbers of a keyset are used (NUT-13), and once for each keyset that signs no more, the mint is asked whether it
 * has signed the next few already. This database may be an older one, a new one, or not the only one.
 */
import { explainMintError } from '../mints/mint-errors.ts';
import type { Session } from '../mints/mint-sessions.ts';
import type { StoredOutput } from '../store/stored-proof.ts';
import type { Core } from '../wallet-core.ts';
import { MintError } from '../wallet-errors.ts';
import type { MintUrl } from '../wallet-types.ts';
import { outputsAt, takeOlder } from './older.ts';
import { canRestore, signedAmong } from './swap.ts';

/** How many numbers of each keyset are asked about. */
const few = 25;
/** Keysets in one request: mints take 1,000 outputs. */
const keysetsAtOnce = 20;
/** Inactive ones that are asked about in the life of a process: a mint can show as many as it likes. */
const mostInactive = 40;

/**
 * Asks a mint, in one request, whether the next few numbers of its keysets are signed already, and takes what is found:
 * of active keysets once in the life of a process, of inactive ones once in the life of the database.
 *
 * @throws MintError when it can't be asked
 */
export async function lookAhead(core: Core, session: Session, mint: MintUrl): Promise<void> {
  if (!canRestore(session)) return;
  const { active, inactive } = notLooked(core, session, mint);
  if (active.length + inactive.length === 0) return;
  try {
    // Not because of keysets that sign no more is it unknown what the others have signed.
    const together = await usedAmong(core, session, [...active, ...inactive]).catch((cause: unknown) => {
      if (inactive.length === 0 || isAway(explainMintError(mint, cause))) throw cause;
      return undefined;
    });
    const used = together ?? (await usedAmong(core, session, active));
    const keysets = active.filter((id) => used.has(id));
    if (keysets.length > 0) await takeOlder(core, session, { mint, keysets });
    for (const id of active) core.looked.set(id, 'active');
    for (const id of inactive) {
      await searchInactive(core, session, mint, id, together);
      core.looked.set(id, 'inactive');
    }
  } catch (cause) {
    throw explainMintError(mint, cause);
  }
}

function notLooked(core: Core, session: Session, mint: MintUrl) {
  const unsearched = core.keysets.unsearched(mint);
  const keysets = session.keyChain
    .getKeysets()
    .filter(({ id, hasHexId, isActive }) => hasHexId && (isActive || unsearched.has(id)));
  const of = (now: 'active' | 'inactive') =>
    keysets
      .filter(({ id, isActive }) => isActive === (now === 'active') && core.looked.get(id) !== now)
      .map(({ id }) => id);
  return { active: of('active'), inactive: of('inactive').slice(0, mostInactive) };
}

/** Those of these keysets of which some of the next few numbers is signed. */
async function usedAmong(
  core: Core,
  session: Session,
  keysets: readonly string[],
): Promise<ReadonlySet<string>> {
  const used = new Set<string>();
  for (let at = 0; at < keysets.length; at += keysetsAtOnce) {
    const outputs: StoredOutput[] = [];
    for (const id of keysets.slice(at, at + keysetsAtOnce)) {
      outputs.push(...outputsAt(core, id, core.counters.next(id), few));
      // 0.1 s of reckoning for an old kind of keyset: others have their turn in between.
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const id of await signedAmong(session, outputs)) used.add(id);
  }
  return used;
}

/**
 * Takes what is found of a keyset that signs no more, which is all that there ever will be, and writes down that it was
 * looked for; not while some of it is in the middle of a payment, whose change may be signed yet. What the mint says no to
 * is named by `check`. @param used what is known already
 */
async function searchInactive(
  core: Core,
  session: Session,
  mint: MintUrl,
  keyset: string,
  used: ReadonlySet<string> | undefined,
): Promise<void> {
  try {
    const isUsed = (used ?? (await usedAmong(core, session, [keyset]))).has(keyset);
    if (isUsed) {
      await core.mints.ensureKeys(session, [keyset]);
      const underWay = await takeOlder(core, session, { mint, keysets: [keyset] });
      if (underWay.has(keyset)) return;
    }
    core.store.write(() => core.keysets.setSearched(keyset), 'soon');
  } catch (cause) {
    const error = explainMintError(mint, cause);
    const { kind } = error.problem;
    if (kind !== 'refused' && kind !== 'http' && !(kind === 'nonsense' && cause instanceof MintError))
      throw error;
    core.log.warn({ mint, keyset, problem: kind }, 'an old keyset could not be searched');
  }
}

/** The same before an operation takes proofs or numbers. @throws MintError when the mint is away */
export async function lookBeforeUse(core: Core, session: Session, mint: MintUrl): Promise<void> {
  try {
    await lookAhead(core, session, mint);
  } catch (error) {
    // Who can't be reached does nothing else either. Where restoring alone is broken, numbers that are used twice are
    // noticed when the mint refuses them.
    if (!(error instanceof MintError) || isAway(error)) throw error;
    core.log.warn({ mint, problem: error.problem.kind }, 'a mint could not be asked what is signed already');
  }
}

const isAway = ({ problem: { kind } }: MintError): boolean => kind === 'unreachable' || kind === 'timeout';
