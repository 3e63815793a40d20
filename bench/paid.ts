// What payment adds to a run's start and to its end: the same agent in the same bot, paid by `routstr` and by `local`
// in turns. What mint and node take themselves is measured in front of them, in the same run, and not counted.
// Medians in milliseconds. Needs an idle machine.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startObservedHouse } from '../test/support/observed-house.ts';
import { settled, startPaidBot } from '../test/support/paid-bot.ts';
import type { Passed } from '../test/support/recording-proxy.ts';
import { writeTimingAgent } from './timing-agent.ts';

const rounds = Number(process.env.ROUNDS ?? 30);
const warmUp = 6;
/** Ours, for either end of a run. */
const limit = 150;

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const ms = (value: number): string => value.toFixed(1).padStart(7);
const took = ({ from, until = Number.NaN }: Passed): number => until - from;

const house = startObservedHouse({ feePpk: 100 });
const world = await startPaidBot(house, {
  opencode: (directory) => writeTimingAgent(directory),
  funds: 50_000,
});
try {
  const times = join(world.bot.workspace, 'times');
  type Run = {
    /** From the task's wrap to the agent, and from the agent's end to the reply. */
    readonly start: number;
    readonly end: number;
    readonly agentBegan: number;
    readonly agentEnded: number;
    readonly sent: number;
    readonly answered: number;
    readonly requests: readonly Passed[];
  };
  let asked = 0;
  const run = async (): Promise<Run> => {
    const all = () => [...house.mintRequests(), ...house.nodeRequests()];
    const before = new Set(all());
    writeFileSync(times, '');
    const sent = performance.timeOrigin + performance.now();
    // Never the same words twice: they would be taken for an app that answers by itself.
    const { at } = await world.owner.answer(await world.owner.send(`work ${++asked}`), /^done/);
    const answered = performance.timeOrigin + at;
    const [agentBegan = Number.NaN, agentEnded = Number.NaN] = readFileSync(times, 'utf8')
      .trim()
      .split(' ')
      .map((nanoseconds) => Number(nanoseconds) / 1e6);
    await settled(world, 10_000);
    const requests = all()
      .filter((request) => !before.has(request))
      .toSorted((a, b) => a.from - b.from);
    await Bun.sleep(50);
    return {
      ...{ agentBegan, agentEnded, sent, answered, requests },
      start: agentBegan - sent,
      end: answered - agentEnded,
    };
  };
  const runs: Record<'local' | 'routstr', Run[]> = { local: [], routstr: [] };
  for (let block = 0; block * 5 < rounds + warmUp; block += 1) {
    for (const provider of ['local', 'routstr'] as const) {
      await world.ask(`!provider set ${provider}`);
      for (let round = 0; round < 5; round += 1) runs[provider].push(await run());
    }
  }

  const local = runs.local.slice(warmUp);
  const paid = runs.routstr.slice(warmUp).map((one) => {
    const [send, create, refund, receive, ...more] = one.requests;
    if (!send || !create || !refund || !receive || more.length > 0) {
      throw new Error(`not four requests: ${one.requests.map(({ path }) => path)}`);
    }
    return { ...one, send, create, refund, receive };
  });
  type Paid = (typeof paid)[number];
  const of = (figure: (one: Paid) => number): number => median(paid.map(figure));
  const report = (
    name: string,
    free: number,
    theirs: (one: Paid) => number,
    whole: (one: Paid) => number,
  ): void => {
    const ours = of((one) => whole(one) - theirs(one));
    const added = ours - free;
    console.log(
      `${name.padEnd(32)} local ${ms(free)}   paid ${ms(of(whole))}   of it mint and node ${ms(of(theirs))}   ` +
        `added ${ms(added)}   ratio ${(ours / free).toFixed(2)}   ${added < limit ? 'within' : 'OVER'} ${limit}`,
    );
  };
  report(
    'task sent → agent’s process (ms)',
    median(local.map(({ start }) => start)),
    ({ send, create }) => took(send) + took(create),
    ({ start }) => start,
  );
  report(
    'agent’s end → reply (ms)',
    median(local.map(({ end }) => end)),
    ({ refund, receive }) => took(refund) + took(receive),
    ({ end }) => end,
  );
  const between = (name: string, figure: (one: Paid) => number): string => `${name} ${of(figure).toFixed(1)}`;
  console.log(
    [
      between('  task → swap', ({ send, sent }) => send.from - sent),
      between('(mint', ({ send }) => took(send)),
      between(') → deposit', ({ create, send }) => create.from - (send.until ?? 0)),
      between('(node', ({ create }) => took(create)),
      between(') → agent', ({ agentBegan, create }) => agentBegan - (create.until ?? 0)),
    ].join(' '),
  );
  console.log(
    [
      between('  agent → refund', ({ refund, agentEnded }) => refund.from - agentEnded),
      between('(node', ({ refund }) => took(refund)),
      between(') → swap', ({ receive, refund }) => receive.from - (refund.until ?? 0)),
      between('(mint', ({ receive }) => took(receive)),
      between(') → reply', ({ answered, receive }) => answered - (receive.until ?? 0)),
    ].join(' '),
  );
} finally {
  await world.cleanUp();
  await house.stop();
}
