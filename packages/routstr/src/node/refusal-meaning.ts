import type { Reply } from './node-http.ts';
import { noAnswer } from './node-http.ts';
import type { Evidence, NotCredited, RefundOutcome } from './outcomes.ts';
import { parseRefusal, type Refusal } from './refusal-shapes.ts';

type Answered = Extract<Reply, { kind: 'answer' }>;

/** The refusal of an answer, and what is kept of it. */
export function readRefusal(answer: Answered): { readonly refusal: Refusal; readonly evidence: Evidence } {
  const refusal = parseRefusal(answer.body, answer.requestId);
  const { code, message, requestId } = refusal;
  return { refusal, evidence: { status: answer.status, code, message, requestId } };
}

/**
 * What a refused or unanswered presentation of a token means for the token
 * (docs/node-protocol.md#what-becomes-of-a-token).
 */
export function notCredited(reply: Reply): NotCredited {
  if (reply.kind === 'not_sent') return { state: 'not_sent', evidence: noAnswer(reply.message) };
  if (reply.kind === 'no_answer') {
    return { state: 'ambiguous', reason: 'no_answer', evidence: noAnswer(reply.message) };
  }
  const { refusal, evidence } = readRefusal(reply);
  const word = redemptionWord(refusal);
  switch (word) {
    case 'undecodable':
    case 'mint_not_trusted':
    case 'fees_exceed_amount':
    case 'foreign_swap_failed':
      return { state: 'unspent', reason: word, evidence };
    case 'mint_unavailable':
      return { state: 'mint_unavailable', retryAfterMs: reply.retryAfterMs, evidence };
    case 'token_consumed':
      return { state: 'ambiguous', reason: 'token_consumed', evidence };
    case 'check_mint':
    case 'spent':
    case 'consumed':
      return { state: word, evidence };
    case undefined:
      return { state: 'ambiguous', reason: ambiguity(reply, refusal), evidence };
  }
}

function ambiguity(
  answer: Answered,
  refusal: Refusal,
): Extract<NotCredited, { state: 'ambiguous' }>['reason'] {
  if (refusal.shape === 'G') return 'not_the_node';
  return answer.status >= 500 ? 'node_error' : 'not_accepted';
}

type RedemptionWord =
  | Extract<NotCredited, { state: 'unspent' }>['reason']
  | 'mint_unavailable'
  | 'token_consumed'
  | 'check_mint'
  | 'spent'
  | 'consumed';

/** By code, by type for the nodes that had no codes yet. */
const redemptionWords: Readonly<Record<string, RedemptionWord>> = {
  invalid_cashu_token: 'undecodable',
  invalid_token: 'undecodable',
  cashu_token_already_spent: 'spent',
  token_already_spent: 'spent',
  cashu_token_redemption_failed: 'check_mint',
  cashu_token_zero_value: 'consumed',
  cashu_untrusted_source_mint: 'mint_not_trusted',
  untrusted_mint: 'mint_not_trusted',
  cashu_token_swap_fees_exceed_amount: 'fees_exceed_amount',
  cashu_foreign_mint_swap_failed: 'foreign_swap_failed',
  cashu_mint_unreachable: 'mint_unavailable',
  cashu_source_mint_unreachable: 'mint_unavailable',
  cashu_mint_timeout: 'mint_unavailable',
  cashu_mint_rate_limited: 'mint_unavailable',
  mint_unreachable: 'mint_unavailable',
  mint_timeout: 'mint_unavailable',
  mint_rate_limited: 'mint_unavailable',
  cashu_token_consumed: 'token_consumed',
  token_consumed: 'token_consumed',
  // Without a code of its own: the node gave up on a ValueError.
  cashu_error: 'check_mint',
};

const redemptionWord = (refusal: Refusal): RedemptionWord | undefined =>
  lookUp(redemptionWords, refusal.code) ?? lookUp(redemptionWords, refusal.type);

const lookUp = <T>(words: Readonly<Record<string, T>>, key: string | undefined): T | undefined =>
  key !== undefined && Object.hasOwn(words, key) ? words[key] : undefined;

/**
 * What a refused or unanswered refund means for the money (docs/node-protocol.md#what-becomes-of-a-refund). A 200 is
 * not for here.
 */
export function refundRefused(reply: Reply): RefundOutcome {
  if (reply.kind === 'not_sent') return { state: 'not_sent', evidence: noAnswer(reply.message) };
  if (reply.kind === 'no_answer') {
    return { state: 'ambiguous', reason: 'no_answer', raw: undefined, evidence: noAnswer(reply.message) };
  }
  const { refusal, evidence } = readRefusal(reply);
  const { shape, code, message } = refusal;
  if (shape === 'G') return { state: 'ambiguous', reason: 'not_the_node', raw: undefined, evidence };
  switch (reply.status) {
    case 400:
      if (code === 'refund_ongoing_requests' || /ongoing requests/i.test(message)) {
        return { state: 'ongoing', evidence };
      }
      if (code === 'balance_too_small_to_refund' || /too small/i.test(message)) {
        return { state: 'too_small', evidence };
      }
      if (code === 'no_balance_to_refund' || /no balance/i.test(message)) {
        return { state: 'no_balance', evidence };
      }
      return { state: 'refused', evidence };
    case 401:
      return isUnknownKey(refusal) ? { state: 'unknown_key', evidence } : { state: 'refused', evidence };
    case 404:
      return isUnknownPayment(refusal) ? { state: 'unknown_key', evidence } : { state: 'refused', evidence };
    case 409:
      return {
        state: 'conflict',
        kind: code === 'refund_unresolved' ? 'stuck' : 'retryable',
        evidence,
      };
    case 410:
      return { state: 'swept', evidence };
    case 425:
      return { state: 'pending', retryAfterMs: reply.retryAfterMs ?? 2000, evidence };
    case 429:
      return { state: 'pending', retryAfterMs: reply.retryAfterMs ?? 5000, evidence };
    case 500:
      // The node says so only after it has put the balance back; any other 500 tells nothing.
      if (shape === 'A' && /^refund failed/i.test(message)) return { state: 'failed_restored', evidence };
      return { state: 'ambiguous', reason: 'node_error', raw: undefined, evidence };
    case 502:
      return { state: 'withheld', evidence };
    case 503:
      return { state: 'failed_restored', evidence };
  }
  return reply.status >= 500
    ? { state: 'ambiguous', reason: 'node_error', raw: undefined, evidence }
    : { state: 'refused', evidence };
}

/** A 401 for a key of ours: never deposited at this node, whichever version says it. */
export const isUnknownKey = (refusal: Refusal): boolean =>
  refusal.code === 'key_not_found' ||
  refusal.code === 'invalid_api_key' ||
  /key not found|invalid api key/i.test(refusal.message);

/** A 404 for a token that paid for a request: the node never had it. */
const isUnknownPayment = (refusal: Refusal): boolean => /refund not found/i.test(refusal.message);

/**
 * The path does not exist at this node: the balance API has had two prefixes and `create` two methods. Old nodes hand
 * unknown paths to their proxy, which misses a model or a key; nothing was done in either case.
 */
export function isMissingPath(reply: Reply, authorized: boolean): boolean {
  if (reply.kind !== 'answer') return false;
  if (reply.status === 405) return true;
  if (reply.status === 404) return !isUnknownPayment(readRefusal(reply).refusal);
  if (reply.status === 400) return readRefusal(reply).refusal.type === 'invalid_model';
  return reply.status === 401 && !authorized && /^unauthorized$/i.test(readRefusal(reply).refusal.message);
}
