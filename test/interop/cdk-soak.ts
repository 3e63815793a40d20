/*
 * The wallet at a real cdk-mintd: one wallet, killed some hundred times in the middle of what it does, the mint now and
 * then too; then everything is counted. A script, because cdk-mintd takes minutes to build:
 *
 *   CDK_MINTD=… bun test/interop/cdk-soak.ts --kills 200
 *
 * docs/interop.md says how to come by it. Exit codes: 0 every sat is accounted for, 1 not, 2 it did not begin.
 */
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { getEncodedToken } from '@cashu/cashu-ts';
import type { CashuWallet } from '@nostr-dm-agent/cashu-wallet';
import { createVictims } from '@nostr-dm-agent/cashu-wallet/testing/wallet-crash';
import type { CrashOrder } from '@nostr-dm-agent/cashu-wallet/testing/wallet-crash-child';
import { createBench, fund, newWords, soon, stranger } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import { type CdkMint, startCdkMintd } from './cdk-mintd.ts';
import { foreignInvoice } from './invoice.ts';
import { unspentFromWords } from './words.ts';

const operations = ['send', 'receive', 'mint', 'melt', 'reclaim', 'sends'] as const;
type Operation = (typeof operations)[number];
/** `lost`: the mint has done it, the answer is on its way. `undone`: the mint was never asked. Else a checkpoint. */
const moments = ['reserved', 'prepared', 'undone', 'lost', 'answered', 'done'] as const;
const paths: Readonly<Record<Operation, string>> = {
  send: '/v1/swap',
  sends: '/v1/swap',
  receive: '/v1/swap',
  reclaim: '/v1/swap',
  mint: '/v1/mint/bolt11',
  melt: '/v1/melt/bolt11',
};
const checkpoints: Readonly<Record<Operation, string>> = {
  send: 'send',
  sends: 'send',
  receive: 'receive',
  reclaim: 'receive',
  mint: 'mint',
  melt: 'melt',
};

/** Ends a run when something does not add up. */
class Unbalanced extends Error {
  override readonly name = 'Unbalanced';
}
function same(what: string, found: unknown, wanted: unknown): void {
  if (!Bun.deepEquals(found, wanted)) {
    throw new Unbalanced(`${what}: ${JSON.stringify(found)}, and not ${JSON.stringify(wanted)}`);
  }
}

type Settings = {
  readonly kills: number;
  readonly seed: number;
  readonly mintEvery: number;
  readonly oldEvery: number;
};
const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** What came in from others and went out to them, in sat. */
type Others = { gave: number; took: number };

async function soak(
  mint: CdkMint,
  { kills, seed, mintEvery, oldEvery }: Settings,
  ends: AsyncDisposableStack,
): Promise<void> {
  const random = seededRandom(seed);
  const pick = <T>(list: readonly T[]): T => {
    const one = list[Math.floor(random() * list.length)];
    if (one === undefined) throw new RangeError('nothing to pick from');
    return one;
  };
  const bench = createBench();
  ends.defer(bench.end);
  const victim = createVictims();
  ends.defer(victim.end);
  const [words, directory] = [newWords(), bench.folder()];
  const open = (): CashuWallet => bench.wallet(mint.front, { words, directory });
  const friend = await stranger(mint.front);
  const others: Others = { gave: 0, took: 0 };
  const died = new Map<string, number>();

  const copy = join(bench.folder(), 'copy.db');
  let olds = 0;
  let wallet = open();
  await fund(wallet, 5000);
  for (let killed = 0, round = 0; killed < kills; round += 1) {
    const operation = wallet.balance().ready < 1500 ? 'mint' : pick(operations);
    const moment = pick(moments);
    const action = await prepare(operation, wallet, { mint, friend, others, random });
    const ages = oldEvery > 0 && round % oldEvery === oldEvery - 1;
    if (ages) wallet.backup(copy);
    wallet.close();
    const inFlight = moment === 'undone' || moment === 'lost';
    if (inFlight) mint.front.hold(paths[operation], moment === 'lost' ? 'after' : 'before');
    const order: CrashOrder = { mint: mint.front.url, directory, words, action };
    const life = await victim.run(
      inFlight ? order : { ...order, killAt: `${checkpoints[operation]}:${moment}` },
      inFlight ? () => mint.front.holding() > 0 : undefined,
    );
    mint.front.clear();
    if (life.killed) {
      killed += 1;
      const name = `${operation} ${moment}`;
      died.set(name, (died.get(name) ?? 0) + 1);
    }
    if (mintEvery > 0 && round % mintEvery === mintEvery - 1) {
      await mint.kill();
      await mint.start();
    }
    wallet = open();
    await count(mint, wallet, `${operation} ${moment}`);
    if (ages) {
      wallet = await putBack(wallet, copy, open);
      olds += 1;
      await count(mint, wallet, `an old database, after ${operation} ${moment}`);
    }
    if (random() < 0.5) await claimOne(wallet, friend, others);
    if (killed > 0 && killed % 25 === 0 && life.killed)
      say(`${killed} kills, ${wallet.balance().ready} sat ready`);
  }
  await countAll(mint, wallet, words, others);
  if (olds > 0) say(`an old database was put back ${olds} times`);
  else countJournal(mint, wallet, others);
  say(
    `died in: ${[...died]
      .map(([name, times]) => `${name} ${times}`)
      .toSorted()
      .join(', ')}`,
  );
}

