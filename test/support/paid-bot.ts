import { Database } from 'bun:sqlite';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readMnemonic } from '@nostr-dm-agent/cashu-wallet/open';
import { newWords, openWallet, soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { PaidRunState } from '@nostr-dm-agent/routstr';
import { createPaidRunStore } from '@nostr-dm-agent/routstr/books';
import { npubEncode } from 'nostr-tools/nip19';
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { z } from 'zod';
import { startTestBot, type TestBotOptions } from './bot.ts';
import { createOwner, type TestOwner } from './owner.ts';
import type { PaidHouse } from './paid-house.ts';
import { writePayingOpencode } from './paying-opencode.ts';

export type PaidBotOptions = {
  /** `paying`: starts in a moment and makes real model calls (`paying-opencode.ts`). A function writes another one. */
  readonly opencode: 'real' | 'paying' | ((directory: string) => string);
  readonly funds: number;
  /** Sat per run; default: the bot's own. */
  readonly budget?: number;
  /** Instead of the bot's executable, as an operator starts it. */
  readonly entry?: TestBotOptions['entry'];
  readonly env?: Readonly<Record<string, string>>;
  readonly envFile?: boolean;
  readonly relay?: TestBotOptions['relay'];
};

const isReadyAhead = "(state = 'created' AND json_extract(ticket, '$.purpose') IS 'ahead')";
const countSchema = z.object({ n: z.number() });

/** The bot as an operator runs it, its wallet filled, provider `routstr` chosen; mint and node are the house's. */
export async function startPaidBot(
  house: Pick<PaidHouse, 'mintUrl' | 'nodeUrl' | 'model'>,
  options: PaidBotOptions,
) {
  const words = newWords();
  const bot = await startTestBot({
    opencode: options.opencode === 'paying' ? writePayingOpencode : options.opencode,
    ...(options.entry === undefined ? {} : { entry: options.entry }),
    ...(options.envFile === undefined ? {} : { envFile: options.envFile }),
    ...(options.relay === undefined ? {} : { relay: options.relay }),
    env: {
      CASHU_MNEMONIC: words,
      CASHU_MINT_URL: house.mintUrl,
      ROUTSTR_BASE_URL: house.nodeUrl,
      BOT_MODEL: house.model,
      ...options.env,
    },
  });
  const { owner } = bot;
  const directory = join(bot.directory, 'user', '.cashu-wallet');
  const walletFile = join(directory, `${readMnemonic(words).fingerprint}.db`);
  const mint = { url: house.mintUrl };

  const ask = async (text: string, pattern = /./): Promise<string> =>
    (await owner.answer(await owner.send(text), pattern)).text;
  try {
    // The mint's Lightning pays at once.
    await owner.answer(await owner.send(`!wallet topup ${options.funds}`), /^Paid:/, 60_000);
    await ask('!provider set routstr', /routstr/i);
    await ask('!provider sync-models', /model/i);
    if (options.budget !== undefined) await ask(`!provider budget ${options.budget}`);
  } catch (error) {
    await bot.cleanUp();
    throw error;
  }

  /** One number out of a database that the bot may be working with. */
  const count = (file: string, sql: string): number => {
    const db = new Database(file, { readonly: true });
    try {
      db.run('PRAGMA busy_timeout = 10000');
      return countSchema.parse(db.query(sql).get()).n;
    } finally {
      db.close();
    }
  };
  return {
    ...{ bot, owner, words, ask },
    funds: options.funds,
    /** Paid runs whose money is on its way home; those that wait for a person are not, nor what is set aside for runs to come. */
    openPaidRuns: () =>
      count(
        walletFile,
        `SELECT count(*) AS n FROM paid_runs
         WHERE open = 1 AND state <> 'needs_operator' AND NOT ${isReadyAhead}`,
      ),
    /** Budgets that were made ahead, or are being made. */
    budgetsAhead: () =>
      count(walletFile, `SELECT count(*) AS n FROM paid_runs WHERE open = 1 AND ${isReadyAhead}`),
    /** Runs that are not done. */
    openRuns: () => count(join(bot.home, 'bot.db'), "SELECT count(*) AS n FROM runs WHERE state <> 'done'"),
    /** In this state, now. */
    paidRunsIn: (state: PaidRunState) =>
      count(
        walletFile,
        `SELECT count(*) AS n FROM paid_runs WHERE state = '${state}' AND NOT ${isReadyAhead}`,
      ),
    /** Nobody is asking the node to take or give back money. */
    nodeAtRest: () =>
      count(
        walletFile,
        `SELECT count(*) AS n FROM paid_runs
         WHERE open = 1 AND state NOT IN ('created', 'running', 'change_held', 'needs_operator')`,
      ) === 0,
    /** Sessions with the agent's own conversation of each. */
    conversations: (): unknown => {
      const db = new Database(join(bot.home, 'bot.db'), { readonly: true });
      try {
        return db.query('SELECT id, backend_session FROM sessions ORDER BY id').values();
      } finally {
        db.close();
      }
    },
    /** Another owner. */
    addMember: async (): Promise<TestOwner> => {
      const key = generateSecretKey();
      await ask(`!owners add ${npubEncode(getPublicKey(key))} member`);
      return createOwner(bot.relay.url, bot.publicKey, key);
    },
    /** Pids of the run's agent and its children. */
    agents: () => processesWith(`HOME=${bot.home}/`),
    /** The wallet's books, read by somebody else. While the bot is dead. */
    books: () => readBooks(mint, words, directory),
    check: () => checkBooks(mint, words, directory),
    cleanUp: async () => {
      await bot.cleanUp();
      for (const pid of processesWith(`HOME=${bot.home}/`)) kill(pid);
    },
  };
}
export type PaidBot = Awaited<ReturnType<typeof startPaidBot>>;

function readBooks(mint: { readonly url: string }, words: string, directory: string) {
  const wallet = openWallet(mint, { words, directory });
  try {
    const store = createPaidRunStore(wallet, { now: () => Date.now() });
    const ledger = wallet.ledger.latest(100_000);
    const done = ledger.filter(({ state }) => state === 'settled');
    const sum = (amountOf: (entry: (typeof done)[number]) => number): number =>
      done.reduce((total, entry) => total + amountOf(entry), 0);
    const open = store.open();
    return {
      ...wallet.balance(),
      ledger,
      open,
      /** What happened to each run whose money is not home. */
      evidence: open.flatMap(({ id }) => store.evidence(id)),
      /** By runs that are over. */
      spent: sum((entry) => entry.spent),
      fees: sum((entry) => entry.fee),
      uneven: done.filter(({ budget, spent, refund, fee }) => budget !== spent + refund + fee),
    };
  } finally {
    wallet.close();
  }
}
export type PaidBooks = ReturnType<typeof readBooks>;

/** What `!wallet check` says of the books, to somebody else who has the wallet's files. While the bot is dead. */
async function checkBooks(mint: { readonly url: string }, words: string, directory: string) {
  const wallet = openWallet(mint, { words, directory });
  try {
    return await wallet.check(soon());
  } finally {
    wallet.close();
  }
}

/** Living processes of runs with an entry in their environment that begins so. */
function processesWith(entry: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
        return (
          environment.some((one) => one.startsWith(entry)) &&
          environment.some((one) => one.startsWith('NOSTR_DM_AGENT_RUN='))
        );
      } catch {
        return false; // ended meanwhile, or not ours
      }
    });
}

/** SIGKILL; false when it is gone already. */
export function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

/** Waits until every task is answered and every sat of the runs is home. */
export async function settled(world: PaidBot, ms: number): Promise<void> {
  await until(
    () => world.openRuns() === 0 && world.openPaidRuns() === 0,
    `everything is home; the bot's log ends:\n${world.bot.log().slice(-4000)}`,
    ms,
  );
}
