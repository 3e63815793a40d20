// From a task's EVENT at the relay to the first model request at the node, paid, in the jail, with the real opencode:
// on a server that is kept ready (the session goes on; a new session) and with a process of
// the run's own. Medians in milliseconds, and how many times faster. Needs an idle machine. ROUNDS=15 by default.
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startObservedHouse } from '../test/support/observed-house.ts';
import { startPaidBot } from '../test/support/paid-bot.ts';

const rounds = Number(process.env.ROUNDS ?? 15);
/** Milliseconds that a warm run and a new session may take. */
const limits = { warm: 300, fresh: 350, slow: 600, reply: 25 };
/** What mint and node take for each answer where they are slow. */
const slowMs = 150;

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const now = (): number => performance.timeOrigin + performance.now();

async function measure(
  servers: number,
  delayMs: number,
  work: (world: Awaited<ReturnType<typeof open>>) => Promise<void>,
) {
  const world = await open(servers, delayMs);
  try {
    await work(world);
  } finally {
    await world.close();
  }
}

async function open(servers: number, delayMs: number) {
  const house = startObservedHouse({ feePpk: 100, delayMs });
  const bot = await startPaidBot(house, {
    opencode: 'real',
    funds: 50_000,
    env: { BOT_ISOLATION: 'bwrap', BOT_WARM_SERVERS: String(servers), BOT_WARM_MINUTES: '60' },
  });
  let tasks = 0;
  /** From the last of the model's answer to the reply. */
  const replies: number[] = [];
  /** From the task to the model, in milliseconds. */
  const run = async (task = (word: string) => `say ${word}`): Promise<number> => {
    const calls = () => house.nodeRequests().filter(({ path }) => path.endsWith('/chat/completions'));
    const before = calls().length;
    const sent = now();
    const word = `word${++tasks}`;
    const { at } = await bot.owner.answer(await bot.owner.send(task(word)), /^— agent/m, 60_000);
    const first = calls()[before];
    replies.push(performance.timeOrigin + at - (calls().at(-1)?.until ?? Number.NaN));
    // The budget of the next one is made ahead, and stays.
    const isHome = () => bot.openRuns() === 0 && bot.paidRunsIn('running') === 0 && bot.nodeAtRest();
    await until(isHome, 'the run is done, and its change is home', 20_000);
    // As people send tasks: the change is home, and the next budget made ahead.
    let asked = -1;
    await until(
      async () => {
        const before = asked;
        asked = house.mintRequests().length + house.nodeRequests().length;
        await Bun.sleep(delayMs * 4);
        return before === asked;
      },
      'mint and node are asked for nothing more',
      20_000,
    );
    return (first?.from ?? Number.NaN) - sent;
  };
  return {
    ...{ bot, run, replies },
    close: async () => {
      await bot.cleanUp();
      await house.stop();
    },
  };
}

const times: Record<'warm' | 'fresh' | 'slow' | 'reply' | 'worked' | 'own', number[]> = {
  ...{ warm: [], fresh: [], slow: [], reply: [], worked: [], own: [] },
};
await measure(1, 0, async ({ bot, run }) => {
  await run();
  for (let round = 0; round < rounds; round += 1) {
    times.warm.push(await run());
    await bot.ask('!new', /./);
    times.fresh.push(await run());
  }
});
await measure(1, slowMs, async ({ run, replies }) => {
  await run();
  replies.length = 0;
  for (let round = 0; round < rounds; round += 1) times.slow.push(await run());
  times.reply.push(...replies.splice(0));
  for (let round = 0; round < Math.ceil(rounds / 3); round += 1)
    await run((word) => `write ${word}.txt with the text ${word}`);
  times.worked.push(...replies);
});
await measure(0, 0, async ({ run }) => {
  await run();
  for (let round = 0; round < Math.ceil(rounds / 3); round += 1) times.own.push(await run());
});
const own = median(times.own);
const line = (name: string, values: readonly number[]): void => {
  const middle = median(values);
  const sorted = values.toSorted((a, b) => a - b);
  console.log(
    `${name.padEnd(34)}${middle.toFixed(0).padStart(6)} ms   ${(sorted[0] ?? 0).toFixed(0)} to ${(sorted.at(-1) ?? 0).toFixed(0)}   ${(own / middle).toFixed(1)} times as fast`,
  );
};
console.log('EVENT at the relay → first model request at the node');
line('ready, the session goes on', times.warm);
line('ready, a new session', times.fresh);
line(`ready, mint and node take ${slowMs} ms`, times.slow);
line('a process of its own', times.own);
const last = (values: readonly number[]): string => `${median(values).toFixed(0)} ms`;
console.log(
  `last chunk → reply, mint and node take ${slowMs} ms: ${last(times.reply)}; where a tool was used ${last(times.worked)}`,
);
const over = (['warm', 'fresh', 'slow', 'reply'] as const).filter(
  (name) => median(times[name]) > limits[name],
);
if (over.length > 0) {
  console.log(over.map((name) => `${name}: slower than ${limits[name]} ms`).join('\n'));
  process.exitCode = 1;
}
