/**
 * Where the limits of one bot are: figures that must hold with 1,000 owners, 1,000,000 rows in the ledger and 10,000
 * proofs, each printed beside its bound; exit code 1 when one is broken. docs/scale.md has them with their reasons.
 *
 *   bun bench/scale.ts [--quick] [part …]      parts: bot, flood, pages, queue, coins, history, week
 *
 * Takes 3 GB of disk and, most of it for the week, an hour; `--quick` makes everything a twentieth; `SCALE_TASKS` and
 * `SCALE_WRAPS` say how many tasks the week has, and the flood wraps.
 */
import { startBareRelay } from './scale/bare-relay.ts';
import { measureBigBot, measurePages, measureUpkeep, startBigBot } from './scale/big-bot.ts';
import { measureCoins } from './scale/coins.ts';
import { createFigures } from './scale/figures.ts';
import { measureFlood } from './scale/flood.ts';
import { measureHistory } from './scale/history.ts';
import { measureQueue } from './scale/queue.ts';
import { simulateWeek } from './scale/week.ts';

const given = process.argv.slice(2);
const quick = given.includes('--quick');
const parts = given.filter((word) => !word.startsWith('--'));
const wants = (part: string): boolean => parts.length === 0 || parts.includes(part);
const sized = (full: number, own?: string): number =>
  own === undefined ? (quick ? Math.ceil(full / 20) : full) : Number(own);
const figures = createFigures();

if (wants('coins')) await measureCoins(figures);
if (wants('queue')) await measureQueue(quick ? 2_000 : 10_000, figures);
if (wants('history')) await measureHistory({ messages: sized(300_000), ids: sized(1_000_000) }, figures);
if (wants('week')) await simulateWeek(sized(100_000, process.env.SCALE_TASKS), figures);
if (wants('bot') || wants('flood') || wants('pages')) {
  const relay = startBareRelay();
  const big = await startBigBot(relay, {
    owners: 1_000,
    wallet: { runs: sized(1_000_000), withOperations: sized(200_000), ready: 10_000 },
    home: { messages: sized(300_000), runs: sized(100_000), sent: sized(43_000) },
  });
  try {
    if (parts.includes('pages') && !wants('bot')) {
      await big.bot.start();
      await measurePages(big, figures);
    } else {
      await measureBigBot(big, figures);
      await measureUpkeep(big, figures);
    }
    if (wants('flood')) await measureFlood(big, relay, sized(100_000, process.env.SCALE_WRAPS), figures);
  } finally {
    await big.cleanUp();
    await relay.stop();
  }
}

const failed = figures.failed();
if (failed.length > 0) console.log(`\nbroken: ${failed.join('; ')}`);
process.exit(failed.length > 0 ? 1 : 0);
