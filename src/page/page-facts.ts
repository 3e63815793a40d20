import type { LedgerEntry } from '@nostr-dm-agent/cashu-wallet';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type {
  AskFacts,
  LedgerFacts,
  MoneyFacts,
  NowFacts,
  OwnerFacts,
  RelayFacts,
  RunFacts,
  SaidFacts,
  SessionFacts,
  Visitor,
} from '@nostr-dm-agent/page';
import { npubEncode } from 'nostr-tools/nip19';
import type { CommandDeps } from '../commands/command-deps.ts';
import { askedText } from '../replies/ask-replies.ts';
import { ownerName } from '../replies/owner-name.ts';
import { doing } from '../replies/progress.ts';
import { openRunLine } from '../replies/provider-replies.ts';
import { operationLine } from '../replies/wallet-replies.ts';
import type { OpenAsk } from '../runs/asks.ts';
import type { Run, Session } from '../runs/run.ts';
import type { RunBoard } from '../runs/run-board.ts';
import type { Stores } from '../store/open-stores.ts';
import { type ProviderFactsDeps, providersFacts } from './provider-facts.ts';

export type PageFactsDeps = ProviderFactsDeps & {
  readonly queue: Pick<CommandDeps['queue'], 'list'>;
  readonly asks: Pick<CommandDeps['asks'], 'open'>;
  readonly board: Pick<RunBoard, 'of'>;
  readonly currentSessions: Pick<CommandDeps['currentSessions'], 'current' | 'list' | 'find'>;
  readonly worktrees: Pick<CommandDeps['worktrees'], 'at'>;
  readonly runs: Pick<Stores['runs'], 'ofSession' | 'lastUses'>;
  readonly owners: Pick<Stores['owners'], 'list'>;
  readonly bot: Pick<CommandDeps['bot'], 'relays'>;
  readonly sessions: Pick<Stores['sessions'], 'get'>;
  readonly money: CommandDeps['money'];
  readonly clock: Clock;
};

/** What an owner may see: a member what is theirs, an admin everybody's. */
export function createPageFacts(deps: PageFactsDeps) {
  return {
    now: (visitor: Visitor): NowFacts => ({
      runs: deps.queue
        .list()
        .filter(({ owner }) => visitor.role === 'admin' || owner === visitor.publicKey)
        .map((run) => runFacts(deps, run, visitor)),
      asks: deps.asks.open(visitor.publicKey).map(askFacts),
    }),
    money: (visitor: Visitor, rows: number) => moneyFacts(deps, visitor, rows),
    sessions: ({ publicKey }: Visitor): readonly SessionFacts[] => {
      const current = deps.currentSessions.current(publicKey)?.id;
      return deps.currentSessions
        .list(publicKey, listed)
        .map((session) => sessionFacts(deps, session, current));
    },
    session: ({ publicKey }: Visitor, id: string) => {
      const session = deps.currentSessions.find(publicKey, id);
      if (session === undefined || session.id !== id) return undefined;
      const current = deps.currentSessions.current(publicKey)?.id;
      const said = deps.runs.ofSession(id, listed).toReversed().map(saidFacts);
      return { session: sessionFacts(deps, session, current), said };
    },
    providers: (visitor: Visitor, find: string) => providersFacts(deps, visitor, find),
    relays: (): readonly RelayFacts[] =>
      deps.bot.relays().map(({ url, served, reason, withoutLegacy }) => ({
        url,
        served,
        problem: reason ?? (withoutLegacy && `Old messages (NIP-04) do not: ${withoutLegacy}`),
      })),
    owners: (visitor: Visitor): readonly OwnerFacts[] =>
      deps.owners.list().map(({ publicKey, role, source }) => ({
        npub: npubEncode(publicKey),
        role,
        configured: source === 'environment',
        you: publicKey === visitor.publicKey,
      })),
  };
}

/** So many of them are shown. */
const listed = 100;

const sessionFacts = (
  { worktrees }: PageFactsDeps,
  { id, title, workspace, mode, directory, usedAt }: Session,
  current: string | undefined,
): SessionFacts => ({
  ...{ id, title, workspace, mode, usedAt },
  branch: worktrees.at(directory)?.branch,
  current: id === current,
});

const saidFacts = ({ seq, queuedAt, task, answer, outcome }: Run): SaidFacts => ({
  ...{ number: seq, at: queuedAt, task, answer, outcome },
});

function runFacts({ board, sessions, clock }: PageFactsDeps, run: Run, visitor: Visitor): RunFacts {
  const view = board.of(run.id);
  const session = sessions.get(run.session);
  return {
    number: run.seq,
    task: run.task,
    state: run.state === 'queued' ? 'waiting' : run.state === 'settling' ? 'settling' : 'running',
    session: run.session,
    workspace: session?.workspace ?? '',
    mode: run.mode,
    model: run.model,
    provider: run.provider,
    forMs: clock.now() - (run.startedAt ?? run.queuedAt),
    steps: view?.steps ?? 0,
    doing: view?.held === true ? 'waits for money: !more <sats>' : view && doing(view.last),
    spent: view?.cost,
    owner: run.owner === visitor.publicKey ? undefined : ownerName(run.owner),
  };
}

/** An answer is about this ask and no other: it is known by the first message that asks it. */
const askFacts = (ask: OpenAsk): AskFacts => {
  const id = ask.messages[0] ?? '';
  const text = askedText(ask.about);
  return ask.about.kind === 'approval'
    ? { id, kind: 'approval', text }
    : { id, kind: 'question', text, options: ask.about.question.options.map(({ label }) => label) };
};

function moneyFacts({ money, clock }: PageFactsDeps, visitor: Visitor, rows: number): MoneyFacts | undefined {
  const wallet = money.wallet.opened();
  if (wallet === undefined) return undefined;
  const isAdmin = visitor.role === 'admin';
  const only = isAdmin ? undefined : visitor.publicKey;
  const share = money.shares.of(visitor.publicKey);
  const provider = money.routstr.provider();
  const now = clock.now();
  const runs = provider.paidRuns
    .open()
    .filter(({ ticket, body }) => body.state !== 'kept' && (isAdmin || ticket.owner === visitor.publicKey));
  const { running, due, kept } = provider.owed();
  return {
    wallet:
      isAdmin || share === undefined
        ? { mints: wallet.balance().mints, nodes: { running, due, kept } }
        : undefined,
    share: share?.available,
    ledger: wallet.ledger.latest(rows, only).map(ledgerFacts),
    open: [
      ...wallet
        .operations({ limit: 50, unfinished: true, ...(only === undefined ? {} : { owner: only }) })
        .map((operation) => operationLine(operation, now)),
      ...runs.map((run) => openRunLine(run, now, visitor)),
    ],
  };
}

const ledgerFacts = ({ id, ts, promptPrefix, ...entry }: LedgerEntry): LedgerFacts => ({
  ...{ id, at: ts, task: promptPrefix },
  model: entry.model,
  provider: entry.provider,
  state: entry.state,
  budget: entry.budget,
  spent: entry.spent,
  refund: entry.refund,
  fee: entry.fee,
});
