import { type CounterSource, type KeyChainCache, Mint, Wallet } from '@cashu/cashu-ts';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Seed } from '../crypto/seed.ts';
import { MintError } from '../wallet-errors.ts';
import type { MintUrl } from '../wallet-types.ts';
import { chooseProofs } from './choose-proofs.ts';
import { hasActive, keysetsAt } from './keyset-life.ts';
import { askMint, explainMintError } from './mint-errors.ts';
import type { AcceptedMints } from './mint-list.ts';
import type { KnownMint, MintMemory } from './mint-memory.ts';
import { createRequest, type RequestLimits } from './mint-transport.ts';

/** A mint as one operation sees it: cashu-ts's wallet, bound to that operation's signal and to the cheapest active keyset. */
export type Session = Wallet;

/** Which mints are accepted, and the way to them. */
export type Mints = AcceptedMints & {
  /**
   * Opens a mint. Asks it nothing when what is known is fresh; what is stale is used when the mint is away.
   * @param freshMs how old it may be for that; default: hours
   * @throws MintError
   */
  readonly open: (mint: MintUrl, signal: AbortSignal, freshMs?: number) => Promise<Session>;
  /** What is known of a mint. */
  readonly recall: MintMemory['recall'];
  readonly replace: MintMemory['replace'];
  /** What is at an address, keys of these keysets included; nothing of it is remembered. @throws MintError */
  readonly inspect: (mint: MintUrl, keysets: readonly string[], signal: AbortSignal) => Promise<KnownMint>;
  /** The same, with keysets asked for now. @throws MintError */
  readonly refresh: (mint: MintUrl, signal: AbortSignal) => Promise<Session>;
  /** Ids of the keysets that a mint shows now. @throws MintError */
  readonly shownKeysets: (mint: MintUrl, signal: AbortSignal) => Promise<ReadonlySet<string>>;
  /** Makes sure that the keys of these keysets are there; inactive ones are not sent unasked. @throws MintError */
  readonly ensureKeys: (session: Session, keysets: Iterable<string>) => Promise<void>;
};

type MintsParts = {
  readonly seed: Seed;
  readonly counters: CounterSource;
  /** Waited for before any number is handed out. */
  readonly beforeNumbers: (session: Session, mint: MintUrl) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: RequestLimits;
  readonly list: AcceptedMints;
  readonly memory: MintMemory;
  /** How many proofs a mint takes in one request. */
  readonly maxInputs: number;
};

/** How long keysets are believed without asking. A rotation in between is noticed by the mint's refusal. */
const freshForMs = 6 * 3_600_000;
/** The same before a fee is shown: it may have changed in place. */
export const freshFeesMs = 60_000;
/** The same where nothing is known that signs. */
const retryEmptyMs = 60_000;

/**
 * What a mint shows, and beside it what is known of before: keys of inactive keysets, which are not sent unasked, and
 * keysets that it shows no longer. Those are old, not gone: what is there may be worth something still.
 */
export function withKnown(fresh: KeyChainCache, before: KeyChainCache | undefined): KeyChainCache {
  const carried = new Map(before?.keysets.map((keyset) => [keyset.id, keyset.keys]) ?? []);
  const keysets = fresh.keysets.map((keyset) => {
    const keys = keyset.keys ?? carried.get(keyset.id);
    return keys ? { ...keyset, keys } : keyset;
  });
  const shown = new Set(fresh.keysets.map(({ id }) => id));
  const hidden = (before?.keysets ?? [])
    .filter(({ id, keys }) => !shown.has(id) && keys !== undefined)
    .map((keyset) => ({ ...keyset, active: false }));
  return { ...fresh, keysets: [...keysets, ...hidden] };
}

/** Keys of these keysets, where the mint has them. */
async function askForKeys(session: Session, mint: MintUrl, keysets: readonly string[], signal: AbortSignal) {
  const shown = new Set(session.keyChain.getKeysets().map(({ id }) => id));
  for (const id of keysets.filter((each) => shown.has(each))) {
    if (session.keyChain.getKeyset(id).hasKeys) continue;
    await askMint(mint, signal, () => session.keyChain.ensureKeysetKeys(id)).catch((error: unknown) => {
      // It names it, and has no keys of it: what that means is for whoever compares.
      if (!(error instanceof MintError) || error.problem.kind !== 'refused') throw error;
    });
  }
}

