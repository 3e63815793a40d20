import type { RelayUrl } from '../nostr-types.ts';

/**
 * A relay could not be asked. `reason`: `unreachable` no connection within the time; `refused` it answered CLOSED;
 * `timeout` it never sent EOSE; `closed` our connection was closed; `aborted` the caller's signal (then in `cause`).
 */
export class RelayError extends Error {
  override readonly name = 'RelayError';
  readonly url: RelayUrl;
  readonly reason: 'unreachable' | 'refused' | 'timeout' | 'closed' | 'aborted';
  /** What the relay said or how the connection failed: one line, made fit to be shown. */
  readonly detail: string;
  constructor(url: RelayUrl, reason: RelayError['reason'], detail: string, options?: ErrorOptions) {
    super(`${url} could not be asked: ${reason}${detail === '' ? '' : ` (${detail})`}`, options);
    this.url = url;
    this.reason = reason;
    this.detail = detail;
  }
}
