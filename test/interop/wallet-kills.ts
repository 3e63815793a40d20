/*
 * The crash matrix against a mint that is not ours: the wallet's process is killed at every persistence point of every
 * operation, and the mint too; both come back, and then everything is counted: by the wallet, by what the words alone
 * find, and by the mint's own database.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { getEncodedToken, type Proof } from '@cashu/cashu-ts';
import type { CashuWallet } from '@nostr-dm-agent/cashu-wallet';
import { type CrashCase, inLanes, share } from '@nostr-dm-agent/cashu-wallet/testing/crash-lanes';
import { createVictims } from '@nostr-dm-agent/cashu-wallet/testing/wallet-crash';
import type { CrashOrder } from '@nostr-dm-agent/cashu-wallet/testing/wallet-crash-child';
import {
  type Bench,
  createBench,
  fund,
  newWords,
  soon,
  stranger,
} from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { foreignInvoice } from './invoice.ts';
import type { MintFront } from './mint-front.ts';
import { type NutshellMint, startNutshell } from './nutshell.ts';
import { installNutshell, type Nutshell, nutshellVersion, skipped } from './nutshell-install.ts';
import { unspentFromWords } from './words.ts';

/** When the wallet dies. `lost`: the mint has done it, the answer is on its way. `undone`: the mint was never asked. */
const moments = ['reserved', 'prepared', 'undone', 'lost', 'answered', 'done'] as const;
type Moment = (typeof moments)[number];
const operations = ['send', 'receive', 'mint', 'melt', 'reclaim'] as const;
type Operation = (typeof operations)[number];

const paths: Readonly<Record<Operation, string>> = {
  send: '/v1/swap',
  receive: '/v1/swap',
  reclaim: '/v1/swap',
  mint: '/v1/mint/bolt11',
  melt: '/v1/melt/bolt11',
};
const funds = 1000;
const received = 300;
const minted = 77;
const melted = 200;

/** A wallet that died, and what must be found when it comes back. */
type Dead = {
  readonly name: string;
  readonly operation: Operation;
  readonly front: MintFront;
  readonly words: string;
  readonly directory: string;
  readonly others: readonly Proof[];
};

const victims = [createVictims(), createVictims()];
type Victim = (typeof victims)[number];
afterAll(async () => {
  for (const each of victims) await each.end();
});

async function actionOf(
  operation: Operation,
  wallet: CashuWallet,
  front: MintFront,
  others: Proof[],
): Promise<CrashOrder['action']> {
  switch (operation) {
    case 'send':
      return { kind: 'send', amount: 100 };
    case 'receive': {
      others.push(...(await (await stranger(front)).proofs(received)));
      return { kind: 'receive', token: getEncodedToken({ mint: front.url, proofs: others, unit: 'sat' }) };
    }
    case 'mint':
      return { kind: 'mint', amount: minted };
    case 'melt':
      return { kind: 'melt', invoice: foreignInvoice(melted) };
    case 'reclaim':
      return { kind: 'reclaim', operation: (await wallet.send({ amount: sat(100) }, soon())).operation };
  }
}

async function die(
  mint: NutshellMint,
  bench: Bench,
  operation: Operation,
  moment: Moment,
  victim: Victim,
): Promise<Dead> {
  const front = mint.front();
  const words = newWords();
  const directory = bench.folder();
  const wallet = bench.wallet(front, { words, directory });
  await fund(wallet, funds);
  const others: Proof[] = [];
  const action = await actionOf(operation, wallet, front, others);
  wallet.close();

  const order: CrashOrder = { mint: front.url, directory, words, action };
  const inFlight = moment === 'undone' || moment === 'lost';
  if (inFlight) front.hold(paths[operation], moment === 'lost' ? 'after' : 'before');
  const checkpoint = `${operation === 'reclaim' ? 'receive' : operation}:${moment}`;
  const life = await victim.run(
    inFlight ? order : { ...order, killAt: checkpoint },
    inFlight ? () => front.holding() > 0 : undefined,
  );
  expect(life).toMatchObject({ killed: true });
  front.clear();
  return { name: `${operation}, killed when ${moment}`, operation, front, words, directory, others };
}

