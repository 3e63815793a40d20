import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readFileIfThere, writeNewFile } from '@nostr-dm-agent/kit/files';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { createEntryLinks, type PageSource, type ServedPage } from '@nostr-dm-agent/page';
import type { Basics } from '../app/basics.ts';
import type { Config } from '../config/config.ts';
import type { Stores } from '../store/open-stores.ts';

/** The operator's page, as commands know it. */
export type PageDoor = {
  /**
   * A way in for one owner, for one time and ten minutes, once it is known whether the page is served; undefined: it is
   * not, see the log.
   */
  readonly linkFor: (owner: PublicKey) => Promise<string | undefined>;
};

/** @returns undefined when no page is wanted (`BOT_PAGE`) */
export function createPage(
  { page: address, home }: Pick<Config, 'page' | 'home'>,
  stores: Pick<Stores, 'owners' | 'pageSessions'>,
  { clock, log, stopping }: Basics,
) {
  if (address === undefined) return undefined;
  const links = createEntryLinks(clock, randomBytes);
  const { promise: served, resolve } = Promise.withResolvers<ServedPage | undefined>();
  const linkFor: PageDoor['linkFor'] = async (owner) => {
    const url = (await served)?.url;
    return url && `${url}/enter/${links.make(owner)}`;
  };
  /** A page that can't be served is no reason not to work. */
  const serve = async (source: Omit<PageSource, 'visitorOf'>): Promise<void> => {
    try {
      const { servePage } = await import('@nostr-dm-agent/page/open');
      const page = await servePage(address, {
        source: { ...source, visitorOf: (publicKey) => stores.owners.find(publicKey) },
        links,
        sessions: stores.pageSessions,
        metricsKey: metricsKey(home),
        onFault: (cause) => log.error({ cause }, 'the page could not show or do something'),
        clock,
        randomBytes,
      });
      resolve(page);
      if (stopping.aborted) await page.stop();
      log.info({ url: page.url }, 'the page is served');
    } catch (error) {
      resolve(undefined);
      log.error({ error, ...address }, 'the page can’t be served');
    }
  };
  const close = async (): Promise<void> => {
    // Where it was never served, nobody is to wait for it.
    resolve(undefined);
    await (await served)?.stop();
  };
  return { linkFor, serve, close };
}

/** In a file, for the Prometheus of this machine; made once. */
function metricsKey(home: string): string {
  const path = join(home, 'metrics-key');
  writeNewFile(path, `${randomBytes(32).toString('base64url')}\n`);
  return (readFileIfThere(path) ?? '').trim();
}
