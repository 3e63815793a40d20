/*
 * The crash matrix: the wallet's process is killed at every persistence point of every operation, recovered, and then
 * counted against the mint's own books and against what an independent wallet restores from the words.
 */
import { afterAll, expect, test } from 'bun:test';
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { getEncodedToken, type Proof } from '@cashu/cashu-ts';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { type CrashCase, inLanes, share } from './support/crash-lanes.ts';
import { createVictims } from './support/wallet-crash.ts';
import type { CrashOrder } from './support/wallet-crash-child.ts';
import { balanceFromWords, createBench, fund, newWords, soon, stranger } from './support/wallet-kit.ts';

/**
 * When the wallet dies. `lost`: the mint has done it, the answer is on its way. `undone`: the mint has not begun. Else a
 * checkpoint; `#2`: when it is passed for the second time.
 */
const moments = ['reserved', 'prepared', 'undone', 'lost', 'answered', 'done'] as const;
/** A payment request is made, a payment is stored, what became of it is. */
const ofPayments = ['asked', 'kept', 'settled'] as const;
const olderMoments = ['collided', 'planned', 'answered', 'done'] as const;
type Moment =
  | (typeof moments)[number]
  | (typeof ofPayments)[number]
  | (typeof olderMoments)[number]
  | 'reserved#2'
  | 'prepared#2'
  | 'answered#2'
  | 'done#2';

type Case = {
  readonly path: '/v1/swap' | '/v1/mint/bolt11' | '/v1/melt/bolt11';
  /** Whose checkpoints it passes. */
  readonly kind: 'send' | 'receive' | 'mint' | 'melt';
  readonly moments: readonly Moment[];
  /** Those that are in every run; default: all. */
  readonly sample?: readonly Moment[];
  /** The database is an older one, whose next numbers the mint has signed since; nobody can look before they are used. */
  readonly older?: true;
  readonly policy?: CrashOrder['policy'];
};
const few = ['prepared', 'lost', 'done'] as const;
const operations = {
  send: { path: '/v1/swap', kind: 'send', moments },
  receive: { path: '/v1/swap', kind: 'receive', moments },
  request: { path: '/v1/swap', kind: 'receive', moments: [...moments, ...ofPayments] },
  mint: { path: '/v1/mint/bolt11', kind: 'mint', moments },
  melt: { path: '/v1/melt/bolt11', kind: 'melt', moments },
  /** The swap to the exact sum before a melt. */
  exact: { path: '/v1/swap', kind: 'send', moments, sample: few },
  reclaim: { path: '/v1/swap', kind: 'receive', moments, sample: few },
  /** A payment at a mint that shows its change once. */
  'change shown once': {
    path: '/v1/melt/bolt11',
    kind: 'melt',
    moments: ['lost', 'answered'],
    sample: ['lost'],
  },
  /** Small proofs into larger ones, while nothing else is done. */
  tidy: { path: '/v1/swap', kind: 'send', moments, sample: ['prepared', 'lost'], policy: { manyProofs: 2 } },
  /** A send of more proofs than the mint takes at once: in two swaps. */
  gather: {
    path: '/v1/swap',
    kind: 'send',
    moments: [...moments, 'reserved#2', 'prepared#2', 'answered#2', 'done#2'],
    sample: ['answered', 'prepared#2'],
    policy: { maxInputs: 8 },
  },
  'older send': { path: '/v1/swap', kind: 'send', moments: olderMoments, sample: ['collided'], older: true },
  'older receive': {
    path: '/v1/swap',
    kind: 'receive',
    moments: olderMoments,
    sample: ['collided'],
    older: true,
  },
  'older mint': {
    path: '/v1/mint/bolt11',
    kind: 'mint',
    moments: olderMoments,
    sample: ['collided'],
    older: true,
  },
  sends: { path: '/v1/swap', kind: 'send', moments, sample: few },
} satisfies Readonly<Record<string, Case>>;
type Operation = keyof typeof operations;
const names = (Object.keys(operations) as readonly Operation[]).filter((name) => name !== 'sends');
const full = process.env.CRASH_MATRIX === 'full';
const momentsOf = (name: Operation): readonly Moment[] => {
  const { sample, moments: all }: Case = operations[name];
  return full ? all : (sample ?? all);
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
    const { path, kind, older, policy }: Case = operations[operation];
    const mint = bench.mint(setting);
    const words = newWords();
    const directory = bench.folder();
    const before = bench.wallet(mint, { words, directory });
    await fund(before, 1000);
    const others: Proof[] = [];
    const action = await actionOf(operation, before, mint, others);
    if (older) await ageDatabase(before, bench.folder());
    else before.close();

    const order: CrashOrder = { mint: mint.url, directory, words, action, policy };
    // A send looks before it chooses proofs, and before its outputs.
    const effect = { kind: 'status', status: 500 } as const;
    const times = kind === 'send' ? 2 : 1;
    if (older) mint.faults.add({ path: '/v1/restore', when: 'before', effect, times });
    if (operation === 'change shown once') hideChange(mint);
    const inFlight = moment === 'undone' || moment === 'lost';
    if (inFlight) {
      mint.faults.add({
        path,
        when: moment === 'lost' ? 'after' : 'before',
        effect: { kind: 'hold' },
      });
    }
    const of = ofPayments.some((one) => one === moment) ? 'payment' : kind;
    const checkpoint = `${of}:${moment}`;
    const life = await victim.run(
      inFlight ? order : { ...order, killAt: checkpoint },
      inFlight ? () => mint.faults.holding() > 0 : undefined,
    );
    expect(life).toMatchObject({ killed: true });
    mint.faults.clear();
    mint.faults.release();
    if (operation === 'change shown once') hideChange(mint);
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
    if (balance.ready < 20) await fund(after, 20);
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
    case 'older send':
      return { kind: 'send', amount: 100 };
    case 'gather':
      for (let i = 0; i < 8; i += 1) await fund(wallet, 1);
      return { kind: 'send', amount: 1004 };
    case 'tidy':
      return { kind: 'tidy' };
    case 'sends':
      return { kind: 'sends', amounts: [100, 200] };
    case 'receive':
    case 'older receive': {
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
    case 'older mint':
      return { kind: 'mint', amount: 77 };
    case 'melt':
    case 'change shown once':
    case 'exact':
      return { kind: 'melt', invoice: mint.invoice(200) };
    case 'reclaim':
      return { kind: 'reclaim', operation: (await wallet.send({ amount: sat(100) }, soon())).operation };
  }
}

