import { coded, type NodeRefusal } from './node-refusals.ts';

const refusal = (status: number, type: string, code: string, message: string) => (): NodeRefusal =>
  coded(status, { message, type, code });

/** Every way in which the redemption of a token fails, as bearer, top-up and `x-cashu` callers are told. */
export const redemption = {
  undecodable: refusal(400, 'invalid_token', 'invalid_cashu_token', 'Invalid Cashu token'),
  spent: refusal(400, 'token_already_spent', 'cashu_token_already_spent', 'Cashu token already spent'),
  /** More than one keyset, another unit, a keyset the mint doesn't know, no more value than the fee. */
  failed: refusal(400, 'cashu_error', 'cashu_token_redemption_failed', 'Failed to redeem Cashu token'),
  untrustedMint: refusal(
    400,
    'untrusted_mint',
    'cashu_untrusted_source_mint',
    'Cashu token is from a mint that this node does not trust',
  ),
  swapTooDear: refusal(
    422,
    'mint_error',
    'cashu_token_swap_fees_exceed_amount',
    'Token value is too small to cover swap fees',
  ),
  swapFailed: refusal(
    422,
    'mint_error',
    'cashu_foreign_mint_swap_failed',
    'Failed to swap token from foreign mint',
  ),
  mintAway: refusal(
    503,
    'mint_unreachable',
    'cashu_source_mint_unreachable',
    'The mint that issued this Cashu token is unreachable; the token cannot be redeemed at another mint',
  ),
  rateLimited: refusal(
    503,
    'mint_rate_limited',
    'cashu_mint_rate_limited',
    'Cashu mint rate-limited; retry after cooldown',
  ),
  consumed: refusal(
    500,
    'token_consumed',
    'cashu_token_consumed',
    'Token was redeemed but could not be credited; do not retry',
  ),
  internal: refusal(500, 'api_error', 'internal_error', 'Internal error during token redemption'),
} as const;

/** Never worth another try with the same token: remembered, and refused without asking the mint. */
export const terminal: ReadonlySet<string> = new Set([
  'cashu_token_already_spent',
  'invalid_cashu_token',
  'cashu_token_swap_fees_exceed_amount',
]);

/** The token is gone: the `x-cashu` path doesn't hand it back with these. */
export const gone: ReadonlySet<string> = new Set([
  'cashu_token_already_spent',
  'cashu_token_consumed',
  'internal_error',
]);
