import type { CashuWallet, DaySpend, LedgerEntry, OperationSummary } from '@nostr-dm-agent/cashu-wallet';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { zeroSat } from '@nostr-dm-agent/kit/sat';
import { type PublicKey, parsePublicKey } from '@nostr-dm-agent/nostr';
import type {
  LedgerFacts,
  LedgerQuery,
  MoneyFacts,
  MoneySource,
  StuckFacts,
  Visitor,
} from '@nostr-dm-agent/page';
import { isIn } from '@nostr-dm-agent/routstr';
import { npubEncode } from 'nostr-tools/nip19';
import type { CommandDeps } from '../commands/command-deps.ts';
import { autoTopUpStateText } from '../replies/auto-top-up-replies.ts';
import { ownerName } from '../replies/owner-name.ts';
import { openRunLine, showsTask } from '../replies/provider-replies.ts';
import { dayName } from '../replies/spend-replies.ts';
import { stuckRun } from '../replies/stuck-replies.ts';
import { describeTrouble } from '../replies/wallet-error-replies.ts';
import { operationLine, operationText, withOwed } from '../replies/wallet-replies.ts';
import type { Stores } from '../store/open-stores.ts';

export type MoneyFactsDeps = {
  readonly money: CommandDeps['money'];
  readonly settings: Pick<Stores['settings'], 'get'>;
  readonly owners: Pick<Stores['owners'], 'list'>;
  readonly clock: Clock;
};

/** How long an invoice that was paid, or has expired, is shown. */
const newsMs = 10 * 60_000;
const nothing = { ready: zeroSat, reserved: zeroSat, sent: zeroSat, incoming: zeroSat };
const openShown = 50;
const stuckShown = 20;
const evidenceShown = 20;

/** The wallet, the ledger and what was spent: a member's own, all of it for an admin. */
export const createMoneyFacts = (deps: MoneyFactsDeps): MoneySource => ({
  hasWallet: () => deps.money.wallet.opened() !== undefined,
  spenders: () => deps.owners.list().map(({ publicKey }) => npubEncode(publicKey)),
  view: (visitor) => view(deps, visitor),
  ledger: (visitor, query, range, signal) => ledger(deps, visitor, query, range, signal),
  spend: (visitor, question) => spend(deps, visitor, question),
});

/** Whose rows a visitor sees; undefined: everybody's. */
const ownOnly = ({ role, publicKey }: Visitor): PublicKey | undefined =>
  role === 'admin' ? undefined : publicKey;

function view({ money, settings, clock }: MoneyFactsDeps, visitor: Visitor): MoneyFacts | undefined {
  const wallet = money.wallet.opened();
  if (wallet === undefined) return undefined;
  const { publicKey, role } = visitor;
  const only = ownOnly(visitor);
  const share = money.shares.of(publicKey);
  const now = clock.now();
  const { paidRuns, owed } = money.routstr.provider();
  const runs = paidRuns.open().filter(({ body }) => body.state !== 'kept');
  const shown = runs.filter(({ ticket }) => role === 'admin' || ticket.owner === publicKey);
  const operations = wallet.operations({
    ...{ limit: openShown, unfinished: true },
    ...(only === undefined ? {} : { owner: only }),
  });
  // What an owner's wallet is asked to pay by itself is not for them to pay.
  const topUps = wallet
    .askedTopUps(publicKey, now - newsMs)
    .filter(({ operation }) => !money.autoTopUp.isOne(operation));
  const waiting = new Set(topUps.map(({ operation }) => operation));
  const { running, due, kept, dueAt } = owed();
  const { mints, ready, reserved, sent, incoming } = wallet.balance();
  return {
    wallet:
      role === 'admin' || share === undefined
        ? {
            all: { ready, reserved, sent, incoming },
            mints: withOwed(mints, dueAt, nothing),
            nodes: { running, due, kept },
          }
        : undefined,
    share: share?.available,
    today: { used: money.routstr.usedToday(publicKey), limit: settings.get(publicKey, 'dayLimit') },
    autoTopUp: role === 'admin' ? autoTopUpFacts(money, publicKey, now) : undefined,
    topUps: topUps.map(({ operation, request, ...topUp }) => ({
      ...{ id: operation, amount: topUp.amount, mint: topUp.mint, invoice: topUp.invoice },
      ...{ request: request?.text, expiresAt: topUp.expiresAt, state: topUp.state },
    })),
    open: [
      ...operations
        .filter(({ trouble, operation }) => trouble === undefined && !waiting.has(operation))
        .map((operation) => operationLine(operation, now)),
      ...shown
        .filter((run) => !isIn(run, 'needs_operator'))
        .slice(0, openShown)
        .map((run) => openRunLine(run, now, visitor)),
    ],
    stuck: [
      ...operations.flatMap((operation) => stuckOperation(operation) ?? []),
      ...shown
        .filter((run) => isIn(run, 'needs_operator'))
        .slice(0, stuckShown)
        .map((run) => ({
          ...stuckRun(run, money.nodes.operatorOf(run.node), showsTask(visitor, run.ticket.owner)),
          evidence: paidRuns
            .evidence(run.id)
            .slice(-evidenceShown)
            .map(({ message, code, ...entry }) => ({
              ...{ at: entry.at, step: entry.step, outcome: entry.outcome, status: entry.status },
              ...{ said: [code, message].filter(Boolean).join(': '), requestId: entry.requestId },
            })),
        })),
    ],
  };
}

