import type { AskFacts, NowFacts, RelayFacts, RunFacts, Visitor } from '@nostr-dm-agent/page';
import type { CommandDeps } from '../commands/command-deps.ts';
import { askedText } from '../replies/ask-replies.ts';
import { ownerName } from '../replies/owner-name.ts';
import { doing } from '../replies/progress.ts';
import type { OpenAsk } from '../runs/asks.ts';
import type { Run } from '../runs/run.ts';
import type { RunBoard } from '../runs/run-board.ts';
import type { Stores } from '../store/open-stores.ts';
import { createMoneyFacts, type MoneyFactsDeps } from './money-facts.ts';
import { createOwnerFacts, type OwnerFactsDeps } from './owner-facts.ts';
import { type ProviderFactsDeps, providersFacts } from './provider-facts.ts';
import { createScheduleFacts, type ScheduleFactsDeps } from './schedule-facts.ts';
import { createSessionFacts, type SessionFactsDeps } from './session-facts.ts';

export type PageFactsDeps = MoneyFactsDeps &
  SessionFactsDeps &
  OwnerFactsDeps &
  ProviderFactsDeps &
  ScheduleFactsDeps & {
    readonly queue: Pick<CommandDeps['queue'], 'list' | 'counts'>;
    readonly asks: Pick<CommandDeps['asks'], 'open'>;
    readonly board: Pick<RunBoard, 'of'>;
    readonly bot: Pick<CommandDeps['bot'], 'relays'>;
    readonly sessions: Pick<Stores['sessions'], 'get'>;
  };

/** So many of those that wait are shown. */
const mostWaiting = 50;
/** Whose tasks a visitor sees; undefined: everybody's. */
const whose = ({ role, publicKey }: Visitor) => (role === 'admin' ? undefined : publicKey);

/** What an owner may see: a member what is theirs, an admin everybody's. */
export function createPageFacts(deps: PageFactsDeps) {
  return {
    now: (visitor: Visitor): NowFacts => ({
      runs: deps.queue.list(mostWaiting, whose(visitor)).map((run) => runFacts(deps, run, visitor)),
      waiting: deps.queue.counts(whose(visitor)).waiting,
      asks: deps.asks.open(visitor.publicKey).map(askFacts),
    }),
    money: createMoneyFacts(deps),
    sessions: createSessionFacts(deps),
    schedules: createScheduleFacts(deps),
    providers: (visitor: Visitor, find: string) => providersFacts(deps, visitor, find),
    relays: (): readonly RelayFacts[] =>
      deps.bot.relays().map(({ url, served, reason, withoutLegacy }) => ({
        url,
        served,
        problem: reason ?? (withoutLegacy && `Old messages (NIP-04) do not: ${withoutLegacy}`),
      })),
    ...createOwnerFacts(deps),
  };
}

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
