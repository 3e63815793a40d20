/*
 * What the command line asks of the wallet, and what it is told: the same whether this process has the wallet open or a
 * running bot is asked. The fields of an answer are those of `--json`.
 */
import { isSat, type Sat, zeroSat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import type { CashuWallet, MintList, Overview } from '../faces.ts';
import type { MintUrl, OperationId } from '../wallet-types.ts';
import { RemoteError, type UsageProblem } from './remote-error.ts';
import { handler, type RemoteHandler, type RemoteHandlers } from './remote-handler.ts';

const amount = z.custom<Sat>((value) => typeof value === 'number' && isSat(value), 'no amount in sat');
const operation = z.string().transform((id) => id as OperationId);
const mint = z.string().optional();
const nothing = z.object({});

const argumentSchemas = {
  balance: nothing,
  receive: z.object({ token: z.string() }),
  send: z.object({ amount, mint }),
  /** What a token would cost. */
  quoteSend: z.object({ amount: z.union([amount, z.literal('all')]), mint }),
  topup: z.object({ amount, mint }),
  /** Whether a top-up was paid; takes the money when it was. */
  claim: z.object({ operation }),
  /** Waits until it is. */
  awaitTopUp: z.object({ operation }),
  /** What paying an invoice, or an address with an amount, would cost. */
  quote: z.object({ to: z.string(), amount: z.union([amount, z.literal('all')]).optional(), mint }),
  pay: z.object({ operation }),
  history: z.object({ limit: z.int().min(1).max(1_000_000) }),
  pending: nothing,
  reclaim: z.object({ operation }),
  decode: z.object({ token: z.string() }),
  mints: z.object({ add: mint, remove: mint }),
  rename: z.object({ from: z.string(), to: z.string() }),
  check: nothing,
  backup: z.object({ path: z.string() }),
  restore: nothing,
};
export type WalletCommand = keyof typeof argumentSchemas;
type WalletArguments = { [C in WalletCommand]: z.infer<(typeof argumentSchemas)[C]> };
export type WalletRequest<C extends WalletCommand = WalletCommand> = {
  readonly command: C;
  readonly args: WalletArguments[C];
};

const handlers = {
  balance: (wallet) => wallet.balance(),
  async receive(wallet, { token }, signal) {
    const received = await wallet.receive(token, { cap: true }, signal);
    return { ...received, balance: wallet.balance() };
  },
  async send(wallet, args, signal) {
    const from = at(wallet, args.mint);
    const sent = await wallet.send({ amount: args.amount, note: 'command line', ...from }, signal);
    const token = wallet.handOver(sent.operation, 'command line');
    return { ...sent, token, balance: wallet.balance() };
  },
  quoteSend: (wallet, args, signal) =>
    wallet.quoteSend({ amount: args.amount, ...at(wallet, args.mint) }, signal),
  topup: (wallet, args, signal) => wallet.topUp({ amount: args.amount, ...at(wallet, args.mint) }, signal),
  async claim(wallet, args, signal) {
    const state = await wallet.claimTopUp(args.operation, signal);
    // Paid with ecash is paid, too.
    const asEcash = wallet.requests.paidFor(args.operation) ?? zeroSat;
    const isPaid = asEcash >= (wallet.operation(args.operation)?.amount ?? Number.POSITIVE_INFINITY);
    return { state: isPaid ? 'paid' : state, balance: wallet.balance() };
  },
  async awaitTopUp(wallet, args, signal) {
    const state = await wallet.watchTopUp(args.operation, signal);
    return { state, balance: wallet.balance() };
  },
  async quote(wallet, args, signal) {
    const { to, amount } = args;
    return wallet.quotePayment({ to, amount, ...at(wallet, args.mint) }, signal);
  },
  async pay(wallet, args, signal) {
    const withdrawal = await wallet.withdraw(args.operation, signal);
    return { withdrawal, balance: wallet.balance() };
  },
  history: (wallet, { limit }) => ({
    runs: wallet.ledger.latest(limit),
    operations: wallet.operations({ limit }),
  }),
  pending: (wallet) => ({
    operations: wallet.operations({ limit: 1000, unfinished: true }),
    requests: wallet.requests.open(),
  }),
  async reclaim(wallet, args, signal) {
    const outcome = await wallet.reclaim(args.operation, signal);
    return { outcome, balance: wallet.balance() };
  },
  decode: (wallet, { token }) => wallet.decode(token),
  mints(wallet, { add, remove }) {
    if (add !== undefined) wallet.addMint(add);
    if (remove !== undefined) wallet.removeMint(remove);
    const { defaultMint, mints } = wallet.info();
    return { default: defaultMint, mints };
  },
  rename: (wallet, request, signal) => wallet.renameMint(request, signal),
  check: (wallet, _, signal) => wallet.check(signal),
  backup(wallet, { path }) {
    wallet.backup(path);
    return { path };
  },
  async restore(wallet, _, signal) {
    const report = await wallet.restore(signal);
    // Those that had taken numbers which were used before go on with fresh ones.
    await wallet.recover(signal);
    return { ...report, balance: wallet.balance() };
  },
} satisfies {
  readonly [C in WalletCommand]: (
    wallet: CashuWallet,
    args: WalletArguments[C],
    signal: AbortSignal,
  ) => unknown;
};
type WalletAnswers = { [C in WalletCommand]: Awaited<ReturnType<(typeof handlers)[C]>> };
export type WalletAnswer<C extends WalletCommand> = WalletAnswers[C];

/** What reads nothing but the database. */
const offline: ReadonlySet<WalletCommand> = new Set([
  'balance',
  'history',
  'pending',
  'decode',
  'mints',
  'rename',
  'backup',
  'claim',
]);

const isCommand = (name: string): name is WalletCommand => name in argumentSchemas;

/** The wallet's own commands. */
export function walletHandlers(wallet: CashuWallet): RemoteHandlers {
  const table: {
    readonly [K in WalletCommand]: (
      wallet: CashuWallet,
      args: WalletArguments[K],
      signal: AbortSignal,
    ) => unknown;
  } = handlers;
  const schemas: { readonly [C in WalletCommand]: z.ZodType<WalletArguments[C]> } = argumentSchemas;
  const of = <C extends WalletCommand>(command: C): RemoteHandler => {
    return handler(
      schemas[command],
      (args, { signal }) => table[command](wallet, args, signal),
      command === 'awaitTopUp' ? { waits: true } : offline.has(command) ? { offline: true } : {},
    );
  };
  return new Map(
    Object.keys(argumentSchemas)
      .filter(isCommand)
      .map((command) => [command, of(command)]),
  );
}

const refuseUsage = (problem: UsageProblem): RemoteError =>
  new RemoteError({ name: 'WalletUsageError', problem });

/** The mint that was named, as the wallet spells it. */
function at(wallet: Overview & MintList, text: string | undefined): { readonly mint?: MintUrl } {
  if (text === undefined) return {};
  const found = wallet.acceptedMint(text);
  if (found === undefined) throw refuseUsage({ kind: 'mint', accepted: wallet.info().mints });
  return { mint: found };
}
