/*
 * Payment requests (NUT-18) up to the relay: what is asked for, what a payer may send, and what becomes of it. How messages
 * travel is the bot's business (test/money/bot-payment-requests.test.ts).
 */
import { afterEach, describe, expect, test } from 'bun:test';
import { decodePaymentRequest, type Proof } from '@cashu/cashu-ts';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { SandboxMint, SandboxMintOptions } from '@nostr-dm-agent/sandbox/mint';
import { requestKey } from '../src/crypto/request-keys.ts';
import { readMnemonic } from '../src/crypto/seed.ts';
import type { CashuWallet } from '../src/faces.ts';
import { keyIn, nprofileOf, payloadOf } from './support/payer.ts';
import { createBench, newWords, type OpenOptions, soon, stranger } from './support/wallet-kit.ts';

const bench = createBench();
afterEach(() => bench.end());

const day = 24 * 3_600_000;

/** A wallet that payers can reach, and a payer. */
async function world(options: SandboxMintOptions = {}, opened: Partial<OpenOptions> = {}) {
  const mint = bench.mint(options);
  const words = opened.words ?? newWords();
  const directory = opened.directory ?? bench.folder();
  const open = (): CashuWallet => reachable(bench.wallet(mint, { ...opened, words, directory }));
  const { proofs, ...payer } = await stranger(mint);
  /** Nobody pays the wallet's own invoices meanwhile. */
  const richly =
    <Given, Got>(work: (given: Given) => Promise<Got>) =>
    async (given: Given): Promise<Got> => {
      mint.lightning.incoming = 'at-once';
      return work(given).finally(() => {
        mint.lightning.incoming = 'on-demand';
      });
    };
  mint.lightning.incoming = 'on-demand';
  return {
    ...{ mint, words, open, wallet: open() },
    payer: { ...payer, proofs: richly(proofs), token: richly((amount: number) => payer.token(amount)) },
  };
}

const reachable = (wallet: CashuWallet): CashuWallet => {
  wallet.requests.reachedAt(nprofileOf, () => undefined);
  return wallet;
};

async function ask(wallet: CashuWallet, amount: number, owner?: string) {
  const { request, ...topUp } = await wallet.topUp(
    { amount: sat(amount), ...(owner !== undefined && { owner }) },
    soon(),
  );
  if (request === undefined) throw new Error('no request was made');
  return { ...topUp, ...request, key: keyIn(request.text) };
}

/** Redeems what is there; gives what became of each. */
async function redeemAll(wallet: CashuWallet): Promise<readonly string[]> {
  const outcomes: string[] = [];
  for (;;) {
    const outcome = await wallet.requests.redeemNext(soon());
    if (outcome === undefined) return outcomes;
    outcomes.push(outcome);
  }
}

/** What is to be told, and it is told. */
function heard(wallet: CashuWallet) {
  const news = wallet.requests.news();
  for (const one of news) wallet.requests.newsTold(one);
  return news.map((one) =>
    one.kind === 'came'
      ? {
          asked: one.asked,
          amount: one.received.amount,
          before: one.before.face,
          invoicePaid: one.invoicePaid,
        }
      : { asked: one.asked, refused: one.problem.kind },
  );
}

test('the keys and ids are those that the words give', () => {
  const seed = readMnemonic(`${'abandon '.repeat(11)}about`);
  const of = (number: number) => {
    const { id, publicKey, secretKey } = requestKey(seed, number);
    return [id, Buffer.from(secretKey).toString('hex'), publicKey];
  };
  // Computed by Python's hmac and hashlib, and curve arithmetic written out.
  expect([of(0), of(1), of(7)]).toEqual([
    [
      'a26a244d',
      '52d904485ff12b7a280a54712dcb7c3213fa38856537b0f8293f59a8a02abdd5',
      '2f9e9aae0cfc846e9b5a920d7b8a996281bbd3cf5d2d872a9499f4e2177b35a1',
    ],
    [
      'bbb634fa',
      'a524180dcd5f892e9cd852a35d36e35894698f53f411322d4c382cbb43e76d98',
      'defd824566febfd6a947e31a34f4d1cc55becc31530321721c8af7c80e542c03',
    ],
    [
      '86f2b919',
      '6ed35cbd9b567b7d56bb674c714e2263073016bcec36876517f35147dfc51722',
      'e1e7d9837cc8b3efc6fad81cc1c37e668bd98b8d8969dc974e29b9b3aca1ba51',
    ],
  ]);
});

