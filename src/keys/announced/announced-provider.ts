import { createHash } from 'node:crypto';
import { isLoopbackHost } from '@nostr-dm-agent/kit/net';
import type { KeyProvider } from '../catalogue.ts';
import type { Announced } from './announcement.ts';

/** One that an address announced, as the catalogue would have it, with all that opencode is told of it. */
export type AnnouncedProvider = KeyProvider & {
  readonly settings: Readonly<Record<string, unknown>>;
  /** Changes with what opencode is told. */
  readonly stamp: string;
};

/** Not the name that the announcement wants it under: that could be anything which a program heeds. */
const variable = 'ANNOUNCED_PROVIDER_KEY';

/** @param id of the connection: the host that announced it */
export function announcedProvider(id: string, announced: Announced): AnnouncedProvider {
  const { model, models, name } = announced;
  const way = models[model]?.provider;
  const title = name === undefined ? id : `${name} (${id})`;
  // Beside its models alone: an address that stands with the provider the jail's wall leads to wherever it is, which is the
  // operator's to say. One of this machine (the sandbox) is led inside by nothing else.
  const here = way !== undefined && isLoopbackHost(new URL(way.api).hostname) ? { api: way.api } : {};
  const settings = { name: title, ...(way && { npm: way.npm }), ...here, models };
  return {
    ...{ id, name: title, variable, model, settings },
    ...{ needs: [], asks: false, keys: true, logins: [] },
    ...(way && { npm: way.npm, api: way.api }),
    stamp: createHash('sha256').update(JSON.stringify(announced)).digest('hex').slice(0, 16),
  };
}

export const isAnnounced = (provider: KeyProvider): provider is AnnouncedProvider => 'settings' in provider;