/** Puts a copy of the database back that knows nothing of its newest top-up. */
async function ageDatabase(
  wallet: ReturnType<ReturnType<typeof createBench>['wallet']>,
  aside: string,
): Promise<void> {
  const { file } = wallet.info();
  const copy = join(aside, 'copy.db');
  wallet.backup(copy);
  await fund(wallet, 300);
  wallet.close();
  for (const part of ['', '-wal', '-shm']) rmSync(file + part, { force: true });
  copyFileSync(copy, file);
}

const hideChange = (mint: SandboxMint): void =>
  mint.faults.add({
    path: '/v1/melt/quote/bolt11/',
    when: 'after',
    effect: { kind: 'edit', edit: (body) => JSON.stringify({ ...JSON.parse(body), change: undefined }) },
    times: 99,
  });

const all: readonly Setting[] = (['00', '01'] as const).flatMap((keysetVersion) =>
  [0, 100].flatMap((feePpk) => [true, false].map((cache) => ({ cache, keysetVersion, feePpk }))),
);
// By default half of the settings, in which every pair of values still meets, and each case in one of them.
// `CRASH_MATRIX=full`: every case in every setting.
const half = all.filter(
  ({ cache, keysetVersion, feePpk }) => cache === ((keysetVersion === '00') === (feePpk === 0)),
);
const settings = full ? all : half;

for (const [at, setting] of settings.entries()) {
  const { keysetVersion, feePpk, cache } = setting;
  test(`killed anywhere, nothing is lost: keyset ${keysetVersion}, ${feePpk} ppk, cache ${cache ? 'on' : 'off'}`, async () => {
    await inLanes(
      victims,
      share(
        names.map((operation) =>
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
    momentsOf('sends').map((moment) => [moment, (victim) => runCase(setting, 'sends', moment, victim)]),
  );
}, 240_000);
