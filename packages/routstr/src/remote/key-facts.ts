/*
 * What is told of persistent keys (`sk-`) that were made here: data, the same in this process and over the socket. Amounts
 * in sat, times in Unix milliseconds. No field but `secret` is one.
 */
import type { TokenProblem } from '@nostr-dm-agent/cashu-wallet';
import { isSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import type { NodeUrl } from '../node/node-url.ts';
import type { BudgetRefusal } from '../paid-run/budget-rules.ts';
import type { NodeRefusal, TokenRefusal, Whereabouts } from '../paid-run/payment-refusals.ts';

export const satValue = z.custom<Sat>(
  (value) => typeof value === 'number' && isSat(value),
  'no amount in sat',
);
const nodeUrl = z.string().transform((url) => url as NodeUrl);
const time = z.number();

/** What pays for a key, or for more on it: a token that is pasted, the wallet, an invoice of the node. */
export const keySources = ['token', 'wallet', 'invoice'] as const;
export type KeySource = (typeof keySources)[number];

/** An invoice of a node; paid, its amount is on the key. */
export const keyInvoiceSchema = z.object({
  /** BOLT11. */
  invoice: z.string(),
  amount: satValue,
  /** Advisory: a payment that comes a day late is noticed all the same. */
  expiresAt: time.optional(),
});
export type KeyInvoice = z.infer<typeof keyInvoiceSchema>;

/** A key as the books have it. */
export const keyFactsSchema = z.object({
  /** Names it, and gives nothing away. */
  id: z.string(),
  node: nodeUrl,
  source: z.enum(keySources),
  /**
   * `waiting`: its invoice is not paid. `arriving`: money is on its way to the node. `kept`: it can be used. `leaving`: its
   * refund is under way. `doubtful`: the node contradicts itself, and is asked on. `closed`: nothing of it is at the node.
   */
  state: z.enum(['waiting', 'arriving', 'kept', 'leaving', 'doubtful', 'closed']),
  /** How the key begins, for people: `sk-1a2b3c4d`. undefined: the node has not given it yet. */
  label: z.string().optional(),
  createdAt: time,
  /** What the node credited in all. */
  deposited: satValue,
  /** Top-ups that are not credited yet. */
  arriving: satValue,
  /** By the node's word when it was last asked; of a closed one for good. */
  spent: satValue,
  /** What came home. */
  refunded: satValue,
  /** What mints took, both ways. */
  fee: satValue,
  /** To be paid: of a key that waits, or of a top-up of it. */
  invoice: keyInvoiceSchema.optional(),
});
export type KeyFacts = z.infer<typeof keyFactsSchema>;

/** A key as its node sees it. */
export const keyAtNodeSchema = z.object({
  key: keyFactsSchema,
  seen: z.discriminatedUnion('state', [
    z.object({
      state: z.literal('known'),
      /** Can be spent. */
      available: satValue,
      /** Held by calls under way. */
      reserved: satValue,
      /** undefined: an old node, which keeps no sum. */
      spent: satValue.optional(),
    }),
    /** The node does not know the key. */
    z.object({ state: z.literal('unknown_key') }),
    /** It does not answer. */
    z.object({ state: z.literal('away') }),
    /** There is no key yet, or no more. */
    z.object({ state: z.literal('none') }),
  ]),
});
export type KeyAtNode = z.infer<typeof keyAtNodeSchema>;

/** Why there is no key, or nothing more on it. Where the money is stands beside it (`Whereabouts`). */
export type KeyRefusal =
  /** Nothing was sent: it is as good or as bad as before. */
  | { readonly kind: 'token'; readonly problem: TokenProblem }
  /** It was pasted before: what it brought is in the wallet, or a key's, or on its way. */
  | { readonly kind: 'token_known' }
  /** The wallet accepts its mint, and the node does not. Nothing was sent. */
  | { readonly kind: 'mint_not_at_node'; readonly mint: string; readonly listed: readonly string[] }
  /** Worth less than what bringing it to the node costs; it is in the wallet. */
  | { readonly kind: 'too_small'; readonly amount: Sat }
  /** More than the wallet takes in. Nothing was sent. */
  | { readonly kind: 'cap'; readonly balance: Sat; readonly amount: Sat; readonly cap: Sat }
  | BudgetRefusal
  | TokenRefusal
  | NodeRefusal
  | { readonly kind: 'node_away'; readonly node: NodeUrl }
  /** The node makes no invoices. */
  | { readonly kind: 'no_lightning'; readonly node: NodeUrl }
  /** What the node said to the wish for an invoice. */
  | { readonly kind: 'no_invoice'; readonly node: NodeUrl; readonly message: string }
  | { readonly kind: 'invoice_expired'; readonly node: NodeUrl }
  /** There is no such key in the books. */
  | { readonly kind: 'unknown_id' }
  /** The key is not one that can be used (its state). */
  | { readonly kind: 'not_kept'; readonly state: KeyFacts['state'] }
  /** An earlier top-up of it is not credited yet. */
  | { readonly kind: 'still_adding'; readonly amount: Sat }
  /** The process that did it ended meanwhile. */
  | { readonly kind: 'interrupted' };

const hasKind = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string';
const refused = z.object({
  state: z.literal('refused'),
  refusal: z.custom<KeyRefusal>(hasKind),
  money: z.custom<Whereabouts>((value) => typeof value === 'object' && value !== null && 'state' in value),
});
/** To be paid; `waitForKey` waits for it. */
const unpaid = z.object({ state: z.literal('unpaid'), key: keyFactsSchema, invoice: keyInvoiceSchema });

/** What came of making a key. */
export const madeKeySchema = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('made'),
    key: keyFactsSchema,
    /** The whole `sk-` key. Spends and refunds what is on it. */
    secret: z.string(),
  }),
  unpaid,
  refused,
]);
export type MadeKey = z.infer<typeof madeKeySchema>;

/** What came of adding money to a key. */
export const toppedUpSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('added'), key: keyFactsSchema, amount: satValue }),
  unpaid,
  refused,
]);
export type ToppedUp = z.infer<typeof toppedUpSchema>;

/** What came of asking a key's money back. */
export const refundedKeySchema = z.discriminatedUnion('state', [
  /** It is in the wallet. */
  z.object({ state: z.literal('returned'), key: keyFactsSchema, received: satValue }),
  /** It goes on at the next start, or in the bot. */
  z.object({ state: z.literal('under_way'), key: keyFactsSchema }),
  /** The node withholds it or contradicts itself. */
  z.object({ state: z.literal('doubtful'), key: keyFactsSchema, trouble: z.string(), detail: z.string() }),
  refused,
]);
export type RefundedKey = z.infer<typeof refundedKeySchema>;

/** What became of something that was cut off, told once: by the next who asks. */
export const keyNewsSchema = z.object({
  key: keyFactsSchema,
  /**
   * What was being done: `make`, `topup`, `refund`. `kept`: it is done, the key can be used. `back`: the money is in the
   * wallet. `nothing`: no money had moved. `doubtful`: the node contradicts itself.
   */
  did: z.enum(['make', 'topup', 'refund']),
  came: z.enum(['kept', 'back', 'nothing', 'doubtful']),
  amount: satValue,
});
export type KeyNews = z.infer<typeof keyNewsSchema>;
