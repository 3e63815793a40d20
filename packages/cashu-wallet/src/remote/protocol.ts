import { isSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import type {
  Balance,
  CheckReport,
  LedgerEntry,
  MintUrl,
  OperationId,
  OperationSummary,
  Received,
  Reclaimed,
  RestoreReport,
  TokenPreview,
  TopUp,
  TopUpState,
  Withdrawal,
  WithdrawalQuote,
} from '../types.ts';

/*
 * What the command line asks of the wallet, and what it is told: the same whether this process has the wallet open or a
 * running bot is asked over its socket. There it is JSON on one line each way; `undefined` travels as null.
 */

/** What can be asked, with what. */
export type WalletArguments = {
  balance: Record<never, never>;
  receive: { readonly token: string };
  send: { readonly amount: Sat; readonly mint: string | undefined };
  topup: { readonly amount: Sat; readonly mint: string | undefined };
  /** Whether a top-up was paid; takes the money when it was. */
  claim: { readonly operation: OperationId };
  /** What paying an invoice, or an address with an amount, would cost. */
  quote: { readonly to: string; readonly amount: Sat | undefined; readonly mint: string | undefined };
  pay: { readonly operation: OperationId };
  history: { readonly limit: number };
  pending: Record<never, never>;
  reclaim: { readonly operation: OperationId };
  decode: { readonly token: string };
  mints: { readonly add: string | undefined; readonly remove: string | undefined };
  check: Record<never, never>;
  backup: { readonly path: string };
  restore: Record<never, never>;
};
export type WalletCommand = keyof WalletArguments;
export type WalletRequest<C extends WalletCommand = WalletCommand> = {
  readonly command: C;
  readonly args: WalletArguments[C];
};

/** What is told. These are the field names of `--json`. */
export type WalletAnswers = {
  balance: Balance;
  receive: Received & { readonly balance: Balance };
  send: {
    readonly operation: OperationId;
    readonly mint: MintUrl;
    readonly amount: Sat;
    readonly face: Sat;
    readonly fee: Sat;
    readonly token: string;
    readonly balance: Balance;
  };
  topup: TopUp;
  claim: { readonly state: TopUpState; readonly balance: Balance };
  quote: WithdrawalQuote;
  pay: { readonly withdrawal: Withdrawal; readonly balance: Balance };
  history: { readonly runs: readonly LedgerEntry[]; readonly operations: readonly OperationSummary[] };
  pending: { readonly operations: readonly OperationSummary[] };
  reclaim: { readonly outcome: Reclaimed; readonly balance: Balance };
  decode: TokenPreview;
  mints: { readonly default: MintUrl; readonly mints: readonly MintUrl[] };
  check: CheckReport;
  backup: { readonly path: string };
  restore: RestoreReport & { readonly balance: Balance };
};
export type WalletAnswer<C extends WalletCommand> = WalletAnswers[C];

const satSchema = z.custom<Sat>((value) => typeof value === 'number' && isSat(value), 'no amount in sat');
const mintUrl = z.string().transform((url) => url as MintUrl);
const operationId = z.string().transform((id) => id as OperationId);
/** null or absent is `undefined`. */
const maybe = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);

const nothing = z.object({});
const mint = maybe(z.string());
export const requestSchema = z.discriminatedUnion('command', [
  z.object({ command: z.literal('balance'), args: nothing }),
  z.object({ command: z.literal('receive'), args: z.object({ token: z.string() }) }),
  z.object({ command: z.literal('send'), args: z.object({ amount: satSchema, mint }) }),
  z.object({ command: z.literal('topup'), args: z.object({ amount: satSchema, mint }) }),
  z.object({ command: z.literal('claim'), args: z.object({ operation: operationId }) }),
  z.object({
    command: z.literal('quote'),
    args: z.object({ to: z.string(), amount: maybe(satSchema), mint }),
  }),
  z.object({ command: z.literal('pay'), args: z.object({ operation: operationId }) }),
  z.object({ command: z.literal('history'), args: z.object({ limit: z.int().min(1).max(100_000) }) }),
  z.object({ command: z.literal('pending'), args: nothing }),
  z.object({ command: z.literal('reclaim'), args: z.object({ operation: operationId }) }),
  z.object({ command: z.literal('decode'), args: z.object({ token: z.string() }) }),
  z.object({
    command: z.literal('mints'),
    args: z.object({ add: maybe(z.string()), remove: maybe(z.string()) }),
  }),
  z.object({ command: z.literal('check'), args: nothing }),
  z.object({ command: z.literal('backup'), args: z.object({ path: z.string() }) }),
  z.object({ command: z.literal('restore'), args: nothing }),
]);

