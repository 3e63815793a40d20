import { statfs } from 'node:fs/promises';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { BackendName } from '../backends/backend.ts';
import type { BotFacts } from '../commands/command-deps.ts';
import type { Money } from '../money/money.ts';
import type { RunQueue } from '../runs/run-queue.ts';
import type { RunStore } from '../store/runs-table.ts';
import { timingMetrics } from './timing-metrics.ts';

export type MetricsDeps = {
  readonly bot: BotFacts;
  readonly money: Pick<Money, 'wallet' | 'routstr' | 'autoTopUp'>;
  readonly runs: Pick<RunStore, 'endedSince'>;
  readonly queue: Pick<RunQueue, 'counts'>;
  /** What a start found of an earlier life and put in order. */
  readonly recovered: {
    readonly interrupted: number;
    readonly processes: number;
    readonly operations: number;
  };
  readonly backends: ReadonlyMap<BackendName, unknown>;
  /** `BOT_HOME`: how much room its disk has. */
  readonly home: string;
  readonly clock: Clock;
  readonly stopping: AbortSignal;
};

/**
 * What a Prometheus reads, as it is when it asks. Names no owner, no task, no key. Amounts in sat, times in seconds;
 * what is counted begins with the process.
 * @param standard the backend that is asked to be there; of others only those are told of that were found once
 */
export function createBotMetrics(
  deps: MetricsDeps,
  standard: BackendName,
): () => Promise<{ contentType: string; text: string }> {
  const registry = new Registry();
  messaging(registry, deps);
  money(registry, deps);
  autoTopUps(registry, deps);
  const noteRuns = work(registry, deps);
  machine(registry, deps, standard);
  timingMetrics(registry, named(''), deps.stopping);
  return async () => {
    noteRuns();
    return { contentType: registry.contentType, text: await registry.metrics() };
  };
}

const named = (name: string) => `nostr_dm_agent_${name}`;

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** Asked at each reading; a label that has no value any more is gone. */
function gauge(
  registry: Registry,
  name: string,
  help: string,
  samples: () => readonly Sample[] | Promise<readonly Sample[]>,
): void {
  const made = new Gauge({ name: named(name), help, labelNames, registers: [registry], collect });
  async function collect() {
    const found = await samples();
    made.reset();
    for (const [labels, value] of found) made.set(labels, value);
  }
}
const labelNames = ['relay', 'kind', 'state', 'mint', 'version', 'backend'];

/** The same of what only grows, and has its count already. */
function counter(registry: Registry, name: string, help: string, samples: () => readonly Sample[]): void {
  const made = new Counter({ name: named(name), help, labelNames, registers: [registry], collect });
  function collect() {
    made.reset();
    for (const [labels, value] of samples()) made.inc(labels, value);
  }
}
const alone = (value: number): readonly Sample[] => [[{}, value]];

function messaging(registry: Registry, { bot, clock }: MetricsDeps): void {
  gauge(registry, 'info', 'The version that runs.', () => [[{ version: bot.version }, 1]]);
  gauge(registry, 'start_time_seconds', 'When the bot was started, Unix time.', () =>
    alone(bot.startedAt / 1000),
  );
  gauge(registry, 'relay_served', '1 where messages come through.', () =>
    bot.relays().map(({ url, served }) => [{ relay: url }, served ? 1 : 0]),
  );
  counter(registry, 'inbox_refused_total', 'Messages that were turned away since the start, by why.', () =>
    Object.entries(bot.inbox().rejected).map(([kind, count = 0]) => [{ kind }, count]),
  );
  gauge(
    registry,
    'replies',
    'Replies that no relay has taken yet, and those that were given up of late.',
    () => {
      const { pending, undeliverable } = bot.outbox();
      return [
        [{ state: 'pending' }, pending],
        [{ state: 'undeliverable' }, undeliverable],
      ];
    },
  );
  gauge(registry, 'last_problem_age_seconds', 'How long ago the log had its last warning or error.', () => {
    const problem = bot.lastProblem();
    return problem === undefined ? [] : alone((clock.now() - problem.at) / 1000);
  });
  gauge(registry, 'clock_ahead_seconds', 'How far this machine’s clock is ahead of others’.', () => {
    const found = bot.clock();
    return found === undefined ? [] : alone(found.aheadMs / 1000);
  });
}

/** Gives what counts the runs that have ended since the last time. */
function work(registry: Registry, { queue, runs }: MetricsDeps): () => void {
  gauge(registry, 'queue', 'Tasks that wait or are worked on.', () => {
    const { begun, waiting } = queue.counts();
    return [
      [{ state: 'waiting' }, waiting],
      [{ state: 'running' }, begun],
    ];
  });
  const ended = new Counter({
    name: named('runs_total'),
    help: 'Runs that ended since the start, by how and by who paid.',
    labelNames: ['outcome', 'provider'],
    registers: [registry],
  });
  const seconds = (name: string, help: string) =>
    new Histogram({
      name: named(name),
      help,
      buckets: [0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600],
      registers: [registry],
    });
  const waits = seconds('run_wait_seconds', 'From a task’s coming to the beginning of its run.');
  const durations = seconds('run_seconds', 'From the beginning of a run to its end.');
  let { cursor } = runs.endedSince();
  return () => {
    const since = runs.endedSince(cursor);
    for (const run of since.ended) {
      ended.inc({ outcome: run.outcome ?? 'unknown', provider: run.provider ?? 'none' });
      if (run.startedAt === undefined) continue;
      waits.observe((run.startedAt - run.queuedAt) / 1000);
      durations.observe((run.endedAt - run.startedAt) / 1000);
    }
    ({ cursor } = since);
  };
}

