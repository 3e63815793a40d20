import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { NodeListing } from '../money/node-choice.ts';

export type NodeDesk = {
  /** Has nodes asked, unless that was done for this model within the last minute. */
  readonly seek: (model: string | undefined) => void;
  /** What came of it, for this model. */
  readonly found: (model: string | undefined) => {
    readonly listing: NodeListing | undefined;
    readonly at: number;
    readonly isSeeking: boolean;
  };
};

const goodForMs = 60_000;
const longestMs = 40_000;
/** Whoever looks for many models one after another is no reason to keep them all. */
const mostModels = 8;

/** Asks announced nodes for whoever looks at the page, once for all of them. */
export function createNodeDesk(
  list: (model: string | undefined, signal: AbortSignal) => Promise<NodeListing>,
  { clock, log, stopping }: { readonly clock: Clock; readonly log: Logger; readonly stopping: AbortSignal },
): NodeDesk {
  const looks = new Map<string | undefined, { listing?: NodeListing; at: number; isSeeking: boolean }>();
  const seek = async (model: string | undefined): Promise<void> => {
    const look = looks.get(model) ?? { at: 0, isSeeking: false };
    if (look.isSeeking || clock.now() - look.at < goodForMs) return;
    looks.delete(model);
    looks.set(model, look);
    for (const oldest of [...looks.keys()].slice(0, Math.max(0, looks.size - mostModels)))
      looks.delete(oldest);
    look.isSeeking = true;
    try {
      look.listing = await list(model, AbortSignal.any([stopping, AbortSignal.timeout(longestMs)]));
    } catch (error) {
      if (!stopping.aborted) log.warn({ error }, 'nodes could not be asked for the page');
    } finally {
      look.at = clock.now();
      look.isSeeking = false;
    }
  };
  return {
    seek: (model) => void seek(model),
    found: (model) => {
      const { listing, at, isSeeking } = looks.get(model) ?? { at: 0, isSeeking: true };
      return { listing, at, isSeeking };
    },
  };
}