const holdings = { ready: satSchema, reserved: satSchema, sent: satSchema, incoming: satSchema };
const balance = z.object({ ...holdings, mints: z.array(z.object({ mint: mintUrl, ...holdings })) });
const summary = z.object({
  operation: operationId,
  kind: z.enum(['send', 'receive', 'mint', 'melt']),
  state: z.string(),
  open: z.boolean(),
  mint: mintUrl,
  amount: satSchema,
  fee: satSchema,
  note: maybe(z.string()),
  trouble: maybe(z.string()),
  createdAt: z.number(),
  updatedAt: z.number(),
});
const run = z.object({
  id: z.number(),
  ts: z.number(),
  provider: z.string(),
  budget: satSchema,
  refund: satSchema,
  spent: satSchema,
  fee: satSchema,
  model: maybe(z.string()),
  sessionId: maybe(z.string()),
  promptPrefix: z.string(),
  state: z.string(),
  nodeUrl: maybe(z.string()),
  owner: maybe(z.string()),
});

export const answerSchemas: { readonly [C in WalletCommand]: z.ZodType<WalletAnswers[C]> } = {
  balance,
  receive: z.object({ operation: operationId, mint: mintUrl, amount: satSchema, fee: satSchema, balance }),
  send: z.object({
    operation: operationId,
    mint: mintUrl,
    amount: satSchema,
    face: satSchema,
    fee: satSchema,
    token: z.string(),
    balance,
  }),
  topup: z.object({
    operation: operationId,
    mint: mintUrl,
    amount: satSchema,
    invoice: z.string(),
    expiresAt: maybe(z.number()),
  }),
  claim: z.object({ state: z.enum(['unpaid', 'paid', 'expired']), balance }),
  quote: z.object({
    operation: operationId,
    mint: mintUrl,
    amount: satSchema,
    feeReserve: satSchema,
    inputFee: satSchema,
    expiresAt: maybe(z.number()),
  }),
  pay: z.object({
    withdrawal: z.discriminatedUnion('state', [
      z.object({
        state: z.literal('paid'),
        operation: operationId,
        amount: satSchema,
        fee: satSchema,
        preimage: maybe(z.string()),
      }),
      z.object({ state: z.literal('pending'), operation: operationId, amount: satSchema }),
    ]),
    balance,
  }),
  history: z.object({ runs: z.array(run), operations: z.array(summary) }),
  pending: z.object({ operations: z.array(summary) }),
  reclaim: z.object({
    outcome: z.discriminatedUnion('state', [
      z.object({ state: z.literal('reclaimed'), amount: satSchema, fee: satSchema }),
      z.object({ state: z.literal('claimed') }),
    ]),
    balance,
  }),
  decode: z.object({
    mint: z.string(),
    unit: z.string(),
    amount: z.number(),
    proofs: z.number(),
    memo: maybe(z.string()),
    lock: maybe(z.string()),
    accepted: z.boolean(),
  }),
  mints: z.object({ default: mintUrl, mints: z.array(mintUrl) }),
  check: z.object({
    consistent: z.boolean(),
    problems: z.array(z.string()),
    spentElsewhere: satSchema,
    checkedProofs: z.number(),
    unreachable: z.array(mintUrl),
  }),
  backup: z.object({ path: z.string() }),
  restore: z.object({
    recovered: satSchema,
    proofs: z.number(),
    unreachable: z.array(mintUrl),
    balance,
  }),
};

/** One line each way; the fingerprint says which wallet is meant. */
export const requestLine = z.object({ fingerprint: z.string(), request: requestSchema });
export const answerLine = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('answer'), answer: z.unknown() }),
  z.object({ kind: z.literal('failure'), name: z.string(), message: z.string() }),
  /** The bot has another wallet than the one that was asked for. */
  z.object({ kind: z.literal('other-wallet') }),
]);

/** JSON in which what is `undefined` is there, as null: field names are stable. */
export const toJson = (value: unknown, indent?: number): string =>
  JSON.stringify(value, (_, each: unknown) => (each === undefined ? null : each), indent);

/** The longest line that is read: a token of 64 kB, and room. */
export const maxLineBytes = 1024 * 1024;