function money(registry: Registry, { money: { wallet, routstr }, clock }: MetricsDeps): void {
  gauge(registry, 'wallet_sat', 'What is in the wallet, by mint and by what it can do now.', () =>
    (wallet.opened()?.balance().mints ?? []).flatMap(({ mint, ready, reserved, sent, incoming }) =>
      Object.entries({ ready, reserved, sent, incoming }).map(
        ([state, amount]): Sample => [{ mint, state }, amount],
      ),
    ),
  );
  gauge(
    registry,
    'wallet_unfinished',
    'Operations of the wallet that are under way or wait for a mint.',
    () => {
      const open = wallet.opened()?.operations({ limit: 10_000, unfinished: true });
      return open === undefined ? [] : alone(open.length);
    },
  );
  gauge(
    registry,
    'nodes_sat',
    'What nodes hold: of runs under way, owed after runs, kept across runs.',
    () => {
      if (wallet.opened() === undefined) return [];
      const { running, due, kept } = routstr.provider().owed();
      return Object.entries({ running, due, kept }).map(([state, amount]) => [{ state }, amount]);
    },
  );
  gauge(registry, 'owed_sat', 'What nodes owe after runs, by the mint at which the budget was made.', () => {
    if (wallet.opened() === undefined) return [];
    const { dueAt } = routstr.provider().owed();
    return dueAt.map(({ mint, due }): Sample => [{ mint }, due]);
  });
  gauge(
    registry,
    'doubtful',
    'Paid runs, and operations of the wallet, that a person has to look at.',
    () => {
      const opened = wallet.opened();
      if (opened === undefined) return [];
      const operations = opened.operations({ limit: 10_000, unfinished: true });
      return [
        [{ kind: 'runs' }, routstr.provider().owed().doubtful],
        [{ kind: 'operations' }, operations.filter(({ trouble }) => trouble !== undefined).length],
      ];
    },
  );
  gauge(registry, 'wallet_cap_sat', 'The most that the wallet takes in.', () => {
    const opened = wallet.opened();
    return opened === undefined ? [] : alone(opened.info().maxBalance);
  });
  gauge(registry, 'spent_today_sat', 'What paid runs cost since midnight, fees included.', () => {
    const midnight = new Date(clock.now()).setHours(0, 0, 0, 0);
    const opened = wallet.opened();
    return opened === undefined ? [] : alone(opened.ledger.spentSince(midnight));
  });
}

/** From an owner's own wallet. */
function autoTopUps(registry: Registry, { money: { autoTopUp } }: MetricsDeps): void {
  counter(registry, 'auto_top_ups_total', 'Automatic top-ups since the start, by what came of them.', () =>
    [...autoTopUp.counts()].map(([kind, count]) => [{ kind }, count]),
  );
  gauge(registry, 'auto_top_up_today_sat', 'What of the day’s cap is, or may be, spent.', () => {
    const state = autoTopUp.state();
    return state === undefined ? [] : alone(state.used);
  });
  gauge(registry, 'auto_top_up_failing', '1 while automatic top-ups are on and the last one failed.', () => {
    const state = autoTopUp.state();
    return state === undefined ? [] : alone(state.told === undefined ? 0 : 1);
  });
}

function machine(
  registry: Registry,
  { bot, backends, home, recovered }: MetricsDeps,
  standard: BackendName,
): void {
  const expected = new Set([standard]);
  gauge(registry, 'recovered', 'What the start found of an earlier life and put in order.', () => [
    [{ kind: 'runs' }, recovered.interrupted],
    [{ kind: 'processes' }, recovered.processes],
    [{ kind: 'operations' }, recovered.operations],
  ]);
  gauge(registry, 'backend_up', '1 where the agent’s program was found to run.', () =>
    [...backends.keys()].flatMap((backend): readonly Sample[] => {
      const health = bot.health(backend);
      if (health === undefined) return [];
      const up = health.state !== 'missing';
      if (up) expected.add(backend);
      return expected.has(backend) ? [[{ backend }, up ? 1 : 0]] : [];
    }),
  );
  gauge(registry, 'agent_servers', 'Agent servers that are kept ready.', () => {
    const kept = [...backends.keys()].map((backend) => bot.kept(backend));
    return alone(kept.reduce((sum, each) => sum + (each?.state === 'kept' ? each.servers : 0), 0));
  });
  gauge(registry, 'isolated', '1 where agents run behind a wall.', () => {
    const kind = bot.wall()?.kind;
    return kind === undefined ? [] : [[{ kind }, kind === 'bwrap' || kind === 'landlock' ? 1 : 0]];
  });
  gauge(registry, 'home_free_bytes', 'Room on the disk of BOT_HOME.', async () => {
    const { bavail, bsize } = await statfs(home);
    return alone(bavail * bsize);
  });
  gauge(registry, 'memory_bytes', 'Memory of the bot itself, without its agents.', () =>
    alone(process.memoryUsage.rss()),
  );
}
