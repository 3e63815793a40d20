/*
 * The bot as an operator runs it, paid at a real routstr-core (or the sandbox's node), killed at random moments some
 * hundred times, its agent servers with it, and then everything is counted. A script, because routstr-core is on no registry:
 *
 *   ROUTSTR_CORE=… ROUTSTR_PYTHON=… bun test/interop/node-soak.ts --kills 300
 *
 * docs/routstr-node.md says how to come by both. Exit codes: 0 every sat is accounted for, 1 not, 2 it did not begin.
 */
import { parseArgs } from 'node:util';
import { startModel } from '@nostr-dm-agent/sandbox/model';
import { startPaidBot } from '../support/paid-bot.ts';
import { type HouseBooks, type PaidHouse, startSandboxHouse } from '../support/paid-house.ts';
import {
  type Accounts,
  auditEverything,
  type SoakFigures,
  type SoakOptions,
  soak,
} from '../support/paid-soak.ts';
import { type CdkMint, startCdkMintd } from './cdk-mintd.ts';
import { startNutshell } from './nutshell.ts';
import { installNutshell, nutshellVersion } from './nutshell-install.ts';
import { findRoutstrCore, startRoutstrCore } from './routstr-core.ts';
import { unspentFromWords } from './words.ts';

const model = 'claude-sonnet-4.5';
const funds = 90_000;
/** Whatever hangs: the process ends. */
const graceMs = 30 * 60_000;

const { values: flags } = parseArgs({
  options: {
    node: { type: 'string', default: 'core' },
    mint: { type: 'string', default: 'nutshell' },
    agent: { type: 'string', default: 'real' },
    warm: { type: 'string', default: '1' },
    kills: { type: 'string', default: '300' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    'fee-ppk': { type: 'string', default: '100' },
    'node-dies': { type: 'string', default: 'at rest' },
    mixed: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '60' },
  },
});

type Mint = Pick<PaidHouse, 'name' | 'mintUrl' | 'killMint' | 'startMint' | 'stop'> & {
  readonly books: () => HouseBooks['mint'];
};

async function startNutshellMint(feePpk: number): Promise<Mint> {
  const nutshell = await startNutshell(await installNutshell(), feePpk);
  // The mint's own port changes when it comes back.
  const { url: mintUrl } = nutshell.front();
  return {
    ...{ name: `Nutshell ${nutshellVersion}`, mintUrl, books: nutshell.books, stop: nutshell.stop },
    killMint: nutshell.kill,
    startMint: () => {
      nutshell.freeSwaps();
      return nutshell.start();
    },
  };
}

async function startCdkMint(feePpk: number): Promise<Mint> {
  const binary = process.env.CDK_MINTD;
  if (binary === undefined) throw new Error('Set CDK_MINTD (docs/interop.md says how to come by it)');
  const mint: CdkMint = await startCdkMintd(binary, feePpk);
  return {
    ...{ name: `cdk-mintd ${mint.version}`, mintUrl: mint.front.url, books: mint.books, stop: mint.stop },
    ...{ killMint: mint.kill, startMint: mint.start },
  };
}

/** Real mint, real node; the model is the sandbox's. */
async function startCoreHouse({ feePpk, mint: kind }: Pick<Settings, 'feePpk' | 'mint'>): Promise<PaidHouse> {
  await using ends = new AsyncDisposableStack();
  const core = findRoutstrCore(process.env);
  const mint = await (kind === 'cdk' ? startCdkMint : startNutshellMint)(feePpk);
  ends.defer(mint.stop);
  const upstream = startModel({ models: [model, `anthropic/${model}`] });
  ends.defer(upstream.stop);
  const { mintUrl, killMint, startMint } = mint;
  const node = await startRoutstrCore(core, { mintUrl, upstreamUrl: upstream.url, model });
  ends.defer(node.stop);
  const all = ends.move();
  return {
    ...{ name: `routstr-core ${node.version}, ${mint.name}`, mintUrl, killMint, startMint },
    nodeUrl: `${node.url}/v1`,
    model: `routstr/${model}`,
    killNode: node.kill,
    startNode: node.start,
    books: () => ({ node: node.books(), mint: mint.books() }),
    modelCalls: () => upstream.requests.length,
    stop: () => all.disposeAsync(),
  };
}

const tasks = {
  real: [
    'write hello.txt with the text hi',
    'run echo hello',
    'write a.txt with the text one then read a.txt then answer done',
    'answer with 300 words',
  ],
  paying: ['make 1 calls', 'make 2 calls', 'make 4 calls'],
};
/** Money that is kept at the node, and single questions, between the tasks. */
const commands = [
  '!quick answer with 20 words',
  '!quick answer with 20 words',
  '!provider deposit 3000',
  '!provider deposit 2500',
  '!provider balance',
  '!provider refund',
];

