import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { CashuWallet, MintList, Overview, Pay } from '../faces.ts';
import type { MintUrl } from '../types.ts';
import type { WalletAnswer, WalletArguments, WalletCommand, WalletRequest } from './protocol.ts';
import { RemoteError, type UsageProblem } from './remote-error.ts';

type Handlers = {
  readonly [C in WalletCommand]: (
    wallet: CashuWallet,
    args: WalletArguments[C],
    signal: AbortSignal,
  ) => WalletAnswer<C> | Promise<WalletAnswer<C>>;
};

const handlers: Handlers = {
  balance: (wallet) => wallet.balance(),
  async receive(wallet, { token }, signal) {
    const received = await wallet.receive(token, { cap: true }, signal);
    return { ...received, balance: wallet.balance() };
  },
  async send(wallet, { amount, mint }, signal) {
    const sent = await wallet.send({ amount, note: 'command line', ...at(wallet, mint) }, signal);
    const token = wallet.handOver(sent.operation, 'command line');
    return { ...sent, token, balance: wallet.balance() };
  },
  topup: (wallet, { amount, mint }, signal) => wallet.topUp({ amount, ...at(wallet, mint) }, signal),
  async claim(wallet, { operation }, signal) {
    const state = await wallet.claimTopUp(operation, signal);
    return { state, balance: wallet.balance() };
  },
  async quote(wallet, { to, amount, mint }, signal) {
    const invoice = await invoiceOf(wallet, to, amount, signal);
    return wallet.quoteWithdrawal({ invoice, ...at(wallet, mint) }, signal);
  },
  async pay(wallet, { operation }, signal) {
    const withdrawal = await wallet.withdraw(operation, signal);
    return { withdrawal, balance: wallet.balance() };
  },
  history: (wallet, { limit }) => ({
    runs: wallet.ledger.latest(limit),
    operations: wallet.operations({ limit }),
  }),
  pending: (wallet) => ({ operations: wallet.operations({ limit: 1000, unfinished: true }) }),
  async reclaim(wallet, { operation }, signal) {
    const outcome = await wallet.reclaim(operation, signal);
    return { outcome, balance: wallet.balance() };
  },
  decode: (wallet, { token }) => wallet.decode(token),
  mints(wallet, { add, remove }) {
    if (add !== undefined) wallet.addMint(add);
    if (remove !== undefined) wallet.removeMint(remove);
    const { defaultMint, mints } = wallet.info();
    return { default: defaultMint, mints };
  },
  check: (wallet, _, signal) => wallet.check(signal),
  backup(wallet, { path }) {
    wallet.backup(path);
    return { path };
  },
  async restore(wallet, _, signal) {
    // What an open operation has made at the mint is in the words as well: it would be counted as found, and again when
    // the operation ends.
    const { waiting, troubled } = await wallet.recover(signal);
    const open = waiting.length + troubled.length;
    if (open > 0) {
      throw new RemoteError({ name: 'RestoreRefusedError', problem: { kind: 'open-operations', open } });
    }
    const report = await wallet.restore(signal);
    return { ...report, balance: wallet.balance() };
  },
};

/** Does what was asked. @throws RemoteError, and what the wallet throws */
export async function perform<C extends WalletCommand>(
  wallet: CashuWallet,
  { command, args }: WalletRequest<C>,
  signal: AbortSignal,
): Promise<WalletAnswer<C>> {
  return handlers[command](wallet, args, signal);
}

const refuseUsage = (problem: UsageProblem): RemoteError =>
  new RemoteError({ name: 'WalletUsageError', problem });

/** The mint that was named, as the wallet spells it. */
function at(wallet: Overview & MintList, text: string | undefined): { readonly mint?: MintUrl } {
  if (text === undefined) return {};
  const mint = wallet.acceptedMint(text);
  if (mint === undefined) throw refuseUsage({ kind: 'mint', accepted: wallet.info().mints });
  return { mint };
}

async function invoiceOf(
  wallet: Pay,
  to: string,
  amount: Sat | undefined,
  signal: AbortSignal,
): Promise<string> {
  const isAddress = to.includes('@') || /^(lightning:)?lnurl1/i.test(to);
  if (!isAddress && amount !== undefined) throw refuseUsage({ kind: 'amount-given' });
  if (!isAddress) return to;
  if (amount === undefined) throw refuseUsage({ kind: 'amount-missing' });
  return wallet.requestInvoice(to, amount, signal);
}
