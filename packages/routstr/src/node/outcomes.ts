import type { ApiKey } from './api-key.ts';

/** What is kept of an exchange for the journal, whatever came of it. Holds no secret. */
export type Evidence = {
  /** undefined: no answer. */
  readonly status: number | undefined;
  readonly code: string | undefined;
  /** What the node said, at most 300 characters, tokens and keys blanked out. */
  readonly message: string;
  /** `x-routstr-request-id`: what the node's operator can look up. */
  readonly requestId: string | undefined;
};

/** Why a token that was presented was not credited, as far as the node tells. */
export type NotCredited =
  /** The node said no before any swap: ours to take back. Sending it again is pointless. */
  | {
      readonly state: 'unspent';
      readonly reason: 'undecodable' | 'mint_not_trusted' | 'fees_exceed_amount' | 'foreign_swap_failed';
      readonly evidence: Evidence;
    }
  /** The node could not redeem it (several keysets, wrong unit, …). Normally unspent: ask the mint (NUT-07). */
  | { readonly state: 'check_mint'; readonly evidence: Evidence }
  /** The mint calls it spent: by us, by another presentation or by somebody else. Do not send it again. */
  | { readonly state: 'spent'; readonly evidence: Evidence }
  /** Redeemed, and worth nothing after fees. */
  | { readonly state: 'consumed'; readonly evidence: Evidence }
  /** The node could not reach its mint; nothing was swapped. The same token again later, or take it back. */
  | {
      readonly state: 'mint_unavailable';
      readonly retryAfterMs: number | undefined;
      readonly evidence: Evidence;
    }
  /** Nobody was there to take it: it never left. */
  | { readonly state: 'not_sent'; readonly evidence: Evidence }
  /** It may or may not have been redeemed. Same token again (idempotent), then ask the mint, then `info`. */
  | { readonly state: 'ambiguous'; readonly reason: AmbiguousReason; readonly evidence: Evidence };

export type AmbiguousReason =
  | 'no_answer' // timeout, connection lost
  | 'not_the_node' // HTML of a proxy, a body that is no JSON
  | 'token_consumed' // the node's own word for "I do not know"
  | 'node_error' // 5xx without a better word
  | 'not_accepted'; // 401, 404, 422, …: a refusal that should not mean anything for the token

export type CreateOutcome =
  | {
      readonly state: 'credited';
      readonly apiKey: ApiKey;
      readonly balanceMsat: number;
      readonly evidence: Evidence;
    }
  | NotCredited;

export type TopUpOutcome =
  | { readonly state: 'credited'; readonly addedMsat: number; readonly evidence: Evidence }
  /** The key to be filled is unknown; what became of the token is for the mint to say. */
  | { readonly state: 'unknown_key'; readonly evidence: Evidence }
  | NotCredited;

/** An account as the node sees it, in msat. */
export type KeyBalance = {
  /** Can be spent: the balance less what is reserved. */
  readonly availableMsat: number;
  readonly reservedMsat: number;
  readonly totalSpentMsat: number | undefined;
};
export type InfoOutcome =
  | { readonly state: 'known'; readonly balance: KeyBalance; readonly evidence: Evidence }
  | { readonly state: 'unknown_key'; readonly evidence: Evidence }
  | { readonly state: 'unavailable'; readonly evidence: Evidence };

export type RefundOutcome =
  /** `raw` is the body as it came: it was handed to `keep` before anything read it. */
  | {
      readonly state: 'token';
      readonly token: string;
      readonly raw: string;
      readonly evidence: Evidence;
    }
  /** Requests are still reserved: clears by itself in minutes. */
  | { readonly state: 'ongoing'; readonly evidence: Evidence }
  /**
   * Final only if no earlier refund call of this key may still be minting
   * (docs/node-protocol.md#what-becomes-of-a-refund).
   */
  | { readonly state: 'no_balance'; readonly evidence: Evidence }
  /** Less than 1 sat is left: it stays there. */
  | { readonly state: 'too_small'; readonly evidence: Evidence }
  | { readonly state: 'unknown_key'; readonly evidence: Evidence }
  /** Another refund of this key is under way (`retryable`) or the node calls it stuck. */
  | {
      readonly state: 'conflict';
      readonly kind: 'retryable' | 'stuck';
      readonly evidence: Evidence;
    }
  /** The refund token was not collected in time and the node took it back. */
  | { readonly state: 'swept'; readonly evidence: Evidence }
  | { readonly state: 'pending'; readonly retryAfterMs: number; readonly evidence: Evidence }
  /** The node failed and put the balance back: ask again later. */
  | { readonly state: 'failed_restored'; readonly evidence: Evidence }
  /** Debited and not known where it is: not lost, ask again. */
  | { readonly state: 'withheld'; readonly evidence: Evidence }
  /** The node refuses for a reason that another call will not change (a child key, a path that does not exist). */
  | { readonly state: 'refused'; readonly evidence: Evidence }
  | { readonly state: 'not_sent'; readonly evidence: Evidence }
  /** It may have been debited. The same call again is answered with the same token. */
  | {
      readonly state: 'ambiguous';
      readonly reason: 'no_answer' | 'not_the_node' | 'unreadable' | 'node_error';
      /** Body of a 200 in which no token could be read. */
      readonly raw: string | undefined;
      readonly evidence: Evidence;
    };

export type NodeInfo = {
  readonly name: string | undefined;
  readonly version: string | undefined;
  readonly npub: string | undefined;
  /** Mints whose tokens it takes; may leave out its primary mint. */
  readonly mints: readonly string[];
};
/** A question that moves no money. */
export type Answer<T> =
  | { readonly state: 'ok'; readonly value: T }
  | { readonly state: 'unavailable'; readonly evidence: Evidence };