test('a request names what is wanted, and a key of its own; creqB is the same', async () => {
  const { wallet, mint } = await world();
  const first = await ask(wallet, 300);
  const second = await ask(wallet, 300);
  const wanted = { amount: 300n, unit: 'sat', mints: [mint.url], singleUse: true };
  const read = (text: string) => {
    const { id, amount, unit, mints, singleUse, transport } = decodePaymentRequest(text);
    return { id, amount: amount?.toBigInt(), unit, mints, singleUse, transport };
  };
  expect(first.text).toStartWith('creqA');
  expect(read(first.text)).toMatchObject({ ...wanted, id: first.id });
  expect(read(first.text).transport?.[0]).toMatchObject({ type: 'nostr', tags: [['n', '17']] });
  expect(first.qr).toMatch(/^CREQB1[A-Z0-9]+$/);
  expect(read(first.qr)).toMatchObject({ ...wanted, id: first.id });
  expect(second.key).not.toBe(first.key);
  expect(wallet.requests.mailboxes().map(({ publicKey }) => publicKey)).toEqual([second.key, first.key]);
});

test('without somebody who carries messages there is an invoice alone', async () => {
  const wallet = bench.wallet(bench.mint());
  expect((await wallet.topUp({ amount: sat(10) }, soon())).request).toBeUndefined();
  expect(wallet.requests.mailboxes()).toEqual([]);
});

describe.each(['00', '01'] as const)('with keysets of version %s', (keysetVersion) => {
  test.each([
    ['exactly', { feePpk: 100 }, 301, 300],
    ['too much', { feePpk: 100 }, 400, 399],
    ['too little', { feePpk: 0 }, 120, 120],
  ])('what is paid %s is kept, and told once', async (_, options, sent, net) => {
    const { wallet, mint, payer } = await world({ ...options, keysetVersion });
    const { text, key } = await ask(wallet, 300, 'ada');
    const proofs = await payer.proofs(sent);
    // As Nutshell sends them.
    const short = proofs.map((proof) => ({ ...proof, id: proof.id.slice(0, 16) }));
    const before = mint.requests.length;
    expect(wallet.requests.deliver(key, payloadOf(text, `${mint.url}/`, short))).toBe('kept');
    expect(mint.requests.length).toBe(before);
    expect(await redeemAll(wallet)).toEqual(['redeemed']);
    expect(wallet.balance().ready).toBe(sat(net));
    expect(heard(wallet)).toEqual([
      { asked: sat(300), amount: sat(net), before: sat(0), invoicePaid: false },
    ]);
    expect(heard(wallet)).toEqual([]);
    expect(wallet.shares.brought('ada', 0)).toBe(sat(net));
    const open = net < 300 ? [{ amount: 300, came: 120, waiting: 0 }] : [];
    expect(wallet.requests.open().map(({ amount, came, waiting }) => ({ amount, came, waiting }))).toEqual(
      open as never,
    );
  });
});

test('what is missing comes later, then again, then by the invoice: each is told with what came before', async () => {
  const { wallet, mint, payer } = await world();
  const parts = [
    await payer.proofs(100),
    await payer.proofs(200),
    await payer.proofs(300),
    await payer.proofs(7),
  ];
  const { text, key, operation, invoice } = await ask(wallet, 300);
  const pay = async (proofs: readonly Proof[] = []) => {
    expect(wallet.requests.deliver(key, payloadOf(text, mint.url, proofs, { textual: true }))).toBe('kept');
    await redeemAll(wallet);
    return heard(wallet)[0];
  };
  expect(await pay(parts[0])).toMatchObject({ amount: 100, before: 0 });
  expect(await pay(parts[1])).toMatchObject({ amount: 200, before: 100 });
  expect(await pay(parts[2])).toMatchObject({ amount: 300, before: 300 });
  expect(wallet.requests.paidFor(operation)).toBe(sat(600));
  mint.pay(mint.quoteOf(invoice));
  expect(await wallet.claimTopUp(operation, soon())).toBe('paid');
  expect(await pay(parts[3])).toMatchObject({ amount: 7, before: 600, invoicePaid: true });
  expect(wallet.balance().ready).toBe(sat(907));
});