function report(house: PaidHouse, figures: SoakFigures, accounts: Accounts, seconds: number): string {
  const list = (record: Readonly<Record<string, number>>): string =>
    Object.entries(record)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  const { node, mint } = accounts;
  const kills = Object.values(figures.kills).reduce((sum, count) => sum + count, 0);
  return [
    `${house.name}; ${kills} kills in ${seconds} s: ${list(figures.kills)}`,
    `${figures.messages} messages, all answered, ${figures.succeeded} tasks done; ${accounts.runs} paid runs, ${node.accounts} accounts at the node`,
    `the bot died in: ${list(figures.diedIn)}`,
    `out of the wallet's hands at most: ${figures.mostAtStake} sat, of ${figures.mostOpen} runs`,
    `largest credit of an account: ${node.largestCreditMsat} msat`,
    `put in ${accounts.funds} = in the wallet ${accounts.ready} + spent ${accounts.spent} + fees ${accounts.fees} + lost by the node ${accounts.lost} (${accounts.lostRuns} runs)`,
    `node (msat): credited ${node.creditedMsat} = refunded ${node.refundedMsat} + kept ${node.creditedMsat - node.refundedMsat}; of that model calls ${node.spentMsat}, left on accounts ${node.balancesMsat}`,
    `mint: issued ${mint.issued} = outstanding ${mint.outstanding} + input fees ${mint.earned}; pending ${mint.pending}`,
    `found by the words alone: ${accounts.fromWords}`,
    accounts.problems.length === 0
      ? 'Everything adds up, to the sat.'
      : `DOES NOT ADD UP: ${accounts.problems.join('; ')}`,
  ].join('\n');
}

type Settings = Omit<SoakOptions, 'messages' | 'say'> & {
  readonly node: 'core' | 'sandbox';
  readonly mint: 'nutshell' | 'cdk';
  readonly agent: 'real' | 'paying';
  /** Agent servers that are kept ready, in the jail; 0: a process per run, without one. */
  readonly warm: number;
  readonly feePpk: number;
  readonly mixed: boolean;
};

/** undefined: wrong usage. */
function readSettings(): Settings | undefined {
  const { node, mint, agent, mixed, 'node-dies': nodeDies } = flags;
  const warm = agent === 'real' ? flags.warm : '0';
  const numbers = {
    warm,
    kills: flags.kills,
    seed: flags.seed,
    feePpk: flags['fee-ppk'],
    minutes: flags.minutes,
  };
  if (!Object.values(numbers).every((text) => /^\d+$/.test(text))) return undefined;
  if (node !== 'core' && node !== 'sandbox') return undefined;
  if (mint !== 'nutshell' && mint !== 'cdk') return undefined;
  if (agent !== 'real' && agent !== 'paying') return undefined;
  if (nodeDies !== 'at rest' && nodeDies !== 'any time' && nodeDies !== 'never') return undefined;
  return {
    ...{ node, mint, agent, mixed, nodeDies },
    warm: Number(numbers.warm),
    kills: Number(numbers.kills),
    seed: Number(numbers.seed),
    feePpk: Number(numbers.feePpk),
    longestMs: Number(numbers.minutes) * 60_000,
  };
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** @returns the exit code */
async function run(settings: Settings, ends: AsyncDisposableStack): Promise<number> {
  const { node, agent, feePpk, mixed, nodeDies, warm } = settings;
  const house = node === 'core' ? await startCoreHouse(settings) : startSandboxHouse({ feePpk });
  ends.defer(house.stop);
  const env = { BOT_WARM_SERVERS: String(warm), BOT_ISOLATION: warm > 0 ? 'bwrap' : 'none' };
  const world = await startPaidBot(house, { opencode: agent, funds, env });
  ends.defer(world.cleanUp);
  const begun = performance.now();
  try {
    const messages = mixed ? [...tasks[agent], ...commands] : tasks[agent];
    const figures = await soak(house, world, { ...settings, messages, say });
    const accounts = await auditEverything(house, world, {
      fromWords: () => unspentFromWords(house.mintUrl, world.words),
      mostCredit: mixed ? funds : 2000,
      // What a node lost is doubted for ten minutes before a person is asked.
      patienceMs: nodeDies === 'any time' ? 20 * 60_000 : 10 * 60_000,
    });
    say(report(house, figures, accounts, Math.round((performance.now() - begun) / 1000)));
    return accounts.problems.length === 0 ? 0 : 1;
  } catch (error) {
    say(`seed ${settings.seed}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    say(`the bot's log ends:\n${world.bot.log().slice(-5000)}`);
    return 1;
  }
}

async function main(): Promise<number> {
  const settings = readSettings();
  if (settings === undefined) {
    process.stderr.write(
      'usage: node-soak.ts [--node core|sandbox] [--mint nutshell|cdk] [--agent real|paying] [--warm N] [--kills N] [--seed N]\n' +
        "                    [--fee-ppk N] [--mixed] [--node-dies 'at rest'|'any time'|never] [--minutes N]\n",
    );
    return 2;
  }
  say(`seed ${settings.seed}`);
  const ends = new AsyncDisposableStack();
  let ending: Promise<void> | undefined;
  const end = (): Promise<void> => {
    ending ??= ends.disposeAsync();
    return ending;
  };
  const giveUp = (why: string) => (): void => {
    process.stderr.write(`${why}\n`);
    void end().finally(() => process.exit(1));
  };
  const watchdog = setTimeout(giveUp('it hangs; giving up'), settings.longestMs + graceMs);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, giveUp('ended'));
  try {
    return await run(settings, ends);
  } catch (error) {
    // Mint, node or bot did not start.
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  } finally {
    clearTimeout(watchdog);
    await end();
  }
}

process.exit(await main());
