import type { CashuWallet, MintUrl, Overview, Pay, WithdrawalQuote } from '@nostr-dm-agent/cashu-wallet';
import { InsufficientFundsError, isLightningAddress } from '@nostr-dm-agent/cashu-wallet';
import { addSat, formatSat, type Sat, subtractSat } from '@nostr-dm-agent/kit/sat';
import { formatDuration, lines } from '../../replies/format.ts';
import { costText, mintName } from '../../replies/wallet-replies.ts';
import type { ProposedAction } from '../../store/confirmations-table.ts';
import { type Call, type Command, type FullReply, RefusalError, UsageError } from '../command.ts';
import { requireOwn } from './own-money.ts';
import { parseAmountOrAll, parseMint, splitAmount } from './wallet-arguments.ts';
import type { WalletCommandDeps } from './wallet-command-deps.ts';

/** How long a code is good. */
const codeMs = 5 * 60_000;

/** `!wallet send`, `!wallet withdraw`, `!wallet move`: what it will cost, and a code. `confirm-command.ts` does it. */
export const outgoingCommands = (deps: WalletCommandDeps): readonly Command[] => [
  {
    path: 'wallet send',
    parameters: '<sats|all>',
    family: 'Wallet',
    summary: 'make a token to give away, after a code',
    detail: 'Its receiver nets exactly this amount. Until it is claimed, !wallet reclaim takes it back.',
    examples: ['!wallet send 1000'],
    role: 'admin',
    instead:
      'You can fill the wallet (!wallet topup <sats>) and spend it on tasks; ask an admin to take money out (!owners).',
    kind: 'lasting',
    repeatable: true,
    run: async (call, signal) => {
      const wanted = parseAmountOrAll(call.argument);
      const wallet = await wholeWallet(deps, signal);
      if (wanted !== 'all') requireOwn(deps.money.shares, call, wanted);
      const { mint, ready } = mintWith(wallet, wanted);
      if (wanted !== 'all' && ready < wanted) {
        throw new InsufficientFundsError({ have: ready, need: wanted, mint });
      }
      const { amount, face, fee } = await wallet.quoteSend({ amount: wanted, mint }, signal);
      requireOwn(deps.money.shares, call, amount);
      const fees = addSat(subtractSat(face, amount), fee);
      return propose(
        deps,
        call,
        lines(
          `A token worth ${formatSat(amount)} from ${mintName(mint)}, where ${formatSat(ready)} are ready.`,
          fees === 0
            ? 'The mint takes no fee.'
            : `The mint’s fees come on top: about ${formatSat(fees)}, so ${formatSat(addSat(amount, fees))} leave the wallet.`,
        ),
        { kind: 'send', amount, mint, key: `send ${call.message.id}` },
      );
    },
  },
  {
    path: 'wallet withdraw',
    parameters: '<invoice|name@host> [sats|all]',
    family: 'Wallet',
    summary: 'pay over Lightning, after a code',
    detail:
      'You are told what it costs, and send a code to do it. A Lightning address needs the amount. A fee of more than 3 % (or 10 sat, if that is more) is not paid.',
    examples: ['!wallet withdraw lnbc…', '!wallet withdraw name@example.com 2000'],
    role: 'admin',
    instead:
      'You can fill the wallet (!wallet topup <sats>) and spend it on tasks; ask an admin to take money out (!owners).',
    kind: 'lasting',
    repeatable: true,
    run: async (call, signal) => {
      const { target, amount } = parseWithdrawal(call.argument);
      const wallet = await wholeWallet(deps, signal);
      const isAddress = isLightningAddress(target) && !/^bitcoin:/i.test(target);
      if (isAddress && amount === undefined) {
        throw new UsageError('A Lightning address needs the amount after it.');
      }
      const quote = await quoteWhereItCanBePaid(wallet, target, amount, signal);
      requireOwn(deps.money.shares, call, quote.amount);
      const payee = isAddress ? target : 'the invoice';
      return propose(
        deps,
        call,
        lines(`Pay ${formatSat(quote.amount)} to ${payee}, from ${mintName(quote.mint)}.`, costText(quote)),
        { kind: 'withdraw', operation: quote.operation, amount: quote.amount },
        quote.expiresAt,
      );
    },
  },
  moveCommand(deps),
];

