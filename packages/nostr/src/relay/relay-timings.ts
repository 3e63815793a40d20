import type { BackoffLimits } from '@nostr-dm-agent/kit/backoff';

/** Every wait of a relay connection, in milliseconds. */
export type RelayTimings = {
  /** From the first packet to the WebSocket being open. */
  readonly connectMs: number;
  /** Between two pings, and from a ping to any sign of life. */
  readonly pingMs: number;
  readonly pongMs: number;
  /**
   * From REQ, or from the last stored event that came, to EOSE; doubled each time that nothing came, up to `maxEoseMs`, for
   * pongs prove that somebody is there.
   */
  readonly eoseMs: number;
  readonly maxEoseMs: number;
  /** A connection or subscription that held this long begins its backoff anew when it fails. */
  readonly stableMs: number;
  /** For the signer, and for the relay's OK to an AUTH. */
  readonly signMs: number;
  readonly authOkMs: number;
  /** Between two AUTHs on one connection, however many challenges come. */
  readonly authSpacingMs: number;
  /** From the closing handshake to cutting the connection. */
  readonly closeMs: number;
  readonly reconnect: BackoffLimits;
  /** After CLOSED, after a failed page, after a failed AUTH. */
  readonly retry: BackoffLimits;
};

export const defaultRelayTimings: RelayTimings = {
  connectMs: 10_000,
  pingMs: 30_000,
  pongMs: 15_000,
  eoseMs: 15_000,
  maxEoseMs: 5 * 60_000,
  stableMs: 60_000,
  signMs: 10_000,
  authOkMs: 10_000,
  authSpacingMs: 1_000,
  closeMs: 1_000,
  reconnect: { baseMs: 1_000, maxMs: 60_000 },
  retry: { baseMs: 1_000, maxMs: 300_000 },
};
