import { readMintUrl } from '../mints/mint-list.ts';
import type { KnownMint } from '../mints/mint-memory.ts';
import { withKnown } from '../mints/mint-sessions.ts';
import type { Core } from '../wallet-core.ts';
import { MintError, RenameRefusedError } from '../wallet-errors.ts';
import type { MintUrl, RenamedMint } from '../wallet-types.ts';

/**
 * A mint has moved to another address. Every keyset that is known of the old one, its id and its keys, is compared with
 * what the new one shows; the old one is asked, too, if it is there still. Then everything that is kept of it is the new
 * one's, in one transaction, and the old address is another name of it.
 *
 * @throws RenameRefusedError with what differs; MintError when the new one can't be asked. Nothing was changed
 */
export async function renameMint(
  core: Core,
  request: { readonly from: string; readonly to: string },
  signal: AbortSignal,
): Promise<RenamedMint> {
  const { mints } = core;
  const from = mints.names.today(readMintUrl(request.from));
  const to = readMintUrl(request.to);
  const refuse = (problem: RenameRefusedError['problem']) => new RenameRefusedError(from, to, problem);
  const ready = () => core.proofs.total(to, 'ready');
  const isConfigured = () => mints.configured().some((url) => url !== to && mints.names.today(url) === to);
  if (from === to) {
    return {
      from: readMintUrl(request.from),
      to,
      keysets: 0,
      ready: ready(),
      configured: isConfigured(),
      sameKey: undefined,
    };
  }
  const own = core.keysets.of(to);
  if (own.length > 0) throw refuse({ kind: 'another-mint', keysets: own });
  return core.mintLock.run(from, signal, async () => {
    const known = mints.recall(from);
    if (known === undefined || known.keys.keysets.length === 0) throw refuse({ kind: 'nothing-known' });
    const there = await mints.inspect(
      to,
      known.keys.keysets.map(({ id }) => id),
      signal,
    );
    const before = await stillThere(core, from, signal);
    const { same, missing, different } = compare(core, [known, ...(before ? [before] : [])], there);
    if (missing.length + different.length > 0) throw refuse({ kind: 'differs', missing, different });
    if (same === 0) throw refuse({ kind: 'nothing-known' });
    const held = core.journal
      .unfinished(10_000)
      .find(({ mint, operation }) => mint === from && core.turns.isHeld(operation));
    if (held !== undefined) throw refuse({ kind: 'busy', operation: held.operation });
    core.reached('rename:compared');
    core.store.write(() => {
      mints.names.rename(from, to);
      mints.replace(from, to, { ...there, keys: withKnown(there.keys, known.keys) });
    });
    core.reached('rename:done');
    core.log.warn({ from, to, keysets: same }, 'a mint was renamed');
    const sameKey =
      known.info.pubkey === undefined || there.info.pubkey === undefined
        ? undefined
        : known.info.pubkey === there.info.pubkey;
    return { from, to, keysets: same, ready: ready(), configured: isConfigured(), sameKey };
  });
}

/** What the old address shows now; undefined: nobody is there who could be compared. */
async function stillThere(core: Core, from: MintUrl, signal: AbortSignal): Promise<KnownMint | undefined> {
  try {
    return await core.mints.inspect(from, [], signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof MintError) return undefined;
    throw error;
  }
}

/** A keyset is its id and its keys. One that nothing here is of may be missing; none may be another one. */
function compare(core: Core, olds: readonly KnownMint[], { keys }: KnownMint) {
  const shown = new Map(keys.keysets.map((keyset) => [keyset.id, keyset]));
  const needed = new Set(core.keysets.used());
  const same = new Set<string>();
  const missing = new Set<string>();
  const different = new Set<string>();
  for (const { keys: old } of olds) {
    for (const keyset of old.keysets) {
      const now = shown.get(keyset.id);
      if (now === undefined || (now.keys === undefined && keyset.keys !== undefined)) {
        if (needed.has(keyset.id) || keyset.active) missing.add(keyset.id);
      } else if (
        now.unit !== keyset.unit ||
        (keyset.keys && textOf(keyset.keys) !== textOf(now.keys ?? {}))
      ) {
        different.add(keyset.id);
      } else if (keyset.keys !== undefined) same.add(keyset.id);
    }
  }
  return { same: same.size, missing: [...missing], different: [...different] };
}

const textOf = (keys: Readonly<Record<string, string>>): string =>
  JSON.stringify(Object.entries(keys).toSorted(([a], [b]) => a.localeCompare(b)));
