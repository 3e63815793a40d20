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
/** A payment request is made, a payment is stored, what became of it is. */
const ofPayments = ['asked', 'kept', 'settled'] as const;
type Moment = (typeof moments)[number] | (typeof ofPayments)[number];
const momentsOf = (operation: Operation): readonly Moment[] =>
  operation === 'request' ? [...moments, ...ofPayments] : moments;
/** `exact`: the swap to the exact sum before a melt. */
const operations = ['send', 'receive', 'request', 'mint', 'melt', 'exact', 'reclaim'] as const;
type Operation = (typeof operations)[number] | 'sends';

const paths: Readonly<Record<Operation, string>> = {
  send: '/v1/swap',
  sends: '/v1/swap',
  receive: '/v1/swap',
  request: '/v1/swap',
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
  request: 'receive',
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
    const kind = ofPayments.some((one) => one === moment) ? 'payment' : kinds[operation];
    const checkpoint = `${kind}:${moment}`;
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
    if (action.kind === 'request') {
      // The relay has it still.
      const [key] = after.requests.mailboxes();
      after.requests.deliver(key?.publicKey ?? '', action.payload);
    }
    const report = await after.recover(soon());
    if (action.kind === 'request')
      expect(after.requests.news()).toMatchObject([{ kind: 'came', before: { face: 0 } }]);
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
    if (others.length > 0) {
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
    case 'request': {
      others.push(...(await (await stranger(mint)).proofs(300)));
      // Nobody pays the invoice.
      mint.lightning.incoming = 'on-demand';
      const proofs = others.map(({ id, amount, secret, C }) => ({
        id,
        amount: amount.toNumber(),
        secret,
        C,
      }));
      return {
        kind: 'request',
        amount: 300,
        payload: JSON.stringify({ mint: mint.url, unit: 'sat', proofs }),
      };
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
          momentsOf(operation).map(
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