/** Brings a dead wallet back and counts. Returns what is its own, with tokens that nobody claimed. */
async function count(bench: Bench, dead: Dead): Promise<number> {
  const { front, words, directory, operation, others } = dead;
  const wallet = bench.wallet(front, { words, directory });
  expect(await wallet.recover(soon())).toMatchObject({ waiting: [], troubled: [] });
  expect(wallet.balance()).toMatchObject({ reserved: sat(0), incoming: sat(0) });
  expect(await wallet.check(soon())).toMatchObject({
    consistent: true,
    problems: [],
    spentElsewhere: 0,
    unreachable: [],
  });
  const { ready, sent } = wallet.balance();
  const mine = ready + sent;
  expect(await unspentFromWords(front.url, words)).toBe(mine);

  // What came in and did not go out is here, fees excepted; every fee is in the journal.
  const journal = wallet.operations({ limit: 100 });
  const paid = journal.filter(({ kind, state }) => kind === 'melt' && state === 'paid');
  const came = journal.filter(({ kind, state }) => kind === 'mint' && state === 'done');
  const fees = journal.reduce((sum, each) => (each.state === 'rolled_back' ? sum : sum + each.fee), 0);
  const cameIn = came.reduce((sum, { amount }) => sum + amount, 0) + (others.length > 0 ? received : 0);
  expect(mine).toBe(cameIn - paid.reduce((sum, { amount }) => sum + amount, 0) - fees);
  if (operation === 'mint') expect(cameIn).toBe(funds + minted);
  if (others.length > 0) {
    const { wallet: asking } = await stranger(front);
    const states = await asking.checkProofsStates([...others]);
    expect(states.map(({ state }) => String(state))).not.toContain('UNSPENT');
  }

  // It goes on as if nothing had been: no number is used twice, nothing is stuck.
  const { fee } = await wallet.send({ amount: sat(10) }, soon());
  expect((await wallet.recover(soon())).waiting).toEqual([]);
  wallet.close();
  return mine - fee;
}

describe.skipIf(skipped)(`killed in the middle, with Nutshell ${nutshellVersion}`, () => {
  let nutshell: Nutshell;
  beforeAll(async () => {
    nutshell = await installNutshell();
  });

  // The mint that stays up is once enough: it is the easier case. Each case meets one of these; `CRASH_MATRIX=full`: all.
  // Without a fee less happens: only then.
  const settings = [
    [100, true],
    [100, false],
    ...(process.env.CRASH_MATRIX === 'full' ? ([[0, true]] as const) : []),
  ] as const;
  for (const [at, [feePpk, mintToo]] of settings.entries()) {
    const mintsFate = mintToo ? 'the mint is killed as well' : 'the mint stays up';
    test(`nothing is lost: ${feePpk} ppk, ${mintsFate}`, async () => {
      const mint = await startNutshell(nutshell, feePpk);
      const bench = createBench();
      try {
        const cases = operations.map((operation) =>
          moments.map(
            (moment): CrashCase<Victim, Dead> => [
              `${operation}, killed when ${moment}`,
              (victim) => die(mint, bench, operation, moment, victim),
            ],
          ),
        );
        const dead = await inLanes(victims, share(cases, { setting: at, of: settings.length }));
        if (mintToo) {
          await mint.kill();
          await mint.start();
        }
        const found = await inLanes(
          victims,
          dead.map((each) => [each.name, () => count(bench, each)]),
        );
        const books = mint.books();
        expect(books).toMatchObject({ pending: 0, outstanding: found.reduce((sum, each) => sum + each, 0) });
        expect(books.outstanding + books.paidOut + books.earned).toBe(books.issued);
      } finally {
        await bench.end();
        await mint.stop();
      }
    }, 300_000);
  }
});