const moveCommand = (deps: WalletCommandDeps): Command => ({
  path: 'wallet move',
  parameters: '<sats> <mint>',
  family: 'Wallet',
  summary: 'move money to another mint over Lightning, after a code',
  detail:
    'The mint is its address, its host or its number in !wallet mints. You are told the fees first. What is paid arrives, even if I am restarted meanwhile.',
  examples: ['!wallet move 2000 mint.example', '!wallet move 2000 2'],
  role: 'admin',
  instead:
    'You can fill the mint that you want: !wallet topup <sats> <mint>. Ask an admin to move what is there (!owners).',
  kind: 'lasting',
  repeatable: true,
  run: async (call, signal) => {
    const { amount, rest } = splitAmount(call.argument);
    const to = parseMint(deps.money.wallet.wallet(), rest);
    const wallet = await wholeWallet(deps, signal);
    const from = mintWith(wallet, amount, to);
    if (from.ready < amount) {
      throw new InsufficientFundsError({ have: from.ready, need: amount, mint: from.mint });
    }
    const { topUp, withdrawal } = await wallet.quoteMove({ amount, from: from.mint, to }, signal);
    return propose(
      deps,
      call,
      lines(
        `Move ${formatSat(amount)} from ${mintName(from.mint)} to ${mintName(to)}, over Lightning.`,
        costText(withdrawal),
      ),
      { kind: 'move', withdrawal: withdrawal.operation, topUp: topUp.operation, amount, mint: to },
      withdrawal.expiresAt,
      topUp.expiresAt,
    );
  },
});

/** With what was set aside for tasks to come. */
async function wholeWallet({ money }: WalletCommandDeps, signal: AbortSignal): Promise<CashuWallet> {
  const wallet = await money.wallet.settled(signal);
  await money.routstr.freeBudgets(signal);
  return wallet;
}

/** What will be done, and a code that does it; good for five minutes, and no longer than the mints' offers. */
function propose(
  { stores: { confirmations }, clock }: WalletCommandDeps,
  { owner: { publicKey } }: Call,
  question: string,
  action: ProposedAction,
  ...offersEnd: readonly (number | undefined)[]
): FullReply {
  const ends = offersEnd.filter((at) => at !== undefined);
  const expiresAt = Math.min(clock.now() + codeMs, ...ends);
  const code = confirmations.newCode(publicKey);
  const way = `To do it, send ${code} (or !wallet confirm ${code}) within ${formatDuration(expiresAt - clock.now())}.`;
  return {
    reply: lines(question, way),
    commit: () => confirmations.propose(publicKey, code, action, expiresAt),
  };
}

/** @param argument an invoice or a Lightning address, and perhaps an amount @throws UsageError */
function parseWithdrawal(argument: string): {
  readonly target: string;
  readonly amount: Sat | 'all' | undefined;
} {
  const [, first = '', rest = ''] = /^(\S*)\s*(.*)$/s.exec(argument) ?? [];
  if (first === '') throw new UsageError('The invoice or Lightning address is missing.');
  if (/^creq[ab]/i.test(first)) {
    throw new RefusalError(
      'That is a Cashu payment request, which this wallet can’t pay. !wallet send <sats> makes a token that you can hand over instead.',
    );
  }
  if (/^[\d,.]+k?$/i.test(first)) {
    throw new UsageError('First the invoice or the Lightning address, then the amount.');
  }
  return { target: first, amount: rest === '' ? undefined : parseAmountOrAll(rest) };
}

/** The default mint if it has as much; else, and for everything, the one that has the most. */
function mintWith(
  wallet: Overview,
  amount: Sat | 'all',
  except?: MintUrl,
): { readonly mint: MintUrl; readonly ready: Sat } {
  const { defaultMint } = wallet.info();
  const mints = wallet.balance().mints.filter(({ mint }) => mint !== except);
  const main = mints.find(({ mint }) => mint === defaultMint);
  if (main !== undefined && amount !== 'all' && main.ready >= amount) return main;
  const [fullest] = mints.toSorted((a, b) => b.ready - a.ready);
  if (fullest === undefined) throw new RefusalError('There is no other mint with money in it.');
  return fullest;
}

/** At the default mint; at another one when only that one has enough. */
async function quoteWhereItCanBePaid(
  wallet: Overview & Pay,
  to: string,
  amount: Sat | 'all' | undefined,
  signal: AbortSignal,
): Promise<WithdrawalQuote> {
  try {
    return await wallet.quotePayment({ to, amount }, signal);
  } catch (error) {
    if (!(error instanceof InsufficientFundsError) || amount === 'all') throw error;
    const other = wallet
      .balance()
      .mints.find(({ mint, ready }) => mint !== error.mint && ready >= error.need);
    if (other === undefined) throw error;
    return wallet.quotePayment({ to, amount, mint: other.mint }, signal);
  }
}
