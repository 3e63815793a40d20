import {
  type CounterSource,
  type GetInfoResponse,
  type KeyChainCache,
  Mint,
  normalizeMintUrl,
  Wallet,
} from '@cashu/cashu-ts';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Seed } from '../crypto/seed.ts';
import { MintError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import type { MintUrl } from '../types.ts';
import { explainMintError } from './mint-errors.ts';
import { createRequest, type RequestLimits } from './request.ts';

/** A mint as one operation sees it: cashu-ts's wallet, bound to that operation's signal and to the cheapest active keyset. */
export type Session = Wallet;

/** Which mints are accepted, and what is known of them. */
export type Mints = {
  readonly defaultMint: MintUrl;
  readonly accepted: () => readonly MintUrl[];
  /** Reads an address out of a token or a command. @throws MintError `not-accepted`, before any connection is made */
  readonly require: (url: string) => MintUrl;
  /** The same, where another mint is no error. */
  readonly find: (url: string) => MintUrl | undefined;
  /** Reads an address that is to be accepted. @throws MintError `not-accepted` when it is none */
  readonly parse: (url: string) => MintUrl;
  readonly setAccepted: (url: MintUrl, accepted: boolean) => void;
  /**
   * Opens a mint. Asks it nothing when what is known is fresh; what is stale is used when the mint is away.
   * @throws MintError
   */
  readonly open: (mint: MintUrl, signal: AbortSignal) => Promise<Session>;
  /** The same, with keysets asked for now. @throws MintError */
  readonly refresh: (mint: MintUrl, signal: AbortSignal) => Promise<Session>;
  /** Makes sure that the keys of these keysets are there; inactive ones are not sent unasked. @throws MintError */
  readonly ensureKeys: (session: Session, keysets: Iterable<string>) => Promise<void>;
};

export type MintsParts = {
  readonly store: Store;
  readonly seed: Seed;
  readonly counters: CounterSource;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: RequestLimits;
  readonly defaultMint: MintUrl;
  readonly configured: readonly MintUrl[];
};

type Known = { readonly info: GetInfoResponse; readonly keys: KeyChainCache; readonly fetchedAt: number };

/** How long keysets are believed without asking. A rotation in between is noticed by the mint's refusal. */
const freshForMs = 6 * 3_600_000;

/** @throws MintError `not-accepted` when it is no address of a mint: https, or http on loopback */
export function readMintUrl(text: string): MintUrl {
  try {
    const url = new URL(normalizeMintUrl(text.trim()));
    const loopback = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
    if (url.protocol !== 'https:' && !loopback) throw new TypeError('not https');
    return url.href.replace(/\/+$/, '') as MintUrl;
  } catch (cause) {
    throw new MintError(text, { kind: 'not-accepted', accepted: [] }, cause);
  }
}

export function createMints(parts: MintsParts): Mints {
  const { store, seed, counters, clock, log, limits, defaultMint } = parts;
  const known = new Map<MintUrl, Known>();

  const accepted = (): readonly MintUrl[] => {
    const added = store.db
      .query<{ url: string }, []>('SELECT url FROM mints WHERE accepted = 1 ORDER BY url')
      .all();
    return [...new Set([defaultMint, ...parts.configured, ...added.map(({ url }) => url as MintUrl)])];
  };

  const recall = (mint: MintUrl): Known | undefined => {
    const inMemory = known.get(mint);
    if (inMemory) return inMemory;
    const row = store.db
      .query<{ info: string | null; keys: string | null; fetched_at: number | null }, [string]>(
        'SELECT info, keys, fetched_at FROM mints WHERE url = ?',
      )
      .get(mint);
    if (!row?.info || !row.keys || row.fetched_at === null) return undefined;
    // Written by `remember` from what cashu-ts had checked; it checks keyset ids again when it loads them.
    const info = JSON.parse(row.info) as GetInfoResponse;
    const keys = JSON.parse(row.keys) as KeyChainCache;
    const found = { info, keys, fetchedAt: row.fetched_at };
    known.set(mint, found);
    return found;
  };

  const remember = (mint: MintUrl, session: Session, fetchedAt: number): void => {
    const now: Known = { info: session.getMintInfo().cache, keys: session.keyChain.cache, fetchedAt };
    const before = recall(mint);
    if (before && before.info.pubkey !== now.info.pubkey) {
      log.warn({ mint, before: before.info.pubkey, now: now.info.pubkey }, 'a mint shows another public key');
    }
    store.write(() => {
      pin(mint, now.keys);
      store.db
        .query(
          `INSERT INTO mints (url, info, keys, fetched_at) VALUES (?, ?, ?, ?)
           ON CONFLICT (url) DO UPDATE SET info = excluded.info, keys = excluded.keys, fetched_at = excluded.fetched_at`,
        )
        .run(mint, JSON.stringify(now.info), JSON.stringify(now.keys), fetchedAt);
    });
    known.set(mint, now);
  };

  const pin = (mint: MintUrl, keys: KeyChainCache): void => {
    for (const keyset of keys.keysets) {
      store.db
        .query('INSERT OR IGNORE INTO keysets (id, mint, unit, seen_at) VALUES (?, ?, ?, ?)')
        .run(keyset.id, mint, keyset.unit, clock.now());
      const owner = store.db
        .query<{ mint: string }, [string]>('SELECT mint FROM keysets WHERE id = ?')
        .get(keyset.id)?.mint;
      if (owner !== undefined && owner !== mint) {
        throw new MintError(mint, { kind: 'keyset-conflict', keyset: keyset.id, owner });
      }
    }
  };

  const blank = (mint: MintUrl, signal: AbortSignal): Session =>
    new Wallet(new Mint(mint, { customRequest: createRequest(signal, limits) }), {
      unit: 'sat',
      bip39seed: seed.bytes,
      counterSource: counters,
      requireSigDleq: true,
    });

  const fromMemory = (mint: MintUrl, what: Known, signal: AbortSignal): Session => {
    const session = blank(mint, signal);
    session.loadMintFromCache(what.info, what.keys);
    return session;
  };

  const refresh: Mints['refresh'] = async (mint, signal) => {
    const session = blank(mint, signal);
    try {
      await session.loadMint();
    } catch (cause) {
      signal.throwIfAborted();
      throw explainMintError(mint, cause);
    }
    // Keys of inactive keysets that were asked for once are not asked for again.
    const before = recall(mint);
    const carried = new Map(before?.keys.keysets.map((keyset) => [keyset.id, keyset.keys]) ?? []);
    const fresh = session.keyChain.cache;
    const keysets = fresh.keysets.map((keyset) => {
      const keys = keyset.keys ?? carried.get(keyset.id);
      return keys ? { ...keyset, keys } : keyset;
    });
    session.loadMintFromCache(session.getMintInfo().cache, { ...fresh, keysets });
    remember(mint, session, clock.now());
    return session;
  };

  return {
    defaultMint,
    accepted,
    require(text) {
      const url = readMintUrl(text);
      const list = accepted();
      if (!list.includes(url)) throw new MintError(text, { kind: 'not-accepted', accepted: list });
      return url;
    },
    find(text) {
      try {
        const url = readMintUrl(text);
        return accepted().includes(url) ? url : undefined;
      } catch (error) {
        if (error instanceof MintError) return undefined;
        throw error;
      }
    },
    parse: readMintUrl,
    setAccepted: (url, value) => {
      store.write(() =>
        store.db
          .query(
            'INSERT INTO mints (url, accepted) VALUES (?, ?) ON CONFLICT (url) DO UPDATE SET accepted = excluded.accepted',
          )
          .run(url, value ? 1 : 0),
      );
    },
    async open(mint, signal) {
      signal.throwIfAborted();
      const what = recall(mint);
      if (!what) return refresh(mint, signal);
      if (clock.now() - what.fetchedAt < freshForMs) return fromMemory(mint, what, signal);
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

/** @throws MintError `unsupported-keysets` when nothing new can be signed there */
export function requireActiveKeyset(session: Session): void {
  try {
    session.keyChain.getCheapestKeyset();
  } catch (cause) {
    throw new MintError(session.mint.mintUrl, { kind: 'unsupported-keysets' }, cause);
  }
}
