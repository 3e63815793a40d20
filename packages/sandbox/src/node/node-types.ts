import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { NodeModel } from './node-models.ts';

/**
 * Which routstr-core the node behaves like: `legacy` (0.4.4 and before), `0.4.5` (verified against the real one) and
 * `main` (September to November 2026, from its sources and pull requests).
 */
export type Profile = 'legacy' | '0.4.5' | 'main';

/** What the node does where versions, operators and circumstances differ. May be changed while it runs. */
export type NodeBehaviour = {
  /** Between taking the balance and making the refund token: the window of the false "No balance to refund". */
  refundDelayMs: number;
  /**
   * When the client goes away in mid-answer. `drain`: upstream is read to its end and the whole answer charged, as
   * 0.4.5 was seen to do; `release`: upstream is left, the reservation let go; `keep`: it stays until it is stale.
   */
  onDisconnect: 'drain' | 'release' | 'keep';
  /** Where refund tokens come from: the mint of the deposit, or always this trusted mint. */
  refundMint: string | undefined;
  /** Tokens of mints that are not listed: swapped over Lightning to the primary mint, or not. */
  foreignMints: 'swap' | 'swap-fails' | 'reject';
  /** Request headers longer than this get a reverse proxy's HTML. Undefined: no limit but the server's. */
  maxHeaderBytes: number | undefined;
  /** When funds for a refund's swap fee are short, the operator mints some more: real nodes have a float. */
  operatorTopsUp: boolean;
  /** What of a token's worth is credited to its key: 1 is honest. */
  creditShare: number;
  /** Makes invoices for its keys. The oldest nodes don't. */
  lightning: boolean;
};

export type Upstream = {
  /** OpenAI-compatible; ends in `/v1`. */
  readonly baseUrl: string;
  readonly apiKey?: string;
  /** The model that upstream is asked for. Default: the id that the client asked for. */
  readonly model?: string;
};

export type SandboxNodeOptions = {
  /** The first is the primary mint. URLs must equal those in tokens exactly. */
  readonly mints: readonly string[];
  readonly upstream: Upstream;
  readonly profile?: Profile;
  /** Default: any free port. */
  readonly port?: number;
  /** Where the node keeps its books; default: in memory. */
  readonly file?: string;
  /** Default: a set with every oddity that real lists have. */
  readonly models?: readonly NodeModel[];
  /** Default 0.001, which is 100,000 USD for one bitcoin. */
  readonly usdPerSat?: number;
  readonly behaviour?: Partial<NodeBehaviour>;
  /** For one request to a mint; default 10 s. */
  readonly mintTimeoutMs?: number;
  /** Where mints are that their clients reach by another address: an onion service and its port on loopback. */
  readonly mintPlaces?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
};

/** Time windows of routstr-core, in milliseconds. */
export const windows = {
  refundReplay: 3_600_000,
  deadToken: 24 * 3_600_000,
  staleReservation: 300_000,
  /** The sweep of stale reservations runs once in this time. */
  reservationSweep: 60_000,
  refundClaim: 300_000,
  uncollected: { legacy: 7 * 86_400_000, '0.4.5': 180 * 86_400_000, main: 180 * 86_400_000 },
} as const;
