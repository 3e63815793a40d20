import type { Books, OperationSummary, Overview } from '@nostr-dm-agent/cashu-wallet';
import { formatSat, zeroSat } from '@nostr-dm-agent/kit/sat';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { Owner } from '../../config/config.ts';
import { lines } from '../../replies/format.ts';
import { ownerName } from '../../replies/owner-name.ts';
import { openRunLine, owedLines, showsTask, worthText } from '../../replies/provider-replies.ts';
import { openRequestLine } from '../../replies/request-replies.ts';
import { describeTrouble } from '../../replies/wallet-error-replies.ts';
import { balanceText, ledgerLine, operationLine, shareText } from '../../replies/wallet-replies.ts';
import { parseCount } from '../arguments.ts';
import { afterBooks, type Command, RefusalError } from '../command.ts';
import type { WalletCommandDeps } from './wallet-command-deps.ts';

/** `!wallet`, `!wallet balance`, `!wallet history`, `!wallet pending`. */
export const overviewCommands = (
  deps: WalletCommandDeps,
  { settled } = deps.money.routstr,
): readonly Command[] => [
  {
    path: 'wallet',
    family: 'Wallet',
    summary: 'what is in the wallet, and the ways in and out',
    role: 'member',
    ...afterBooks(settled, ({ owner }) => {
      const out = owner.role === 'admin' ? ' Out: !wallet send, !wallet withdraw.' : '';
      return `${lines(holdings(deps, owner), worth(deps, owner))}\nIn: paste a token, or !wallet topup <sats>.${out} More: !help wallet`;
    }),
  },
  {
    path: 'wallet balance',
    family: 'Wallet',
    summary: 'ready, reserved, on its way, owed by nodes; per mint if several',
    role: 'member',
    ...afterBooks(settled, ({ owner }) => holdings(deps, owner)),
  },
  {
    path: 'wallet history',
    parameters: '[all] [n]',
    family: 'Wallet',
    summary: 'your last paid runs, and what you brought in (default 10); all: everybody’s',
    detail:
      'Of each run: when, task, model, and its budget, which is what it spent, what came back and the mint’s fees. Below, what the wallet did beside the runs. all is for admins.',
    examples: ['!wallet history', '!wallet history 30', '!wallet history all'],
    role: 'member',
    ...afterBooks(settled, ({ owner, argument }) => {
      const [, all, count = ''] = /^(all\b)?\s*(.*)$/i.exec(argument) ?? [];
      const limit = parseCount(count, 'number of entries', 50, 10);
      if (all !== undefined && owner.role !== 'admin') {
        throw new RefusalError(
          '!wallet history all is for admins. !wallet history shows what is yours, !spend sums it up.',
        );
      }
      const whose = all === undefined ? 'own' : 'all';
      return historyText(deps.money.wallet.wallet(), owner, whose, limit, deps.clock.now());
    }),
  },
  {
    path: 'wallet pending',
    family: 'Wallet',
    summary:
      'what is open: unclaimed tokens, unpaid invoices and payment requests, payments and paid runs under way',
    role: 'member',
    kind: 'immediate',
    run: ({ owner }) => pendingText(deps, owner),
  },
];

/** Where shares are kept apart, a member is shown their own alone. */
function holdings({ money }: WalletCommandDeps, owner: Owner): string {
  const balance = money.wallet.wallet().balance();
  const share = money.shares.of(owner.publicKey);
  if (share?.role === 'member') return shareText(share);
  const owed = money.routstr.provider().owed();
  return lines(balanceText(balance, owed.dueAt), owedLines(owed), share !== undefined && shareText(share));
}

/** What an owner has, in money; nothing where no currency is set, or no rate is known. */
function worth({ money }: WalletCommandDeps, owner: Owner): string | undefined {
  const share = money.shares.of(owner.publicKey);
  const amount = share?.role === 'member' ? share.available : money.wallet.wallet().balance().ready;
  return worthText(amount, money.exchange());
}

function pendingText({ money, clock }: WalletCommandDeps, owner: Owner): string {
  const now = clock.now();
  const all = money.routstr
    .provider()
    .paidRuns.open()
    .filter(({ body }) => body.state !== 'kept');
  const ofRuns = new Set(all.map(({ id }) => id));
  const runs = all.filter(({ ticket }) => showsTask(owner, ticket.owner));
  const open = money.wallet
    .wallet()
    .operations({ limit: 50, unfinished: true, ...ownedBy(owner) })
    .filter((operation) => !ofRuns.has(runOf(operation) ?? ''));
  const only = owner.role === 'member' ? owner.publicKey : undefined;
  const requests = money.wallet.wallet().requests.open(only);
  const reply = lines(
    requests.map((request) => openRequestLine(request, now)),
    open.flatMap((operation) => [
      operationLine(operation, now),
      operation.trouble !== undefined && `  ${describeTrouble(operation.trouble)}.`,
    ]),
    open.some(({ kind, open: unknown }) => kind === 'send' && !unknown) &&
      '!wallet reclaim <id> takes a token back.',
    runs.length > 0 && 'Paid runs:',
    runs.map((run) => openRunLine(run, now, owner)),
  );
  return reply === '' ? 'Nothing is open.' : reply;
}

/** A member is shown what they bring in. */
const ownedBy = ({ publicKey, role }: Owner): { readonly owner?: string } =>
  role === 'member' ? { owner: publicKey } : {};

/** Paid runs, and below them what the wallet did beside them. `own` of an admin includes what is nobody's. */
function historyText(
  wallet: Overview & Books,
  reader: Owner,
  whose: 'own' | 'all',
  limit: number,
  now: number,
): string {
  const { ledger, shares } = wallet;
  const only = whose === 'own' ? reader.publicKey : undefined;
  const isShown = (owner: string | undefined) => only === undefined || owner === undefined || owner === only;
  const nameOf = (owner: string | undefined): string | undefined => {
    if (whose === 'own' || owner === undefined) return undefined;
    return owner === reader.publicKey ? 'you' : ownerName(owner as PublicKey);
  };
  const runs = ledger.latest(limit, only).map((entry) => ledgerLine(entry, now, nameOf(entry.owner)));
  const today = ledger.spentSince(new Date(now).setHours(0, 0, 0, 0), only);
  const ever = runs.length === 0 ? zeroSat : ledger.spentSince(0, only);
  // Budgets and change stand in the runs' own lines.
  const operations = wallet
    .operations({ limit: looked, ...ownedBy(reader) })
    .map((operation) => ({ operation, owner: shares.ownerOf(operation.operation) }))
    .filter(({ operation, owner }) => runOf(operation) === undefined && isShown(owner))
    .slice(0, limit)
    .map(({ operation, owner }) => operationLine(operation, now, nameOf(owner)));
  return lines(
    runs,
    runs.length === 0
      ? whose === 'own'
        ? 'You had no paid runs yet.'
        : 'There were no paid runs yet.'
      : `Spent ${whose === 'own' ? '' : 'by all '}today ${formatSat(today)}, in all ${formatSat(ever)}, fees included.`,
    operations.length > 0 && ['', 'The wallet itself:', ...operations],
    operations.length + runs.length === 0 && [
      '',
      'Nothing was brought in yet. !wallet topup <sats> fills the wallet.',
    ],
  );
}

/** So many operations are looked through to find those that belong to no run. */
const looked = 500;

/** The paid run that an operation belongs to, as its note says. */
const runOf = ({ note }: OperationSummary): string | undefined =>
  /^(?:change of )?run (\S+)$/.exec(note ?? '')?.[1];