/** What was done since the copy was made is forgotten: the money is the words', and is found. */
async function putBack(wallet: CashuWallet, copy: string, open: () => CashuWallet): Promise<CashuWallet> {
  const { file } = wallet.info();
  wallet.close();
  for (const part of ['', '-wal', '-shm']) rmSync(file + part, { force: true });
  renameSync(copy, file);
  const again = open();
  await again.recover(soon());
  // Proofs that were spent without anything new: only the mint knows.
  await again.check(soon());
  return again;
}

type Means = {
  readonly mint: CdkMint;
  readonly friend: Awaited<ReturnType<typeof stranger>>;
  readonly others: Others;
  readonly random: () => number;
};

async function prepare(
  operation: Operation,
  wallet: CashuWallet,
  { mint, friend, others, random }: Means,
): Promise<CrashOrder['action']> {
  const amount = 1 + Math.floor(random() * 400);
  switch (operation) {
    case 'send':
      return { kind: 'send', amount };
    case 'sends':
      return { kind: 'sends', amounts: [amount, amount + 7] };
    case 'receive': {
      // Worth more than the fee of taking it.
      const proofs = await friend.proofs(amount + 8);
      others.gave += amount + 8;
      return { kind: 'receive', token: getEncodedToken({ mint: mint.front.url, proofs, unit: 'sat' }) };
    }
    case 'mint':
      return { kind: 'mint', amount: 500 + amount };
    case 'melt':
      return { kind: 'melt', invoice: foreignInvoice(amount) };
    case 'reclaim':
      return {
        kind: 'reclaim',
        operation: (await wallet.send({ amount: sat(amount + 8) }, soon())).operation,
      };
  }
}

/** After each life: nothing is open, nothing is held, and the mint agrees with every proof. */
async function count(mint: CdkMint, wallet: CashuWallet, what: string): Promise<void> {
  const { waiting, troubled } = await wallet.recover(soon());
  same(`${what}: still open`, [...waiting, ...troubled], []);
  const { reserved, incoming, unusable } = wallet.balance();
  same(`${what}: held`, { reserved, incoming, unusable }, { reserved: 0, incoming: 0, unusable: undefined });
  const { consistent, problems, spentElsewhere } = await wallet.check(soon());
  same(
    `${what}: the books`,
    { consistent, problems, spentElsewhere },
    { consistent: true, problems: [], spentElsewhere: 0 },
  );
  same(`${what}: pending at the mint`, mint.books().pending, 0);
}

/** Some token that is out is claimed by its holder. */
async function claimOne(wallet: CashuWallet, friend: Means['friend'], others: Others): Promise<void> {
  const out = wallet.operations({ limit: 20, unfinished: true }).find(({ state }) => state === 'issued');
  if (out === undefined) return;
  others.took += await friend.redeem(wallet.handOver(out.operation, 'a friend'));
  wallet.confirmClaimed(out.operation);
}

async function countAll(mint: CdkMint, wallet: CashuWallet, words: string, others: Others): Promise<void> {
  const { ready, sent } = wallet.balance();
  const mine = ready + sent;
  const books = mint.books();
  say(
    `wallet ${mine} (${sent} of it in tokens), others gave ${others.gave} and took ${others.took}; mint ${JSON.stringify(books)}`,
  );
  same('found by the words alone', await unspentFromWords(mint.front.url, words), mine);
  // What others had made is either taken by us or was never given; what they redeemed is theirs.
  same('outstanding at the mint', books.outstanding, mine + others.took);
  same('issued for what was paid in', books.issued, books.paidIn);
  same(
    'paid in = outstanding + paid out + input fees',
    books.paidIn,
    books.outstanding + books.paidOut + books.earned,
  );
}

/** Not of a journal that was put back. */
function countJournal(mint: CdkMint, wallet: CashuWallet, others: Others): void {
  const journal = wallet.operations({ limit: 100_000 });
  const sum = (kind: string, states: readonly string[]): number =>
    journal
      .filter((each) => each.kind === kind && states.includes(each.state))
      .reduce((total, { amount }) => total + amount, 0);
  same('top-ups that are here', sum('mint', ['done']) + others.gave, mint.books().issued);
  say(`${journal.length} operations; paid out ${sum('melt', ['paid'])} sat over Lightning`);
}

const { values: flags } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    'fee-ppk': { type: 'string', default: '100' },
    /** The mint is killed as well, after every so many lives; 0: never. */
    'mint-every': { type: 'string', default: '10' },
    /** After every so many lives the database is put back to what it was before the last one; 0: never. */
    'old-every': { type: 'string', default: '0' },
  },
});

async function main(): Promise<number> {
  const numbers = [flags.kills, flags.seed, flags['fee-ppk'], flags['mint-every'], flags['old-every']].map(
    Number,
  );
  const [kills = 0, seed = 0, feePpk = 0, mintEvery = 0, oldEvery = 0] = numbers;
  const binary = process.env.CDK_MINTD;
  if (binary === undefined || !numbers.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    process.stderr.write(
      'usage: CDK_MINTD=path cdk-soak.ts [--kills N] [--seed N] [--fee-ppk N] [--mint-every N] [--old-every N]\n',
    );
    return 2;
  }
  await using ends = new AsyncDisposableStack();
  let mint: CdkMint;
  try {
    mint = await startCdkMintd(binary, feePpk);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  ends.defer(mint.stop);
  const begun = performance.now();
  say(`${mint.version}, ${feePpk} ppk, seed ${seed}`);
  try {
    await soak(mint, { kills, seed, mintEvery, oldEvery }, ends);
    say(
      `${kills} kills in ${Math.round((performance.now() - begun) / 1000)} s. Everything adds up, to the sat.`,
    );
    return 0;
  } catch (error) {
    say(`seed ${seed}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return 1;
  }
}

process.exit(await main());
