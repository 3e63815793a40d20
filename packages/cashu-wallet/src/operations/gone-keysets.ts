/*
 * A mint that has lost the keys of an old keyset (NUT error 12001) takes nothing of it any more. That is out of reach, and
 * named so; whatever else is at the mint is not.
 */
import { HttpResponseError } from '@cashu/cashu-ts';
import { isMintOperationError } from '../mints/mint-errors.ts';
import type { Session } from '../mints/mint-sessions.ts';
import type { Core } from '../wallet-core.ts';
import { MintError } from '../wallet-errors.ts';
import type { MintUrl } from '../wallet-types.ts';

const askAgainMs = 24 * 3_600_000;

/** Does it, and once more without the keysets that turn out to be gone when the mint refuses. */
export async function withoutGone<T>(
  core: Core,
  mint: MintUrl,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const refused = error instanceof MintError && error.problem.kind === 'refused';
      if (!refused || !(await noteGone(core, mint, signal))) throw error;
    }
  }
}

/** The mint refused: is it that it knows a keyset of ours no more? True when one is news. */
export async function noteGone(core: Core, mint: MintUrl, signal: AbortSignal): Promise<boolean> {
  const held = [...new Set(core.proofs.ready(mint).map(({ id }) => id))];
  const session = await core.mints.open(mint, signal);
  const old = held.filter((id) => id !== session.keysetId);
  const gone = await askFor(session, old);
  if (gone.length === 0) return false;
  core.store.write(() => {
    for (const id of gone) core.keysets.setGone(id, true);
  });
  core.log.warn({ mint, keysets: gone }, 'a mint knows keysets no more that money is of');
  return true;
}

/** Asks now and then about those that were gone: a mint may have found its keys again. */
export async function askAgain(core: Core, session: Session, mint: MintUrl): Promise<void> {
  const due = core.keysets.goneBefore(mint, core.clock.now() - askAgainMs);
  if (due.length === 0) return;
  const gone = new Set(await askFor(session, due));
  core.store.write(() => {
    for (const id of due) core.keysets.setGone(id, gone.has(id));
  });
}

/** Which of these the mint says that it does not know. */
async function askFor(session: Session, keysets: readonly string[]): Promise<readonly string[]> {
  const gone: string[] = [];
  for (const id of keysets) {
    try {
      const { keysets: known } = await session.mint.getKeys(id);
      if (!known.some((keyset) => keyset.id === id)) gone.push(id);
    } catch (cause) {
      // Nothing else says so: a mint that is away, or refuses everything, has lost nothing.
      if (isMintOperationError(cause) || (cause instanceof HttpResponseError && cause.status === 404))
        gone.push(id);
    }
  }
  return gone;
}