describe('the same proofs twice are money once', () => {
  const cases: readonly [
    string,
    (text: string, mint: SandboxMint, proofs: readonly Proof[]) => string,
    string,
  ][] = [
    ['the same payload', (text, mint, proofs) => payloadOf(text, mint.url, proofs), 'known'],
    [
      'in another order, as texts',
      (text, mint, proofs) => payloadOf(text, mint.url, [...proofs].reverse(), { textual: true }),
      'known',
    ],
    ['without an id', (text, mint, proofs) => payloadOf(text, mint.url, proofs, { id: undefined }), 'known'],
    ['a part of them', (text, mint, proofs) => payloadOf(text, mint.url, proofs.slice(1)), 'kept'],
  ];
  test.each(cases)('%s', async (_, again, delivery) => {
    const { wallet, mint, payer } = await world();
    const { text, key } = await ask(wallet, 100);
    const proofs = await payer.proofs(100);
    expect(wallet.requests.deliver(key, payloadOf(text, mint.url, proofs))).toBe('kept');
    // Also before the first is redeemed.
    expect(wallet.requests.deliver(key, again(text, mint, proofs))).toBe(delivery as never);
    expect(await redeemAll(wallet)).toEqual(delivery === 'known' ? ['redeemed'] : ['redeemed', 'repeated']);
    expect(wallet.requests.deliver(key, again(text, mint, proofs))).toBe('known');
    expect(wallet.balance().ready).toBe(sat(100));
    expect(heard(wallet)).toHaveLength(1);
  });

  test('pasted by an owner as a token, too', async () => {
    const { wallet, mint, payer } = await world();
    const { text, key } = await ask(wallet, 100);
    const token = await payer.token(100);
    const proofs = payer.wallet.decodeToken(token).proofs;
    await wallet.receive(token, { cap: false }, soon());
    expect(wallet.requests.deliver(key, payloadOf(text, mint.url, proofs))).toBe('kept');
    expect(await redeemAll(wallet)).toEqual(['repeated']);
    expect(heard(wallet)).toEqual([]);
    expect(wallet.balance().ready).toBe(sat(100));
  });
});

