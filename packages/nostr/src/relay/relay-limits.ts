import type { PagingLimits } from './paging.ts';

/** What a relay can make us do at most. */
export type RelayLimits = PagingLimits & {
  /** Characters of one text frame; longer ones are dropped before they are parsed. */
  readonly maxFrameLength: number;
  /** Frames of one connection that are binary, oversized or malformed, before it is cut. */
  readonly maxBadFrames: number;
  /** Events of one query: what comes beyond is not taken. */
  readonly maxQueryEvents: number;
};

export const defaultRelayLimits: RelayLimits = {
  maxFrameLength: 1024 * 1024,
  maxBadFrames: 1_000,
  maxQueryEvents: 5_000,
  minFullPage: 20,
  maxPages: 200,
};
