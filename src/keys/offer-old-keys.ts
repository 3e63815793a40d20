import type { PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import type { Stores } from '../store/open-stores.ts';
import type { OldKey, OldKeys } from './old-keys.ts';

type Deps = {
  readonly oldKeys: OldKeys;
  readonly stores: Pick<Stores, 'keys' | 'owners' | 'meta'>;
};

const metaKeys = { told: 'old_keys_told', answered: 'old_keys_answered' } as const;
const names = z.array(z.string()).catch([]);

/** Of what it is a name: never a key, nor anything made of one. */
const nameOf = ({ provider, from }: OldKey): string => `${provider.id}:${from}`;
const listIn = (stores: Deps['stores'], what: keyof typeof metaKeys): readonly string[] => {
  const text = stores.meta.get(metaKeys[what]);
  return text === undefined ? [] : names.parse(JSON.parse(text));
};

/** Whoever is named in `BOT_OWNERS` as an admin runs the host: nobody else is offered what is on it. */
export const runsTheHost = ({ owners }: Pick<Stores, 'owners'>, owner: PublicKey): boolean => {
  const known = owners.find(owner);
  return known?.role === 'admin' && known.source === 'environment';
};

/** Old keys that this owner could connect, and has not said no to. */
export function offeredTo({ oldKeys, stores }: Deps, owner: PublicKey): readonly OldKey[] {
  if (!runsTheHost(stores, owner)) return [];
  const answered = listIn(stores, 'answered');
  return oldKeys
    .found()
    .filter((old) => !answered.includes(nameOf(old)))
    .filter(({ provider }) => stores.keys.get(owner, provider.id)?.credential === undefined);
}

/** Those of them that nobody was told of yet. */
export const untold = ({ stores }: Pick<Deps, 'stores'>, offered: readonly OldKey[]): readonly OldKey[] => {
  const told = listIn(stores, 'told');
  return offered.filter((old) => !told.includes(nameOf(old)));
};

/** They were told of, or answered: never again. To be part of the caller's transaction. */
export function remember(
  stores: Pick<Stores, 'meta'>,
  what: keyof typeof metaKeys,
  those: readonly OldKey[],
): void {
  const text = stores.meta.get(metaKeys[what]);
  const before = text === undefined ? [] : names.parse(JSON.parse(text));
  stores.meta.set(metaKeys[what], JSON.stringify([...new Set([...before, ...those.map(nameOf)])]));
}