describe('what can’t be taken reaches no mint', () => {
  const proof = (changes: Readonly<Record<string, unknown>> = {}) => ({
    ...{ id: '00ad268c4d1f5826', amount: 2, secret: 'a'.repeat(64), C: `02${'b'.repeat(64)}` },
    ...changes,
  });
  const many = (count: number, changes: Readonly<Record<string, unknown>> = {}) =>
    Array.from({ length: count }, (_, i) => proof({ secret: `${i}`.padStart(64, '0'), ...changes }));
  const cases: readonly [string, Readonly<Record<string, unknown>> | string, string | undefined][] = [
    ['another mint', { mint: 'https://mint.stranger.example' }, 'wrong-mint'],
    ['a mint in the own network', { mint: 'http://10.0.0.1' }, 'wrong-mint'],
    ['another unit', { unit: 'usd' }, 'wrong-unit'],
    ['msat', { unit: 'msat' }, 'wrong-unit'],
    ['a lock', { proofs: [proof({ secret: '["P2PK",{"nonce":"a","data":"02aa"}]' })] }, 'locked'],
    [
      'a lock of a kind that nobody knows',
      { proofs: [proof({ secret: '["NEW",{"nonce":"a","data":"02aa"}]' })] },
      'locked',
    ],
    ['201 proofs', { proofs: many(201) }, 'too-many-proofs'],
    ['100,000 proofs', { proofs: many(100_000) }, 'too-many-proofs'],
    ['secrets of 100 kB in all', { proofs: many(100, { secret: 's'.repeat(1_000) }) }, 'too-large'],
    ['a secret of 100 kB', { proofs: [proof({ secret: 's'.repeat(100_000) })] }, 'malformed'],
    ['no amount', { proofs: [proof({ amount: undefined })] }, 'malformed'],
    ['amount 0', { proofs: [proof({ amount: 0 })] }, 'malformed'],
    ['a negative amount', { proofs: [proof({ amount: -4 })] }, 'malformed'],
    ['half a sat', { proofs: [proof({ amount: 0.5 })] }, 'malformed'],
    ['more than there is', { proofs: [proof({ amount: 1e15 })] }, 'malformed'],
    ['more in all', { proofs: many(200, { amount: 1e12 }) }, 'malformed'],
    ['a point that is none', { proofs: [proof({ C: 'zz' })] }, 'malformed'],
    ['no proofs', { proofs: [] }, undefined],
    ['proofs that are none', { proofs: 'all of them' }, undefined],
    ['another request', { id: 'deadbeef' }, undefined],
    ['no JSON', 'hello, bot!', undefined],
    ['JSON that is no payment', '[1,2,3]', undefined],
    ['a very deep one', '['.repeat(100_000), undefined],
    ['a token', `cashuB${'o'.repeat(200)}`, undefined],
  ];
  test.each(cases)('%s', async (_, changes, problem) => {
    const { wallet, mint } = await world();
    const { text, key } = await ask(wallet, 100);
    const before = mint.requests.length;
    const content =
      typeof changes === 'string'
        ? changes
        : payloadOf(text, mint.url, [], { proofs: [proof()], ...changes });
    for (let i = 0; i < 3; i += 1) {
      expect(wallet.requests.deliver(key, content)).toBe(problem === undefined ? 'junk' : 'refused');
    }
    expect(await redeemAll(wallet)).toEqual([]);
    expect(mint.requests.length).toBe(before);
    // Once for each request, however many come.
    expect(heard(wallet)).toEqual(
      problem === undefined ? [] : ([{ asked: sat(100), refused: problem }] as never),
    );
  });
});

test('what is forged, spent or dust is no money; of what is refused the owner hears once, of what is spent never', async () => {
  const { wallet, mint, payer } = await world({ feePpk: 1000 });
  const { text, key } = await ask(wallet, 100);
  const send = (proofs: readonly Proof[]) => wallet.requests.deliver(key, payloadOf(text, mint.url, proofs));
  const [good] = await payer.proofs(64);
  if (good === undefined) throw new Error('no proof');
  for (let i = 0; i < 3; i += 1) send([{ ...good, secret: `${i}`.repeat(64) }]);
  send(await payer.proofs(1));
  const spent = await payer.proofs(32);
  await payer.wallet.receive({ mint: mint.url, proofs: spent, unit: 'sat' });
  send(spent);
  expect(wallet.balance()).toMatchObject({ ready: 0, incoming: 0 });
  expect(await redeemAll(wallet)).toEqual(['refused', 'refused', 'refused', 'refused', 'spent']);
  expect(heard(wallet)).toEqual([{ asked: sat(100), refused: 'bad-signature' }]);
  expect(wallet.balance()).toMatchObject({ ready: 0, incoming: 0 });
  expect(wallet.operations({ limit: 50, unfinished: true }).filter(({ kind }) => kind === 'receive')).toEqual(
    [],
  );
  // They are in nobody's way.
  send([good]);
  expect(await redeemAll(wallet)).toEqual(['redeemed']);
  expect(wallet.balance().ready).toBe(sat(63));
});

test('a mint that is away is asked again later, also by a life without messages', async () => {
  const { wallet, mint, payer, open } = await world();
  const { text, key } = await ask(wallet, 64);
  const proofs = await payer.proofs(64);
  await mint.goDown();
  expect(wallet.requests.deliver(key, payloadOf(text, mint.url, proofs))).toBe('kept');
  expect(await wallet.requests.redeemNext(soon())).toBe('later');
  expect(await wallet.requests.redeemNext(soon())).toBeUndefined();
  expect(wallet.requests.open()).toMatchObject([{ came: 0, waiting: 64 }]);
  wallet.close();
  mint.comeUp();
  const next = open();
  await next.recover(soon());
  expect(next.balance().ready).toBe(sat(64));
  expect(heard(next)).toMatchObject([{ amount: 64 }]);
});

