import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { watchFamily } from './family.ts';
import { kill, type PaidBooks, type PaidBot, settled } from './paid-bot.ts';
import type { PaidHouse } from './paid-house.ts';

export type SoakOptions = {
  /** It is over after so many SIGKILLs of any kind. */
  readonly kills: number;
  /** The same seed makes the same choices; what they meet is a matter of the machine's speed. */
  readonly seed: number;
  /** To choose from: tasks, and commands that move money at the node (`!provider deposit 3000`). */
  readonly messages: readonly string[];
  /** `at rest`: not while it takes or gives back money, where a real one loses some by itself. */
  readonly nodeDies: 'at rest' | 'any time' | 'never';
  /** No more kills after this long. */
  readonly longestMs: number;
  readonly say: (line: string) => void;
};

/** `agent`: the process of a run, or the server that is kept ready for many. */
export type Victim = 'bot' | 'bot at start' | 'agent' | 'node' | 'mint';
export type SoakFigures = {
  readonly kills: Readonly<Record<Victim, number>>;
  readonly messages: number;
  /** Tasks that were done. The others were interrupted, and their owner was told so. */
  readonly succeeded: number;
  /** By the state of the newest open paid run when the bot died; `none`: none was open. */
  readonly diedIn: Readonly<Record<string, number>>;
  /** Sat that the wallet had not in its hands, at worst, and of how many runs. */
  readonly mostAtStake: number;
  readonly mostOpen: number;
};

/** Of a machine that does other things as well. */
const patienceMs = 300_000;
/** A node and a mint stay away for up to this long. */
const awayMs = 1500;

/**
 * Sends tasks one after another while the bot, its agents, the node and the mint are killed at random moments; then
 * lets the bot answer them all.
 *
 * @throws Error as soon as more than one budget a run is at stake, or a task is not answered
 */
export async function soak(house: PaidHouse, world: PaidBot, options: SoakOptions): Promise<SoakFigures> {
  const { bot, owner } = world;
  const random = seededRandom(options.seed);
  const chance = (share: number): boolean => random() < share;
  const sent: string[] = [];
  const commands = new Set<string>();
  const send = async (): Promise<void> => {
    const { messages } = options;
    const text = messages[Math.floor(random() * messages.length)] ?? 'say hello';
    const id = await owner.send(text);
    sent.push(id);
    if (text.startsWith('!')) commands.add(id);
  };
  const reactions = (id: string): readonly string[] =>
    owner.said.filter(({ kind, about }) => kind === 7 && about === id).map(({ text }) => text);
  const isAnswered = (id: string): boolean =>
    commands.has(id)
      ? owner.said.some(({ kind, about }) => kind !== 7 && about === id)
      : reactions(id).some((text) => text === '✅' || text === '❌');

  const begun = performance.now();
  sent.push(await owner.send(options.messages[0] ?? 'say hello'));
  await until(() => sent.every(isAnswered), 'the first task is answered', patienceMs);
  const runMs = performance.now() - begun;
  if (!sent.every((id) => reactions(id).includes('✅'))) throw new Error(owner.texts().at(-1));
  await bot.end('SIGTERM');
  const down = performance.now();
  await bot.start();
  const startMs = performance.now() - down;
  options.say(`undisturbed, a run takes ${runMs.toFixed(0)} ms and a start ${startMs.toFixed(0)} ms`);

  const kills: Record<Victim, number> = { bot: 0, 'bot at start': 0, agent: 0, node: 0, mint: 0 };
  const total = (): number => Object.values(kills).reduce((sum, count) => sum + count, 0);
  const diedIn: Record<string, number> = {};
  let mostAtStake = 0;
  let mostOpen = 0;
  const family = () => watchFamily(bot.pid());
  const killBot = async (victim: 'bot' | 'bot at start'): Promise<void> => {
    const [walled, left] = [bot.env.BOT_ISOLATION === 'bwrap', family()];
    left.look();
    await bot.end('SIGKILL');
    kills[victim] += 1;
    // Without a wall agents outlive a bot that is killed: the next one ends them.
    if (walled) await until(() => left.alive().length === 0, 'nothing of a dead bot is left');
    const books = world.books();
    const state = books.open.at(-1)?.body.state ?? 'none';
    diedIn[state] = (diedIn[state] ?? 0) + 1;
    mostOpen = Math.max(mostOpen, books.open.length);
    mostAtStake = Math.max(mostAtStake, oneBudgetEach(world.funds, books));
  };
  const restart = async (): Promise<void> => {
    while (chance(0.2)) {
      const starting = bot.start().catch(() => undefined);
      await Bun.sleep(random() * startMs * 1.2);
      await killBot('bot at start');
      await starting;
    }
    await bot.start();
  };
  const goAway = async (goDown: () => Promise<void>, comeUp: () => Promise<void>): Promise<void> => {
    await goDown();
    await Bun.sleep(random() * awayMs);
    if (chance(0.3)) {
      await killBot('bot');
      await restart();
    }
    await comeUp();
  };

  /** Some time into a run; or as soon as it has come to a certain point, and a little later. */
  const someMoment = async (): Promise<void> => {
    if (chance(0.4)) return Bun.sleep(random() * runMs * 0.95);
    const calls = house.modelCalls();
    const point = points[Math.floor(random() * points.length)] ?? 'running';
    const later = random() * (typeof point === 'number' ? runMs / 4 : 60);
    const give = performance.now() + 4 * runMs;
    const isThere = (): boolean =>
      typeof point === 'number' ? house.modelCalls() >= calls + point : world.paidRunsIn(point) > 0;
    while (!isThere() && !sent.every(isAnswered) && performance.now() < give) await Bun.sleep(2);
    await Bun.sleep(later);
  };

  const deadline = performance.now() + options.longestMs;
  for (let told = 0; total() < options.kills && performance.now() < deadline; ) {
    if (sent.every(isAnswered)) await send();
    await someMoment();
    // A bot that has nothing to do is killed now and then as well.
    if (sent.every(isAnswered) && chance(0.9)) continue;
    const which = random();
    if (which < 0.68) {
      await killBot('bot');
      await restart();
    } else if (which < 0.85) {
      const agents = new Set([...world.agents(), ...family().servers()]);
      if ([...agents].filter(kill).length > 0) kills.agent += 1;
    } else if (which < 0.93) {
      const busy = options.nodeDies === 'at rest' && !world.nodeAtRest();
      if (options.nodeDies === 'never' || busy) continue;
      kills.node += 1;
      await goAway(() => house.killNode(chance(0.5) ? 'kept' : 'lost'), house.startNode);
    } else {
      kills.mint += 1;
      await goAway(house.killMint, house.startMint);
    }
    if (total() >= told + 20) {
      told = total();
      options.say(`${told} kills, ${sent.length} messages`);
    }
  }
  options.say(`${total()} kills, ${sent.length} messages; waiting for what is owed`);
  await until(() => sent.every(isAnswered), 'every message is answered', patienceMs);
  // What is kept at the node across runs.
  await owner.answer(await owner.send('!provider refund'), /./, patienceMs);
  const succeeded = sent.filter((id) => reactions(id).includes('✅')).length;
  return { kills, diedIn, mostAtStake, mostOpen, messages: sent.length, succeeded };
}

