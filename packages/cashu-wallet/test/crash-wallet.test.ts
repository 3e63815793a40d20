/*
 * The crash matrix: the wallet's process is killed at every persistence point of every operation, recovered, and then
 * counted against the mint's own books and against what an independent wallet restores from the words.
 */
import { afterAll, expect, test } from 'bun:test';
import { getEncodedToken, type Proof } from '@cashu/cashu-ts';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { type CrashCase, inLanes, share } from './support/crash-lanes.ts';
import { createVictims } from './support/wallet-crash.ts';
import type { CrashOrder } from './support/wallet-crash-child.ts';
import { balanceFromWords, createBench, fund, newWords, soon, stranger } from './support/wallet-kit.ts';

/** When the wallet dies. `lost`: the mint has done it, the answer is on its way. `undone`: the mint has not begun. */
const moments = ['reserved', 'prepared', 'undone', 'lost', 'answered', 'done'] as const;
type Moment = (typeof moments)[number];
/** `exact`: the swap to the exact sum before a melt. */
const operations = ['send', 'receive', 'mint', 'melt', 'exact', 'reclaim'] as const;
type Operation = (typeof operations)[number] | 'sends';

const paths: Readonly<Record<Operation, string>> = {
  send: '/v1/swap',
  sends: '/v1/swap',
  receive: '/v1/swap',
  reclaim: '/v1/swap',
  exact: '/v1/swap',
  mint: '/v1/mint/bolt11',
  melt: '/v1/melt/bolt11',
};

/** Whose checkpoints it passes. */
const kinds: Readonly<Record<Operation, string>> = {
  send: 'send',
  sends: 'send',
  receive: 'receive',
  reclaim: 'receive',
  mint: 'mint',
  melt: 'melt',
  exact: 'send',
};

type Setting = { readonly cache: boolean; readonly keysetVersion: '00' | '01'; readonly feePpk: number };

const victims = [createVictims(), createVictims()];
type Victim = (typeof victims)[number];
afterAll(async () => {
  for (const each of victims) await each.end();
});

async function runCase(
  setting: Setting,
  operation: Operation,
  moment: Moment,
  victim: Victim,
): Promise<void> {
  const bench = createBench();
  try {
    const mint = bench.mint(setting);
    const words = newWords();
    const directory = bench.folder();
    const before = bench.wallet(mint, { words, directory });
    await fund(before, 1000);
    const others: Proof[] = [];
    const action = await actionOf(operation, before, mint, others);
    before.close();

    const order: CrashOrder = { mint: mint.url, directory, words, action };
    const inFlight = moment === 'undone' || moment === 'lost';
    if (inFlight) {
      mint.faults.add({
        path: paths[operation],
        when: moment === 'lost' ? 'after' : 'before',
        effect: { kind: 'hold' },
      });
    }
    const checkpoint = `${kinds[operation]}:${moment}`;
    const life = await victim.run(
      inFlight ? order : { ...order, killAt: checkpoint },
      inFlight ? () => mint.faults.holding() > 0 : undefined,
    );
    expect(life).toMatchObject({ killed: true });
    mint.faults.clear();
    mint.faults.release();
    // A cache in memory does not outlive its mint: the worst that NUT-19 can be worth.
    mint.clearCache();

    const after = bench.wallet(mint, { words, directory });
    const report = await after.recover(soon());
    expect(report).toMatchObject({ waiting: [], troubled: [] });

    const balance = after.balance();
    expect(balance).toMatchObject({ reserved: sat(0), incoming: sat(0) });
    expect(await after.check(soon())).toMatchObject({ consistent: true, problems: [], spentElsewhere: 0 });
    const mine = balance.ready + balance.sent;
    expect(await balanceFromWords(mint, words)).toBe(mine);
    const audit = mint.audit();
    expect(audit).toMatchObject({ balanced: true, totalOutstanding: mine, pending: 0, paidUnissued: 0 });
    // What came in and did not go out is here, the mint's fees excepted.
    expect(mine + audit.melted + audit.earned).toBe(audit.minted);
    if (operation === 'receive') {
      expect(others.map((proof) => mint.stateOfSecret(proof.secret))).not.toContain('UNSPENT');
    }

    // It goes on as if nothing had been: no number is used twice, nothing is stuck.
    await after.send({ amount: sat(10) }, soon());
    expect((await after.recover(soon())).waiting).toEqual([]);
    after.close();
  } finally {
    await bench.end();
  }
}

async function actionOf(
  operation: Operation,
  wallet: ReturnType<ReturnType<typeof createBench>['wallet']>,
  mint: SandboxMint,
  others: Proof[],
): Promise<CrashOrder['action']> {
  switch (operation) {
    case 'send':
      return { kind: 'send', amount: 100 };
    case 'sends':
      return { kind: 'sends', amounts: [100, 200] };
    case 'receive': {
      others.push(...(await (await stranger(mint)).proofs(300)));
      return { kind: 'receive', token: getEncodedToken({ mint: mint.url, proofs: others, unit: 'sat' }) };
    }
    case 'mint':
      return { kind: 'mint', amount: 77 };
    case 'melt':
    case 'exact':
      return { kind: 'melt', invoice: mint.invoice(200) };
    case 'reclaim':
      return { kind: 'reclaim', operation: (await wallet.send({ amount: sat(100) }, soon())).operation };
  }
}

const all: readonly Setting[] = (['00', '01'] as const).flatMap((keysetVersion) =>
  [0, 100].flatMap((feePpk) => [true, false].map((cache) => ({ cache, keysetVersion, feePpk }))),
);
// By default half of the settings, in which every pair of values still meets, and each case in one of them.
// `CRASH_MATRIX=full`: every case in every setting.
const half = all.filter(
  ({ cache, keysetVersion, feePpk }) => cache === ((keysetVersion === '00') === (feePpk === 0)),
);
const settings = process.env.CRASH_MATRIX === 'full' ? all : half;

for (const [at, setting] of settings.entries()) {
  const { keysetVersion, feePpk, cache } = setting;
  test(`killed anywhere, nothing is lost: keyset ${keysetVersion}, ${feePpk} ppk, cache ${cache ? 'on' : 'off'}`, async () => {
    await inLanes(
      victims,
      share(
        operations.map((operation) =>
          moments.map(
            (moment): CrashCase<Victim> => [
              `${operation}, killed when ${moment}`,
              (victim) => runCase(setting, operation, moment, victim),
            ],
          ),
        ),
        { setting: at, of: settings.length },
      ),
    );
  }, 240_000);
}

test('killed with two sends side by side, nothing is lost', async () => {
  const setting = { cache: false, keysetVersion: '01', feePpk: 100 } as const;
  await inLanes(
    victims,
    moments.map((moment) => [moment, (victim) => runCase(setting, 'sends', moment, victim)]),
  );
}, 240_000);