function autoTopUpFacts(
  { autoTopUp, wallet }: MoneyFactsDeps['money'],
  reader: PublicKey,
  now: number,
): NonNullable<MoneyFacts['autoTopUp']> {
  const state = autoTopUp.state();
  const text = autoTopUpStateText(state, reader, wallet.threshold(), now);
  return { isOn: state !== undefined, lines: text.split('\n') };
}

/** One of the wallet's that a mint contradicts. */
function stuckOperation(operation: OperationSummary): StuckFacts | undefined {
  const { trouble, amount, mint, createdAt } = operation;
  if (trouble === undefined) return undefined;
  return {
    ...{ id: operation.operation, problem: `${describeTrouble(trouble)}.`, inDoubt: amount },
    ...{ task: undefined, where: mint, operator: undefined, since: createdAt },
    todo: [
      'Write to whoever runs the mint, with the id below and when it was.',
      'Nothing of it is thrown away. !wallet check asks the mint again.',
    ],
    amounts: [{ name: 'What it was', amount: operationText(operation) }],
    evidence: [],
  };
}

const npubOf = (owner: string | undefined): string | undefined =>
  owner === undefined ? undefined : npubEncode(owner);

async function* ledger(
  { money }: MoneyFactsDeps,
  visitor: Visitor,
  { text, owner, state, from, to }: LedgerQuery,
  range: Parameters<CashuWallet['ledger']['search']>[1],
  signal: AbortSignal,
): AsyncGenerator<readonly LedgerFacts[]> {
  const wallet = money.wallet.opened();
  if (wallet === undefined) return;
  const asked = owner === undefined ? undefined : keyOf(owner);
  const filter = {
    ...{ text, state, owner: ownOnly(visitor) ?? asked },
    from: from === undefined ? undefined : midnight(from, 0),
    until: to === undefined ? undefined : midnight(to, 1),
  };
  for await (const rows of wallet.ledger.search(filter, range, signal)) yield rows.map(ledgerFacts);
}

/** Nobody's, where it is no key: an owner who is not there has no rows. */
function keyOf(npub: string): string {
  try {
    return parsePublicKey(npub);
  } catch {
    return '';
  }
}

/** Where a day begins, or the one that comes so many after it; where the bot is. */
function midnight(day: string, after: number): number {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
  return new Date(year, month - 1, date + after).getTime();
}

const ledgerFacts = ({ id, ts, promptPrefix, nodeUrl, ...entry }: LedgerEntry): LedgerFacts => ({
  ...{ id, at: ts, task: promptPrefix, node: nodeUrl, owner: npubOf(entry.owner) },
  ...{ model: entry.model, provider: entry.provider, state: entry.state },
  ...{ budget: entry.budget, spent: entry.spent, refund: entry.refund, fee: entry.fee },
});

function spend(
  { money, clock }: MoneyFactsDeps,
  visitor: Visitor,
  { days: count, by, most }: Parameters<MoneySource['spend']>[1],
): ReturnType<MoneySource['spend']> {
  const wallet = money.wallet.opened();
  if (wallet === undefined) return { days: [], spent: [] };
  const today = new Date(clock.now());
  const days = Array.from({ length: count }, (_, index) =>
    new Date(today.getFullYear(), today.getMonth(), today.getDate() - count + 1 + index).getTime(),
  );
  const rows = wallet.ledger.spendOfDays({ days, by, most, owner: ownOnly(visitor) });
  const nameOf = ({ name, runs, isOthers }: DaySpend): string | undefined => {
    if (isOthers) return undefined;
    if (by === 'model') return name ?? (runs === 0 ? 'money kept at nodes' : 'default model');
    if (name === undefined) return 'the bot';
    return name === visitor.publicKey ? 'you' : ownerName(name as PublicKey);
  };
  return {
    days: days.map((key) => ({ key, name: dayName(new Date(key)) })),
    spent: rows
      .filter(({ runs, spent, open }) => runs + spent + open > zeroSat)
      .map((row) => ({ day: row.day, name: nameOf(row), runs: row.runs, spent: row.spent, open: row.open })),
  };
}