/** States of the paid run that are often too short to be met by chance, and numbers of model calls. */
const points = ['created', 'token_issued', 'running', 'refund_due', 'change_held', 1, 2, 3] as const;

/** What making and redeeming a token may cost beside its budget. */
const mostFees = 20;

/**
 * No run has more than its one budget out of the wallet, and only one run at a time spends.
 * @returns the sat that the wallet has not in its hands
 */
export function oneBudgetEach(funds: number, books: PaidBooks): number {
  const atStake = funds - books.spent - books.fees - books.ready - books.reserved;
  const most = books.open.reduce(
    (sum, { ticket, body }) => sum + Math.max(ticket.budget, 'out' in body ? body.out : 0) + mostFees,
    0,
  );
  if (atStake > most) throw new Error(`${atStake} sat are at stake in ${books.open.length} runs`);
  const live = books.open.filter(({ body }) => body.state === 'deposited' || body.state === 'running');
  if (live.length > 1) throw new Error(`${live.length} runs have a budget to spend at the same time`);
  return atStake;
}

export type Accounts = {
  /** Sat. `funds = ready + spent + fees + lost`. */
  readonly funds: number;
  readonly ready: number;
  readonly spent: number;
  readonly fees: number;
  /** Of runs that wait for a person: the node has lost it, and the evidence is kept. */
  readonly lost: number;
  readonly lostRuns: number;
  readonly runs: number;
  /** Msat: `credited = refunded + spent + forfeited`. */
  readonly node: ReturnType<PaidHouse['books']>['node'];
  readonly mint: ReturnType<PaidHouse['books']>['mint'];
  /** What the words alone find unspent at the mint. */
  readonly fromWords: number;
  /** What does not add up. Empty, or something is wrong. */
  readonly problems: readonly string[];
};

/** Waits until everything is home, ends the bot, and holds its books against the mint's, the node's and the words. */
export async function auditEverything(
  house: PaidHouse,
  world: PaidBot,
  options: {
    readonly fromWords: () => Promise<number>;
    /** Sat that one account may have had: a run's budget, or what was deposited for many. */
    readonly mostCredit: number;
    readonly patienceMs?: number;
  },
): Promise<Accounts> {
  await settled(world, options.patienceMs ?? patienceMs);
  await world.bot.end('SIGTERM');
  const books = world.books();
  const { node, mint } = house.books();
  const { ready, spent, fees } = books;
  const lost = books.open.reduce((sum, { body }) => sum + ('out' in body ? body.out : 0), 0);
  const lostMsat = books.open.reduce(
    (sum, { body }) => sum + ('creditedMsat' in body ? (body.creditedMsat ?? 0) : 0),
    0,
  );
  const found = await options.fromWords();
  const check = await world.check();
  const problems: string[] = [];
  const same = (what: string, is: number, should: number): void => {
    if (is !== should) problems.push(`${what}: ${is}, not ${should}`);
  };
  same('ready + spent + fees + lost', ready + spent + fees + lost, world.funds);
  same('reserved', books.reserved, 0);
  same('sent', books.sent, 0);
  same('incoming', books.incoming, 0);
  same('rows of the ledger that do not add up', books.uneven.length, 0);
  same('found by the words', found, ready);
  same('spent elsewhere', check.spentElsewhere, 0);
  problems.push(...check.problems.map((problem) => JSON.stringify(problem)));
  // What the node has kept is what the ledger says was spent: fractions of a sat that it could not give back included.
  same('kept by the node (msat)', node.creditedMsat - node.refundedMsat, spent * 1000 + lostMsat);
  if (spent === 0) problems.push('nothing was spent');
  same('issued by the mint', mint.issued, world.funds + node.floatSat);
  same('outstanding + earned at the mint', mint.outstanding + mint.earned, mint.issued);
  same('pending at the mint', mint.pending, 0);
  if (node.largestCreditMsat > options.mostCredit * 1000) {
    problems.push(`an account was credited ${node.largestCreditMsat} msat`);
  }
  if (node.accounts > books.ledger.length) problems.push('there are more accounts than runs');
  return {
    ...{ funds: world.funds, ready, spent, fees, lost, lostRuns: books.open.length, node, mint, problems },
    runs: books.ledger.length,
    fromWords: found,
  };
}
