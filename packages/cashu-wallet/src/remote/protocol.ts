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
import type { RemoteErrorFacts } from './remote-error.ts';

/*
 * What the command line asks of the wallet, and what it is told: the same whether this process has the wallet open or a
 * running bot is asked over its socket. There it is JSON on one line each way; `undefined` travels as null. Requests are
 * checked field by field, for anybody may write to a socket; answers come from this very program.
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
const operationId = z.string().transform((id) => id as OperationId);
/** Absent is `undefined`. */
const maybe = <T extends z.ZodType>(schema: T) => schema.optional().transform((value) => value);

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

/** Changes with whatever crosses the socket: a bot that was started before an update is told from one of today. */
export const protocolVersion = 2;

/** One line each way; the fingerprint says which wallet is meant. */
export const requestLine = z.object({
  version: z.literal(protocolVersion),
  fingerprint: z.string(),
  request: requestSchema,
});
export const answerLine = z.object({
  version: z.literal(protocolVersion),
  answer: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('answer'), answer: z.unknown() }),
    z.object({ kind: z.literal('failure'), facts: z.custom<RemoteErrorFacts>(isFacts) }),
    /** The bot has another wallet than the one that was asked for. */
    z.object({ kind: z.literal('other-wallet') }),
  ]),
});
export type Answer = z.infer<typeof answerLine>['answer'];

function isFacts(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string';
}

/** JSON in which what is `undefined` is there, as null: field names are stable. */
export const toJson = (value: unknown, indent?: number): string =>
  JSON.stringify(value, (_, each: unknown) => (each === undefined ? null : each), indent);

/** The other way round: null is `undefined`, and stays a field. */
export function fromJson(text: string): unknown {
  return withoutNull(JSON.parse(text));
}

function withoutNull(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map(withoutNull);
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withoutNull(each)]));
}

/** The longest line that is read: a token of 64 kB, and room. */
export const maxLineBytes = 1024 * 1024;