export function createMints({
  seed,
  counters,
  beforeNumbers,
  clock,
  log,
  limits,
  list,
  memory,
  maxInputs,
}: MintsParts): Mints {
  const { recall } = memory;
  const remember = (mint: MintUrl, session: Session, fetchedAt: number): void =>
    memory.remember(mint, {
      info: session.getMintInfo().cache,
      keys: session.keyChain.cache,
      fetchedAt,
    });

  const blank = (mint: MintUrl, signal: AbortSignal): Session => {
    const session: Session = new Wallet(new Mint(mint, { customRequest: createRequest(signal, limits) }), {
      unit: 'sat',
      bip39seed: seed.bytes,
      counterSource: {
        ...counters,
        reserve: async (keyset, count) => {
          if (count > 0) await beforeNumbers(session, mint);
          return counters.reserve(keyset, count);
        },
      },
      requireSigDleq: true,
      selectProofs: chooseProofs(maxInputs),
    });
    return session;
  };

  const fromMemory = (mint: MintUrl, what: KnownMint, signal: AbortSignal): Session => {
    const session = blank(mint, signal);
    session.loadMintFromCache(what.info, keysetsAt(what.keys, clock.now()));
    return session;
  };

  const refresh: Mints['refresh'] = async (named, signal) => {
    const mint = list.names.today(named);
    const session = blank(mint, signal);
    await askMint(mint, signal, () => session.loadMint());
    const info = session.getMintInfo().cache;
    const keys = withKnown(session.keyChain.cache, recall(mint)?.keys);
    memory.remember(mint, { info, keys, fetchedAt: clock.now() });
    session.loadMintFromCache(info, keysetsAt(keys, clock.now()));
    return session;
  };

  return {
    ...list,
    // A spread would fix what it is at this moment.
    get defaultMint() {
      return list.defaultMint;
    },
    recall,
    replace: memory.replace,
    async inspect(mint, keysets, signal) {
      const session = blank(mint, signal);
      await askMint(mint, signal, () => session.loadMint());
      await askForKeys(session, mint, keysets, signal);
      return { info: session.getMintInfo().cache, keys: session.keyChain.cache, fetchedAt: clock.now() };
    },
    async open(named, signal, freshMs = freshForMs) {
      const mint = list.names.today(named);
      signal.throwIfAborted();
      const what = recall(mint);
      if (!what) return refresh(mint, signal);
      const age = clock.now() - what.fetchedAt;
      const fresh = hasActive(keysetsAt(what.keys, clock.now())) ? freshMs : retryEmptyMs;
      if (age < fresh) return fromMemory(mint, what, signal);
      try {
        return await refresh(mint, signal);
      } catch (error) {
        if (!(error instanceof MintError) || error.problem.kind === 'keyset-conflict') throw error;
        log.warn(
          { mint, problem: error.problem.kind },
          'keysets could not be refreshed; using what is known',
        );
        return fromMemory(mint, what, signal);
      }
    },
    refresh,
    async shownKeysets(mint, signal) {
      const { keysets } = await askMint(mint, signal, () => blank(mint, signal).mint.getKeySets());
      return new Set(keysets.map(({ id }) => id));
    },
    async ensureKeys(session, keysets) {
      const mint = session.mint.mintUrl as MintUrl;
      let asked = false;
      for (const id of new Set(keysets)) {
        if (session.keyChain.getKeyset(id).hasKeys) continue;
        asked = true;
        try {
          await session.keyChain.ensureKeysetKeys(id);
        } catch (cause) {
          throw explainMintError(mint, cause);
        }
      }
      if (asked) remember(mint, session, recall(mint)?.fetchedAt ?? clock.now());
    },
  };
}

/** @throws MintError `unsupported-keysets`, `keysets-ended` when nothing new can be signed there */
export function requireActiveKeyset(session: Session): void {
  try {
    session.keyChain.getCheapestKeyset();
  } catch (cause) {
    const ended = session.keyChain
      .getKeysets()
      .some(({ expiry, hasKeys }) => hasKeys && expiry !== undefined);
    throw new MintError(
      session.mint.mintUrl,
      { kind: ended ? 'keysets-ended' : 'unsupported-keysets' },
      cause,
    );
  }
}
