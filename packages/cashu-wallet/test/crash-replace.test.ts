/*
 * A copy is put back, and a mint is renamed: both are cut off wherever they can be, done again or not, and then every sat is
 * counted. A kill leaves the files as they are at that moment: they are copied then, and life goes on from the copy.
 */
import { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import { cpSync } from 'node:fs';
import { basename, join } from 'node:path';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import type { CashuWallet } from '../src/faces.ts';
import { restoreFrom } from '../src/remote/restore-from.ts';
import { type CrashCase, inLanes, share } from './support/crash-lanes.ts';
import {
  type Bench,
  balanceFromWords,
  createBench,
  fund,
  newWords,
  quiet,
  soon,
  stranger,
} from './support/wallet-kit.ts';

/** What dies at a moment: its folder as it was then. Nothing that it does afterwards reaches anybody. */
function killAt(bench: Bench, directory: string, moment: string) {
  const left = bench.folder();
  const end = new AbortController();
  let died = false;
  return {
    left,
    signal: AbortSignal.any([end.signal, soon()]),
    onCheckpoint: (checkpoint: string): void => {
      if (died || checkpoint !== moment) return;
      died = true;
      cpSync(directory, left, { recursive: true });
      end.abort();
      throw new Error('killed');
    },
    died: () => died,
  };
}

/** What was put in and is not with somebody else is here, and the mint agrees. */
async function expectWhole(
  wallet: CashuWallet,
  mint: SandboxMint,
  words: string,
  elsewhere: number,
): Promise<void> {
  expect(await wallet.recover(soon())).toMatchObject({ waiting: [], troubled: [] });
  expect(await wallet.check(soon())).toMatchObject({
    consistent: true,
    problems: [],
    notLooked: [],
    spentElsewhere: 0,
  });
  const { ready, sent, reserved, incoming } = wallet.balance();
  expect({ reserved, incoming }).toEqual({ reserved: sat(0), incoming: sat(0) });
  expect(await balanceFromWords(mint, words, 60)).toBe(ready + sent);
  const audit = mint.audit();
  expect(audit).toMatchObject({
    balanced: true,
    pending: 0,
    paidUnissued: 0,
    totalOutstanding: ready + sent + elsewhere,
  });
  await fund(wallet, 20);
  const { operation } = await wallet.send({ amount: sat(10) }, soon());
  expect(await (await stranger(mint)).redeem(wallet.handOver(operation, 'x'))).toBe(10);
}

type Setting = { readonly keysetVersion: '00' | '01'; readonly feePpk: number };
const depth = { gap: 60, batch: 60 };

/** Two tokens are taken side by side and the first is refused: numbers before others are spare. */
async function makeSpareNumbers(wallet: CashuWallet, mint: SandboxMint): Promise<void> {
  const friend = await stranger(mint);
  const tokens = [await friend.token(63), await friend.token(63)];
  // Refused once the other one has taken its numbers, which come after.
  let both = false;
  const until = () => both;
  mint.faults.add({ path: '/v1/swap', when: 'before', effect: { kind: 'status', status: 403, until } });
  const run = () => {
    both = true;
  };
  mint.faults.add({ path: '/v1/swap', when: 'before', effect: { kind: 'run', run } });
  const took = await Promise.allSettled(tokens.map((token) => wallet.receive(token, { cap: true }, soon())));
  expect(took.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  const db = new Database(wallet.info().file, { readonly: true });
  expect(db.query('SELECT * FROM spare_numbers').all()).toHaveLength(1);
  db.close();
}

async function putBackCase(setting: Setting, moment: string, then: 'again' | 'used'): Promise<void> {
  const bench = createBench();
  try {
    const mint = bench.mint({ cache: false, webSocket: false, ...setting });
    const words = newWords();
    const directory = bench.folder();
    const first = bench.wallet(mint, { words, directory });
    await fund(first, 1000);
    await makeSpareNumbers(first, mint);
    const copy = join(bench.folder(), 'a.db');
    first.backup(copy);
    // Since then: numbers that were spare are used, money has come and gone, and some is on its way.
    const friend = await stranger(mint);
    await first.receive(await friend.token(63), { cap: true }, soon());
    const gone = await first.send({ amount: sat(100) }, soon());
    await friend.redeem(first.handOver(gone.operation, 'somebody'));
    await fund(first, 300);
    const out = await first.send({ amount: sat(50) }, soon());
    first.handOver(out.operation, 'nobody yet');
    first.keep(await friend.token(70), 'test');
    mint.lightning.incoming = 'on-demand';
    const late = await first.topUp({ amount: sat(77) }, soon());
    mint.pay(mint.quoteOf(late.invoice));
    mint.lightning.incoming = 'at-once';
    const { file } = first.info();
    first.close();
    const held = await balanceFromWords(mint, words, 60);
    const theirs = mint.audit().totalOutstanding - held - 70;

    const kill = killAt(bench, directory, moment);
    const putBack = (
      into: string,
      parts: Omit<Parameters<typeof restoreFrom>[3], 'log'>,
      signal: AbortSignal,
    ) =>
      restoreFrom(
        {
          home: into,
          wallet: {
            mnemonic: words,
            mintUrl: mint.url,
            mints: [],
            directory: into,
            maxBalance: sat(1_000_000),
          },
        },
        copy,
        { paid_runs: 1 },
        { log: quiet, ...parts },
        signal,
      );
    await putBack(directory, { onCheckpoint: kill.onCheckpoint }, kill.signal).catch(() => undefined);
    expect(kill.died()).toBe(true);
    if (then === 'again') await putBack(kill.left, {}, soon());
    const wallet = bench.wallet(mint, { words, directory: kill.left, restoreDepth: depth });
    expect(basename(wallet.info().file)).toBe(basename(file));
    await expectWhole(wallet, mint, words, theirs);
    expect(wallet.operation(out.operation)).toMatchObject({ state: 'handed_over' });
  } finally {
    await bench.end();
  }
}

async function renameCase(setting: Setting, moment: string, then: 'again' | 'used'): Promise<void> {
  const bench = createBench();
  try {
    const file = join(bench.folder(), 'mint.db');
    const options = { file, cache: false, webSocket: false, ...setting };
    const mint = bench.mint(options);
    const words = newWords();
    const directory = bench.folder();
    const first = bench.wallet(mint, { words, directory });
    await fund(first, 1000);
    const out = await first.send({ amount: sat(50) }, soon());
    first.handOver(out.operation, 'nobody yet');
    // A send whose answer is lost, and an invoice that is paid meanwhile.
    mint.lightning.incoming = 'on-demand';
    const late = await first.topUp({ amount: sat(77) }, soon());
    mint.pay(mint.quoteOf(late.invoice));
    mint.faults.add({ path: '/v1/swap', when: 'after', effect: { kind: 'cut' } });
    mint.faults.add({
      path: '/v1/restore',
      when: 'before',
      effect: { kind: 'status', status: 503 },
      times: 9,
    });
    await first.send({ amount: sat(200) }, soon()).catch(() => undefined);
    expect(first.operations({ limit: 1 })).toMatchObject([{ open: true }]);
    first.close();
    await mint.stop();
    const moved = bench.mint(options);

    const kill = killAt(bench, directory, moment);
    const dying = bench.wallet(mint, { words, directory, onCheckpoint: kill.onCheckpoint });
    await dying.renameMint({ from: mint.url, to: moved.url }, kill.signal).catch(() => undefined);
    dying.close();
    expect(kill.died()).toBe(true);
    const wallet = bench.wallet(mint, { words, directory: kill.left, restoreDepth: depth });
    if (then === 'again') await wallet.renameMint({ from: mint.url, to: moved.url }, soon());
    await wallet.recover(soon());
    expect(wallet.balance().mints).toMatchObject([{ mint: moved.url }]);
    await expectWhole(wallet, moved, words, 0);
    expect(await wallet.reclaim(out.operation, soon())).toMatchObject({ state: 'reclaimed' });
  } finally {
    await bench.end();
  }
}

const restoring = ['staged', 'kept', 'carried', 'cleared', 'done'].map((moment) => `put-back:${moment}`);
/** What was on its way is finished, and searched for, only after that. */
const recovering = ['receive:prepared', 'receive:answered', 'mint:prepared', 'mint:answered'];
/** By default four of them, of each kind one. */
const cases = (setting: Setting): readonly (readonly CrashCase<undefined>[])[] => [
  ...[...restoring, ...recovering].map((moment) =>
    (['again', 'used'] as const).map(
      (then): CrashCase<undefined> => [
        `a copy is put back, killed at ${moment}, then ${then}`,
        () => putBackCase(setting, moment, then),
      ],
    ),
  ),
  // Before it is done, the old address is nobody any more: it has to be done again.
  [
    ['rename:done', 'again'] as const,
    ['rename:compared', 'again'] as const,
    ['rename:done', 'used'] as const,
  ].map(
    ([moment, then]): CrashCase<undefined> => [
      `a mint is renamed, killed at ${moment}, then ${then}`,
      () => renameCase(setting, moment, then),
    ],
  ),
];

const settings: readonly Setting[] = [
  { keysetVersion: '01', feePpk: 100 },
  { keysetVersion: '00', feePpk: 0 },
];
const full = process.env.CRASH_MATRIX === 'full';
for (const setting of full ? settings : settings.slice(0, 1)) {
  const name = `keyset ${setting.keysetVersion}, ${setting.feePpk} ppk`;
  test(`cut off while a copy is put back or a mint is renamed, nothing is lost: ${name}`, async () => {
    await inLanes([undefined, undefined], share(cases(setting), { setting: 0, of: 5 }));
  }, 400_000);
}
