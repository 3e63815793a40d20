import { normalizeMintUrl } from '@cashu/cashu-ts';
import { mayBePlain } from '@nostr-dm-agent/kit/net';
import type { Store } from '../store/wallet-database.ts';
import { MintError } from '../wallet-errors.ts';
import type { MintUrl } from '../wallet-types.ts';
import { createMintNames, type MintNames } from './mint-names.ts';

/** Which mints are accepted, by the addresses that they have today. */
export type AcceptedMints = {
  readonly defaultMint: MintUrl;
  /** As the configuration names them, the default one first. */
  readonly configured: () => readonly MintUrl[];
  readonly names: MintNames;
  readonly accepted: () => readonly MintUrl[];
  /** Which accepted mint an address means, however it is written; before any connection is made to it. */
  readonly find: (url: string) => MintUrl | undefined;
  /** The same, where another mint is an error. @throws MintError `not-accepted` */
  readonly require: (url: string) => MintUrl;
  /** Gives back the mint. */
  readonly setAccepted: (url: MintUrl, accepted: boolean) => MintUrl;
};

/** @throws MintError `not-accepted` when it is no address of a mint: https, or http on loopback */
export function readMintUrl(text: string): MintUrl {
  try {
    const url = new URL(normalizeMintUrl(text.trim()));
    if (url.protocol !== 'https:' && !mayBePlain(url.hostname)) throw new TypeError('not https');
    return url.href.replace(/\/+$/, '') as MintUrl;
  } catch (cause) {
    throw new MintError(text, { kind: 'not-accepted', accepted: [] }, cause);
  }
}

/** @param configured those of the configuration, the default one first */
export function createMintList(
  store: Store,
  defaultMint: MintUrl,
  configured: readonly MintUrl[],
): AcceptedMints {
  const { db, write } = store;
  const names = createMintNames(store);
  const accepted = (): readonly MintUrl[] => {
    const added = db
      .query<{ url: MintUrl }, []>('SELECT url FROM mints WHERE accepted = 1 ORDER BY url')
      .all();
    return [...new Set([defaultMint, ...configured, ...added.map(({ url }) => url)].map(names.today))];
  };
  const find = (text: string): MintUrl | undefined => {
    try {
      const url = names.today(readMintUrl(text));
      return accepted().includes(url) ? url : undefined;
    } catch (error) {
      if (error instanceof MintError) return undefined;
      throw error;
    }
  };
  return {
    get defaultMint() {
      return names.today(defaultMint);
    },
    configured: () => [...new Set([defaultMint, ...configured])],
    names,
    accepted,
    find,
    require(text) {
      const url = find(text);
      if (url === undefined) throw new MintError(text, { kind: 'not-accepted', accepted: accepted() });
      return url;
    },
    setAccepted(named, value) {
      const url = names.today(named);
      write(() =>
        db
          .query(
            'INSERT INTO mints (url, accepted) VALUES (?, ?) ON CONFLICT (url) DO UPDATE SET accepted = excluded.accepted',
          )
          .run(url, value ? 1 : 0),
      );
      return url;
    },
  };
}