test('a request is listened to for a day and a week, and a week after each payment', async () => {
  let now = Date.now();
  const clock = { now: () => now };
  const pass = (days: number) => {
    now += days * day;
  };
  const { wallet, mint, payer } = await world({}, { clock });
  const made = clock.now();
  const { text, key } = await ask(wallet, 10);
  const late = [await payer.proofs(10), await payer.proofs(11)];
  pass(7.9);
  expect(wallet.requests.since()).toBe(made);
  expect(wallet.requests.open()).toEqual([]);
  expect(wallet.requests.deliver(key, payloadOf(text, mint.url, late[0] ?? []))).toBe('kept');
  expect(await redeemAll(wallet)).toEqual(['redeemed']);
  pass(6.9);
  expect(wallet.requests.mailboxes()).toHaveLength(1);
  pass(0.2);
  expect(wallet.requests.mailboxes()).toEqual([]);
  // Should it come all the same, it is taken: the key is ours for ever.
  expect(wallet.requests.deliver(key, payloadOf(text, mint.url, late[1] ?? []))).toBe('kept');
  expect(await redeemAll(wallet)).toEqual(['redeemed']);
  expect(wallet.balance().ready).toBe(sat(21));
});

test('a second machine finds what was sent to requests of the first, once the words were restored there', async () => {
  const { wallet, mint, payer, words } = await world();
  const requests = [await ask(wallet, 10), await ask(wallet, 20), await ask(wallet, 30)];
  wallet.close();
  const second = reachable(bench.wallet(mint, { words }));
  expect(second.requests.mailboxes()).toEqual([]);
  await second.restore(soon());
  const keys = second.requests.mailboxes().map(({ publicKey }) => publicKey);
  expect(keys).toHaveLength(20);
  for (const { text, key } of [requests[2], requests[0]].filter((one) => one !== undefined)) {
    expect(keys).toContain(key);
    expect(second.requests.deliver(key, payloadOf(text, mint.url, await payer.proofs(10)))).toBe('kept');
  }
  expect(await redeemAll(second)).toEqual(['redeemed', 'redeemed']);
  expect(second.balance().ready).toBe(sat(20));
  expect(heard(second)).toMatchObject([
    { asked: undefined, amount: 10 },
    { asked: undefined, amount: 10 },
  ]);
  // What it asks for itself is sent to keys that the first has not shown.
  expect(keys).not.toContain((await ask(second, 5)).key);
  expect(second.requests.mailboxes().map(({ publicKey }) => publicKey)).toContain(requests[1]?.key ?? '');
});

test('an owner has so many open requests, and invoices beyond; a request so many payments that wait', async () => {
  const { wallet, mint, payer } = await world();
  const first = await ask(wallet, 10, 'ada');
  for (let i = 1; i < 20; i += 1) await ask(wallet, 10, 'ada');
  expect((await wallet.topUp({ amount: sat(10), owner: 'ada' }, soon())).request).toBeUndefined();
  await ask(wallet, 10, 'bo');
  const [good] = await payer.proofs(8);
  if (good === undefined) throw new Error('no proof');
  const send = (proof: Proof) => wallet.requests.deliver(first.key, payloadOf(first.text, mint.url, [proof]));
  for (let i = 0; i < 50; i += 1) expect(send({ ...good, secret: `${i}`.padStart(64, '0') })).toBe('kept');
  expect(send(good)).toBe('later');
  await wallet.requests.redeemNext(soon());
  expect(send(good)).toBe('kept');
  // A pass of the wallet's own upkeep makes a mint work for five strangers at the most.
  const before = mint.requests.filter((request) => request.endsWith('/v1/swap')).length;
  await wallet.recover(soon());
  expect(mint.requests.filter((request) => request.endsWith('/v1/swap')).length - before).toBe(5);
});

test('who sends sat by sat is counted, and told of ten times', async () => {
  const { wallet, mint, payer } = await world();
  const { text, key } = await ask(wallet, 100);
  for (let i = 0; i < 13; i += 1) {
    wallet.requests.deliver(key, payloadOf(text, mint.url, await payer.proofs(1)));
  }
  await redeemAll(wallet);
  expect(heard(wallet)).toHaveLength(10);
  expect(wallet.balance().ready).toBe(sat(13));
});
