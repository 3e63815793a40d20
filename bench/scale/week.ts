import type { EventId } from '@nostr-dm-agent/nostr';
import { generateSecretKey, type PublicKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import { createOutboxStore } from '../../src/store/outbox-table.ts';
import { startBareRelay } from './bare-relay.ts';
import { type Figures, median, seeded, taking } from './figures.ts';
import { createWorld, orderOf, type World } from './world.ts';

const hourMs = 3_600_000;
const weekMs = 7 * 24 * hourMs;
const owners = 1_000;
/** Agents at once, wherever they run: on one host they would be its limit (docs/scale.md). */
const concurrency = 32;
const meanWorkMs = 90_000;
const sessionsEach = 3;

/**
 * A week of so many tasks of a thousand owners, by day more than by night, as fast as the bot's own code goes: the clock is
 * set from one event to the next. Everything that a task costs the bot is done; only who works, pays and relays is not there.
 */
export async function simulateWeek(tasks: number, figures: Figures): Promise<void> {
  const random = seeded(2026);
  const relay = startBareRelay({ keeps: false });
  let now = new Date(2026, 8, 7).getTime();
  const monday = now;
  const world = await createWorld(relay, { clock: { now: () => now }, concurrency, random });
  const people = Array.from({ length: owners }, () => publicKeyOf(generateSecretKey()));
  people.forEach((owner, n) => {
    for (let k = 0; k < sessionsEach; k += 1) addSession(world, owner, `${n}-${k}`, now);
  });
  const before = { balance: world.wallet.balance().ready, bytes: world.bytes() };
  const arrivals = arrivalsOf(tasks, random).map((at) => monday + at);
  const ends: { readonly at: number; readonly run: string }[] = [];
  const planned = new Set<string>();
  const samples: { rss: number; pending: number; waiting: number; asked: number }[] = [];
  const prune = () => createOutboxStore(world.db).prune(now - 3 * 24 * hourMs, now - 14 * 24 * hourMs);
  let pruneAt = monday + 6 * hourMs;
  let ended = 0;

  const plan = () => {
    for (const run of world.working()) {
      if (planned.has(run)) continue;
      planned.add(run);
      const at = now + Math.floor(Math.max(1_000, -Math.log(1 - random()) * meanWorkMs));
      ends.push({ at, run });
      ends.sort((a, b) => b.at - a.at);
    }
  };
  const look = async () => {
    const asked = await taking(() => {
      world.wallet.balance();
      world.wallet.ledger.latest(10, people[1]);
      world.wallet.ledger.spentSince(monday);
      world.wallet.ledger.summary(monday);
      world.queue.counts();
    });
    const { pending } = world.outbox.status();
    const { waiting } = world.queue.counts();
    samples.push({ rss: process.memoryUsage.rss() / 1024 / 1024, pending, waiting, asked });
  };

  world.queue.start();
  const cpu = process.cpuUsage();
  const begun = performance.now();
  for (let arrived = 0; ended < tasks; ) {
    const next = arrivals[arrived] ?? Number.POSITIVE_INFINITY;
    const end = ends.at(-1);
    if (next <= (end?.at ?? Number.POSITIVE_INFINITY) && arrived < tasks) {
      now = Math.max(now, next);
      arrive(world, people, arrived, random, relay.url);
      arrived += 1;
    } else if (end !== undefined) {
      ends.pop();
      planned.delete(end.run);
      now = Math.max(now, end.at);
      world.end(end.run);
      ended += 1;
      if (ended % Math.ceil(tasks / 100) === 0) await look();
    }
    if (now >= pruneAt) {
      prune();
      pruneAt = now + 6 * hourMs;
    }
    await Bun.sleep(0);
    plan();
  }
  while (world.queue.counts().begun + world.queue.counts().waiting > 0) await Bun.sleep(5);
  const flushed = await world.outbox.flush(60_000, AbortSignal.timeout(60_000));
  const took = performance.now() - begun;
  const { user, system } = process.cpuUsage(cpu);
  try {
    await tell(world, figures, {
      tasks,
      took,
      cpuMs: (user + system) / 1000,
      samples,
      flushed,
      before,
      monday,
    });
  } finally {
    await world.close();
    await relay.stop();
  }
}

function addSession(world: World, owner: PublicKey, id: string, now: number): void {
  world.stores.sessions.insert({
    ...{
      id,
      owner,
      workspace: 'app',
      directory: '/app',
      backend: 'opencode',
      mode: 'agent',
      title: 'a task',
    },
    ...{ model: undefined, approvals: undefined, provider: undefined, backendSession: 'ses_1' },
    ...{ createdAt: now, usedAt: now },
  });
}

/** When tasks come, ms from the beginning of the week: at noon four times as often as at night. */
function arrivalsOf(tasks: number, random: () => number): readonly number[] {
  const times: number[] = [];
  while (times.length < tasks) {
    const at = Math.floor(random() * weekMs);
    const ofDay = (at % (24 * hourMs)) / (24 * hourMs);
    if (random() < 0.25 + 0.75 * Math.sin(Math.PI * ofDay) ** 2) times.push(at);
  }
  return times.sort((a, b) => a - b);
}

/** What comes of a message: it is stored, and once, with its run, done. */
function arrive(
  world: World,
  people: readonly PublicKey[],
  number: number,
  random: () => number,
  relay: Parameters<typeof orderOf>[3],
): void {
  // Some ask much, most little.
  const n = Math.floor(random() ** 3 * people.length);
  const owner = people[n];
  if (owner === undefined) return;
  const session = `${n}-${Math.floor(random() * sessionsEach)}`;
  const id = (number + 1).toString(16).padStart(64, '0') as EventId;
  const order = orderOf(owner, session, id, relay);
  const message = {
    ...({ id, sender: owner, protocol: 'nip17', kind: 14, text: order.task, references: [], relay } as const),
    createdAt: 0,
  };
  const stored = world.messages.insert(message, `f${id.slice(1)}` as EventId, 'received');
  if (stored === undefined) throw new Error('a message twice');
  world.stores.atomically(() => {
    world.messages.begin(stored.seq);
    const waits = world.queue.mustWait(session);
    world.queue.enqueue(order);
    const to = { publicKey: owner, protocol: 'nip17', fallbackRelays: [relay], inReplyTo: id } as const;
    if (waits) world.messenger.react(to, { id, author: owner, kind: 14 }, '⏸');
    world.messages.finish(stored.seq);
  });
}

async function tell(
  world: World,
  figures: Figures,
  week: {
    readonly tasks: number;
    readonly took: number;
    readonly cpuMs: number;
    readonly samples: readonly { rss: number; pending: number; waiting: number; asked: number }[];
    readonly flushed: boolean;
    readonly before: { readonly balance: number; readonly bytes: { bot: number; wallet: number } };
    readonly monday: number;
  },
): Promise<void> {
  const { tasks, samples, before } = week;
  const part = (from: number, to: number) =>
    samples.slice(Math.floor(samples.length * from), Math.ceil(samples.length * to)).map(({ rss }) => rss);
  const [early, late] = [median(part(0.2, 0.4)), median(part(0.8, 1))];
  const ofRuns = world.db
    .query<{ n: number }, []>("SELECT count(*) AS n FROM runs WHERE state = 'done' AND outcome = 'answered'")
    .get();
  const spent = world.wallet.ledger.spentSince(week.monday);
  const report = await world.wallet.check(AbortSignal.timeout(600_000));
  const bytes = world.bytes();
  const kibOf = (file: 'bot' | 'wallet') => (bytes[file] - before.bytes[file]) / tasks / 1024;
  figures.add('tasks of a week', tasks, '');
  figures.add('it took', week.took / 1000, 's');
  figures.add('a task, from message to answer', week.took / tasks, 'ms');
  figures.add('processor time of it, relay and mint included', week.cpuMs / tasks, 'ms', 60);
  figures.hold('each was answered', ofRuns?.n === tasks, `${ofRuns?.n}`);
  figures.hold('the ledger has each to the sat', spent === tasks * 138, `${spent} sat`);
  figures.hold(
    'the books add up',
    report.problems.length === 0 && world.wallet.balance().ready === before.balance,
    `${report.problems.length} problems, ${world.wallet.balance().ready} of ${before.balance} sat`,
  );
  figures.hold('every reply was taken', week.flushed, week.flushed ? 'yes' : 'no');
  figures.add('most that waited in the queue', Math.max(...samples.map(({ waiting }) => waiting)), '');
  figures.add('replies under way, at most', Math.max(...samples.map(({ pending }) => pending)), '', 2_000);
  figures.add('memory after a third of the week', early, 'MiB');
  figures.add('at its end', late, 'MiB', early + 100);
  figures.add(
    'balance, history, spend and queue, slowest',
    Math.max(...samples.map(({ asked }) => asked)),
    'ms',
    100,
  );
  figures.add('their median', median(samples.map(({ asked }) => asked)), 'ms', 20);
  figures.add('bot.db grows by', kibOf('bot'), 'KiB a task', 12);
  figures.add('wallet.db grows by', kibOf('wallet'), 'KiB a task', 8);
  figures.print('A week');
}
