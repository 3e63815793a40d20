import { afterAll, expect, onTestFinished, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MintError, UnfinishedOperationError, UnknownOperationError } from '@nostr-dm-agent/cashu-wallet';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import type { FakeAnswer } from '@nostr-dm-agent/nostr/testing/fake-wallet';
import { autoTopUpFindings, checkAutoTopUp } from '../../src/doctor/check-auto-top-up.ts';
import { createSealer } from '../../src/keys/seal.ts';
import { connectionSeal, planTopUp } from '../../src/money/auto-top-up-plan.ts';
import { autoTopUpNewsText, autoTopUpStateText } from '../../src/replies/auto-top-up-replies.ts';
import { createAutoTopUpStore } from '../../src/store/auto-top-up-table.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createAutoTopUpBench, owner } from '../support/auto-top-up-world.ts';
import { silent } from '../support/backend.ts';

setDefaultTimeout(60_000);
const bench = createAutoTopUpBench();
afterAll(() => bench.end());

type TopUpStory = Awaited<ReturnType<typeof bench.story>>;
const minute = 60_000;
const hour = 60 * minute;
const paid: FakeAnswer = { result: { preimage: '00'.repeat(32) } };
const quoted = (amount: Sat) => ({
  ...{ operation: 'x' as never, mint: bench.mint.url as never, amount },
  ...{ request: undefined, expiresAt: undefined },
});
const says = (code: string): FakeAnswer => ({ error: { code, message: 'no' } });

/** What the owner's wallet does → what its owner is told, and how much is in the bot's wallet. */
const paying: readonly (readonly [string, readonly FakeAnswer[]])[] = [
  ['and says so', [paid]],
  ['and its answer is lost', []],
  ['and says so three times', [paid, paid, paid]],
  ['and says that it did not', [says('QUOTA_EXCEEDED')]],
  ['and says that it failed', [says('PAYMENT_FAILED')]],
  ['and answers by another key', [{ ...says('RESTRICTED'), by: generateSecretKey() }]],
];
for (const [name, answers] of paying) {
  test.concurrent(`an owner's wallet pays ${name}: the money is taken once, and told once`, async () => {
    const story = await bench.story({
      wallet: (_, pay) => {
        pay();
        return answers;
      },
    });
    await story.first.look();
    await story.first.look();
    expect(story.kinds()).toEqual(['paid']);
    expect(story.news[0]).toMatchObject({ amount: sat(1000), used: sat(1000), cap: sat(5000), late: false });
    expect(story.own.balance().ready).toBe(sat(1000));
    expect([story.payments.length, story.fake.requests.length]).toEqual([1, 1]);
    expect(story.own.operations({ limit: 1 })[0]?.note).toBe('automatic top-up');
  });
}

test.concurrent('while it is not known whether another bot is to act no wallet is asked to pay, whatever was begun', async () => {
  let known = false;
  const story = await bench.story({
    at: 'autotopup:journalled',
    wallet: (_, pay) => {
      pay();
      return [paid];
    },
  });
  await story.first.look();
  expect(story.store.open()).toMatchObject({ asked: false });
  // Known at first, and not any more at the last moment.
  const answers = [true, false];
  const next = story.open();
  next.start(async () => answers.shift() ?? known);
  await next.look();
  await next.look();
  expect([story.fake.requests.length, story.payments.length, story.kinds()]).toEqual([0, 0, []]);
  known = true;
  await next.look();
  await next.look();
  expect([story.fake.requests.length, story.payments.length, story.kinds()]).toEqual([1, 1, ['paid']]);
});

for (const [what, change] of [
  ['off is said', (story: TopUpStory) => void story.first.off()],
  ['the cap is lowered', (story: TopUpStory) => story.first.setCap(sat(999))],
  ['its owner is no admin any more', (story: TopUpStory) => story.demote()],
] as const) {
  test.concurrent(`${what} at the last moment, while relays are waited for: no wallet is asked to pay`, async () => {
    const story = await bench.story({ at: 'autotopup:journalled', wallet: () => [paid] });
    await story.first.look();
    const next = story.open();
    let asked = 0;
    next.start(async () => {
      asked += 1;
      if (asked === 2) change(story);
      return true;
    });
    await next.look();
    await next.look();
    expect([asked >= 2, story.fake.requests.length]).toEqual([true, 0]);
    expect(story.store.open()).toMatchObject({ asked: false });
  });
}

test.concurrent('while it is not known whether another bot is to act no invoice is asked for', async () => {
  const story = await bench.story({ wallet: () => [paid], threshold: 1, at: 'autotopup:quoted' });
  await story.first.close();
  const before = story.own.operations({ limit: 10 }).length;
  const next = story.open();
  next.start(async () => false);
  await next.look();
  expect(story.own.operations({ limit: 10 })).toHaveLength(before);
  expect(story.fake.requests).toHaveLength(0);
});

const refusing = [
  ...['QUOTA_EXCEEDED', 'INSUFFICIENT_BALANCE', 'RATE_LIMITED'].map((code) => [code, 'again'] as const),
  ...['RESTRICTED', 'UNAUTHORIZED', 'NOT_IMPLEMENTED'].map((code) => [code, 'stops'] as const),
  ...['PAYMENT_FAILED', 'INTERNAL', 'EXPIRED', 'OTHER', 'what is this'].map(
    (code) => [code, 'waits'] as const,
  ),
];
for (const [code, next] of refusing) {
  test.concurrent(`a wallet that answers ${code}: told once, and it ${next}`, async () => {
    let willPay = false;
    const story = await bench.story({
      wallet: (_, pay) => {
        if (willPay) pay();
        return [willPay ? paid : says(code)];
      },
    });
    await story.first.look();
    await story.first.look();
    expect(story.kinds()).toEqual([
      next === 'waits' ? `unclear ${/^[A-Z_]+$/.test(code) ? code : 'OTHER'}` : `refused ${code}`,
    ]);
    expect(story.fake.requests).toHaveLength(1);
    willPay = true;
    story.later(30 * minute);
    await story.first.look();
    // Where the wallet said for sure that it did not pay, the same invoice is asked for again; never another one.
    expect(story.fake.requests).toHaveLength(next === 'again' ? 2 : 1);
    expect(story.own.balance().ready).toBe(sat(next === 'again' ? 1000 : 0));
    expect(story.own.operations({ limit: 10 })).toHaveLength(1);
    if (next !== 'stops') return;
    story.first.set(story.store.open()?.owner as never, story.first.read(story.fake.uri), sat(5000));
    await story.first.look();
    expect(story.kinds()).toEqual([`refused ${code}`, 'paid']);
    expect(story.own.operations({ limit: 10 })).toHaveLength(1);
  });
}

test.concurrent('a wallet that says it has paid, and has not: nothing else is asked of it, and its owner is told what became of it', async () => {
  const story = await bench.story({ wallet: () => [paid] });
  await story.first.look();
  story.later(30 * minute);
  await story.first.look();
  expect(story.kinds()).toEqual(['claims-paid']);
  story.later(2 * hour);
  await story.first.look();
  expect(story.kinds().slice(0, 2)).toEqual(['claims-paid', 'never-came']);
  expect(story.own.balance().ready).toBe(sat(0));
});

test.concurrent('a wallet that sleeps is not asked twice; what it pays when it wakes up arrives, also after the invoice has ended', async () => {
  for (const waitMs of [10 * minute, 3 * hour]) {
    let wake: (() => void) | undefined;
    const story = await bench.story({
      wallet: (_, pay) => {
        wake ??= pay;
        return [];
      },
    });
    await story.first.look();
    expect(story.kinds()).toEqual(['silent']);
    expect(story.store.usedSince(0)).toBe(sat(1000));
    story.later(waitMs);
    if (waitMs < hour) wake?.();
    await story.first.look();
    if (waitMs < hour) {
      expect(story.kinds()).toEqual(['silent', 'paid']);
      continue;
    }
    // It ended unpaid, so another one could be begun; the first is paid after all.
    expect(story.store.expiredSince(0)).toHaveLength(1);
    wake?.();
    await story.own.recover(AbortSignal.timeout(20_000), 'all');
    await story.first.look();
    expect(story.kinds()).toContain('paid');
    expect(story.news.find(({ kind }) => kind === 'paid')).toMatchObject({ late: true });
  }
});

/** What it says to `get_info`, `get_budget` and `get_balance` → what doctor finds. */
const examined: readonly (readonly [
  string,
  Readonly<Record<string, FakeAnswer | undefined>>,
  string,
  string,
])[] = [
  [
    'knows no budgets',
    { get_info: { result: { methods: ['pay_invoice'] } } },
    'ok',
    'may pay; a top-up takes 1,000 sat',
  ],
  [
    'has a budget with enough',
    { get_info: {}, get_budget: { result: { used_budget: 1_000, total_budget: 2_001_999 } } },
    'ok',
    'may pay, 2,000 sat of its budget are left',
  ],
  [
    'has a budget that is used up',
    {
      get_info: {},
      get_budget: { result: { used_budget: 9e5, total_budget: 1e6, renews_at: 4_000_000_000 } },
    },
    'warning',
    '100 sat are left, and a top-up takes 1,000 sat → raise it in that wallet, or wait',
  ],
  [
    'holds little',
    { get_info: {}, get_balance: { result: { balance: 999_999 } } },
    'warning',
    'holds too little',
  ],
  [
    'answers nonsense',
    {
      get_info: { result: 'x' },
      get_budget: { result: { total_budget: '\u202e' } },
      get_balance: { result: { balance: -1 } },
    },
    'ok',
    'may pay;',
  ],
  ['may not pay', { get_info: { result: { methods: ['get_info'] } } }, 'broken', 'pay_invoice'],
  ['knows it no more', { get_info: says('UNAUTHORIZED') }, 'broken', 'does not know that connection'],
  ['sleeps', {}, 'warning', 'awake'],
];
for (const [name, answers, state, words] of examined) {
  test.concurrent(`doctor looks at an owner's wallet that ${name}; nothing is moved, no secret told`, async () => {
    const story = await bench.story({
      threshold: 0,
      wallet: ({ method }) => {
        const answer = answers[method];
        return answer === undefined ? (answers.get_info ? [says('NOT_IMPLEMENTED')] : []) : [answer];
      },
    });
    const exam = await story.first.examine(AbortSignal.timeout(20_000));
    const found = autoTopUpFindings(exam && { ...exam, amount: sat(1000) }, Date.now());
    expect(found).toHaveLength(1);
    expect(`${found[0]?.state} ${found[0]?.fact} → ${found[0]?.remedy}`).toContain(words);
    expect(found[0]?.state).toBe(state as 'ok');
    expect(JSON.stringify([exam, found])).not.toContain(/secret=(\w+)/.exec(story.fake.uri)?.[1] ?? '');
    expect(story.payments).toEqual([]);
  });
}
test('doctor on a terminal opens the connection with the bot’s key, and says when another has sealed it', async () => {
  const story = await bench.story({ threshold: 0, wallet: () => [{ result: { methods: ['pay_invoice'] } }] });
  const home = mkdtempSync(join(tmpdir(), 'nostr-dm-agent-test-'));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const db = openDatabase(join(home, 'bot.db'), botMigrations);
  const identity = (secretKey: Uint8Array) => ({ secretKey, publicKey: publicKeyOf(secretKey) });
  const [key, other] = [generateSecretKey(), generateSecretKey()];
  const look = (secretKey: Uint8Array) =>
    checkAutoTopUp(
      { home: home, identity: identity(secretKey), relays: [bench.relay.url] },
      silent,
      AbortSignal.timeout(20_000),
    );
  expect(await look(key)).toEqual([]);
  const { relays } = story.first.read(story.fake.uri);
  const connection = createSealer(key).seal(story.fake.uri, connectionSeal(owner));
  createAutoTopUpStore(db).setSource({ owner, connection, relays: [...relays], cap: sat(5000), setAt: 0 });
  db.close();
  expect(await look(key)).toMatchObject([
    { state: 'ok', fact: expect.stringContaining('a top-up takes 2,000 sat') },
  ]);
  expect(await look(other)).toMatchObject([
    { state: 'broken', remedy: expect.stringContaining('another key of the bot') },
  ]);
});

const checkpoints = ['quoted', 'journalled', 'asking', 'answered', 'taken', 'ended'];
for (const at of checkpoints) {
  test.concurrent(`cut off when it is ${at}: the next start finds what became of it; paid once, counted once`, async () => {
    const story = await bench.story({
      at: `autotopup:${at}`,
      threshold: 1000,
      cap: 2000,
      wallet: (_, pay) => {
        pay();
        return [paid];
      },
    });
    await story.first.look();
    await story.first.close();
    const next = story.open();
    next.start();
    await next.look();
    expect(story.payments).toHaveLength(1);
    expect(story.kinds().filter((kind) => kind === 'paid')).toHaveLength(1);
    expect(story.own.balance().ready).toBe(sat(2000));
    expect(story.store.usedSince(0)).toBe(sat(2000));
  });
}

test.concurrent('the cap of a day is never exceeded: not by many at once, not when the clock is set back, not by another cap', async () => {
  const spent: number[] = [];
  const story = await bench.story({
    cap: 2500,
    threshold: 1000,
    wallet: (_, pay) => {
      pay();
      spent.push(1);
      return [paid];
    },
  });
  const drain = async () => {
    const { operation } = await story.own.send(
      { amount: story.own.balance().ready },
      AbortSignal.timeout(20_000),
    );
    story.own.handOver(operation, 'test');
  };
  await Promise.all([story.first.look(), story.first.look(), story.first.look()]);
  expect(story.store.usedSince(0)).toBe(sat(2000));
  await drain();
  await story.first.look();
  // 500 are left of the cap: less than the alert is not worth asking for.
  expect(story.kinds()).toEqual(['paid', 'cap-used']);
  await story.first.look();
  story.later(-3 * hour);
  await story.first.look();
  story.later(-30 * hour);
  await story.first.look();
  story.first.setCap(sat(1000));
  await story.first.look();
  expect(story.kinds().filter((kind) => kind === 'paid')).toHaveLength(1);
  expect(spent).toHaveLength(1);
});

test.concurrent('a mint whose invoice is over more than it was asked for gets nothing', async () => {
  const story = await bench.story({
    wallet: (_, pay) => {
      pay();
      return [paid];
    },
    purse: {
      topUp: async ({ amount }) => ({ ...quoted(amount), invoice: bench.mint.invoice(9_999) }),
    },
  });
  await story.first.look();
  expect(story.kinds()).toEqual(['wrong-invoice']);
  expect([story.fake.requests.length, story.payments.length]).toEqual([0, 0]);
});

/** A mint's answer to being asked for an invoice → no wallet is asked, and the mint is not asked again at once. */
const badInvoices: readonly (readonly [string, () => string])[] = [
  ['that can’t be read', () => 'lnbc1nonsense'],
  ['without an amount', () => bench.mint.invoice(undefined)],
];
for (const [name, invoice] of badInvoices) {
  test.concurrent(`an invoice ${name} ends automatic top-ups, and their owner is told why`, async () => {
    let asked = 0;
    const story = await bench.story({
      wallet: () => [paid],
      purse: {
        topUp: async ({ amount }) => {
          asked += 1;
          return { ...quoted(amount), invoice: invoice() };
        },
      },
    });
    await story.first.look();
    await story.first.look();
    expect(story.kinds()).toEqual(['wrong-invoice']);
    expect([story.fake.requests.length, asked]).toEqual([0, 1]);
  });
}

test.concurrent('a quote that its mint holds good for ever ends with its invoice', async () => {
  const story = await bench.story({
    wallet: () => [],
    purse: (own) => ({
      topUp: async (request, signal) => ({
        ...(await own.topUp(request, signal)),
        expiresAt: Date.now() + 365 * 24 * hour,
      }),
    }),
  });
  await story.first.look();
  expect(story.store.open()).toBeDefined();
  story.later(3 * hour);
  await story.first.look();
  expect(story.store.expiredSince(0)).toHaveLength(1);
});

test.concurrent('money that its mint gave to somebody else counts, is told once, and no more is asked for', async () => {
  const story = await bench.story({
    wallet: (_, pay) => {
      pay();
      return [paid];
    },
    purse: {
      claimTopUp: async (operation) => {
        throw new UnfinishedOperationError(operation, 'issued-elsewhere');
      },
      watchTopUp: async (operation) => {
        throw new UnfinishedOperationError(operation, 'issued-elsewhere');
      },
    },
  });
  await story.first.look();
  story.later(3 * hour);
  await story.first.look();
  expect(story.kinds()).toEqual(['mint-kept']);
  expect(story.payments).toHaveLength(1);
  expect(story.store.usedSince(0)).toBe(sat(1000));
  expect(story.first.state()).toMatchObject({ stopped: 'mint-kept', last: { state: 'paid' } });
});

test.concurrent('a mint that is gone, or a wallet of other words, keeps nothing open for ever, and nothing is paid into it', async () => {
  const gone: readonly ((operation: string) => Error)[] = [
    () => new MintError(bench.mint.url, { kind: 'unreachable' }),
    (operation) => new UnknownOperationError(operation),
  ];
  for (const error of gone) {
    let isGone = false;
    const story = await bench.story({
      wallet: () => [says('QUOTA_EXCEEDED')],
      purse: (own) => ({
        claimTopUp: async (operation, signal) => {
          if (isGone) throw error(operation);
          return own.claimTopUp(operation, signal);
        },
      }),
    });
    await story.first.look();
    isGone = true;
    story.later(20 * minute);
    await story.first.look();
    expect(story.fake.requests).toHaveLength(1);
    expect(story.store.usedSince(0)).toBe(sat(1000));
    story.later(30 * hour);
    await story.first.look();
    expect(story.store.open()?.operation).not.toBe(story.store.expiredSince(0)[0]?.operation as never);
    expect(story.store.expiredSince(0)).toHaveLength(1);
  }
});

test.concurrent('a cap that is lowered holds for what was begun before', async () => {
  const story = await bench.story({ wallet: () => [says('QUOTA_EXCEEDED')] });
  await story.first.look();
  story.first.setCap(sat(999));
  story.later(30 * minute);
  await story.first.look();
  expect(story.fake.requests).toHaveLength(1);
  story.first.setCap(sat(1000));
  await story.first.look();
  expect(story.fake.requests).toHaveLength(2);
});

test.concurrent('what the wallet before says late does not stop the one that is connected now', async () => {
  for (const code of ['UNAUTHORIZED', 'QUOTA_EXCEEDED']) {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    let isFirst = true;
    const story = await bench.story({
      wallet: async () => {
        if (!isFirst) return [];
        isFirst = false;
        asked.resolve();
        await answer.promise;
        return [says(code)];
      },
    });
    await asked.promise;
    story.first.set(owner, story.first.read(story.fake.uri), sat(5000));
    answer.resolve();
    await story.first.look();
    expect(story.first.state()).toMatchObject({ stopped: undefined });
    expect(story.kinds()).not.toContain(`refused ${code}`);
  }
});

test.concurrent('off, or no admin any more: the secret is gone, nothing is asked', async () => {
  const story = await bench.story({ wallet: () => [says('INTERNAL')], threshold: 1 });
  expect(JSON.stringify(story.store.source())).not.toContain(
    story.fake.uri.split('secret=')[1]?.slice(0, 16) ?? '',
  );
  story.demote();
  await story.first.look();
  expect(story.store.source()).toBeUndefined();
  await story.first.look();
  expect(story.fake.requests.length).toBeLessThanOrEqual(1);
  // What may still be paid is named.
  expect(story.first.off()).toEqual(story.store.open());
});

test.concurrent('a home that takes over does not know what was paid on this day: nothing is asked before the next, whatever is heard of', async () => {
  const story = await bench.story({
    wallet: (_, pay) => {
      pay();
      return [paid];
    },
    at: 'autotopup:asking',
  });
  await story.first.look();
  await story.first.close();
  story.takeOver();
  // What was begun is paid meanwhile.
  const { invoice = '', operation } = story.store.open() ?? {};
  bench.mint.pay(bench.mint.quoteOf(invoice));
  const next = story.open();
  next.start();
  await next.look();
  expect(story.store.find(operation ?? '')?.state).toBe('paid');
  next.set(owner, next.read(story.fake.uri), sat(9000));
  const { operation: token } = await story.own.send({ amount: sat(1000) }, AbortSignal.timeout(20_000));
  story.own.handOver(token, 'test');
  await next.look();
  expect(story.fake.requests).toHaveLength(0);
  expect(next.isDue()).toBe(false);
  expect(story.kinds()).toEqual(['paid']);
  story.later(24 * hour);
  expect(next.isDue()).toBe(true);
});

test('what is due, as a table', () => {
  const base = {
    held: sat(0),
    threshold: sat(1000),
    cap: sat(5000),
    used: sat(0),
    stopped: undefined,
    nextAt: 0,
    now: 10,
  };
  const rows: readonly (readonly [Partial<Parameters<typeof planTopUp>[0]>, unknown])[] = [
    [{}, { kind: 'top-up', amount: sat(2000) }],
    [{ held: sat(1000) }, { kind: 'enough' }],
    [{ threshold: sat(0) }, { kind: 'enough' }],
    [{ used: sat(4000) }, { kind: 'top-up', amount: sat(1000) }],
    [{ used: sat(4001) }, { kind: 'cap-used' }],
    [{ used: sat(9000) }, { kind: 'cap-used' }],
    [{ cap: sat(300) }, { kind: 'top-up', amount: sat(300) }],
    [{ cap: sat(300), used: sat(1) }, { kind: 'cap-used' }],
    [{ stopped: 'RESTRICTED' }, { kind: 'stopped' }],
    [{ nextAt: 11 }, { kind: 'waiting' }],
    [{ nextAt: 10 + 24 * hour }, { kind: 'waiting' }],
    [{ nextAt: 10 + 26 * hour }, { kind: 'top-up', amount: sat(2000) }],
  ];
  for (const [given, expected] of rows) expect(planTopUp({ ...base, ...given })).toEqual(expected as never);
});

test('each piece of news is a clear sentence, without a secret', () => {
  const amount = sat(2000);
  const until = 10 * minute;
  const said = [
    { kind: 'paid', amount, used: amount, cap: sat(5000), late: false },
    { kind: 'refused', code: 'QUOTA_EXCEEDED', amount, again: until },
    { kind: 'refused', code: 'UNAUTHORIZED', amount, again: undefined },
    { kind: 'silent', amount, until },
    { kind: 'unclear', code: 'PAYMENT_FAILED', amount, until },
  ] as const;
  expect(said.map((news) => autoTopUpNewsText(news, 0))).toEqual([
    '⚡ 2,000 sat taken from your wallet. Today 2,000 sat of 5,000 sat.',
    'Your wallet did not pay 2,000 sat: the budget of the connection there is used up: raise it, or wait until it is renewed. It is asked again in 10 min. !wallet topup fills the wallet by hand.',
    'Your wallet said no: it does not know the connection any more. No automatic top-ups any more. Make a new one in your wallet, then send !wallet autotopup with the connection again. !wallet topup fills the wallet by hand.',
    'Your wallet did not answer about 2,000 sat: wake it up, or look whether the connection is still there. Nothing is lost: its invoice can still be paid for 10 min, and then the money arrives. Till then no other is asked for, because both could be paid. !wallet topup fills the wallet by hand.',
    'Your wallet says that it did not pay 2,000 sat: the payment failed: no way to the mint was found, or it took too long. That is not certain: its invoice can still be paid for 10 min, so no other is asked for till then (both could be paid). If it pays after all, the money arrives. !wallet topup fills the wallet by hand.',
  ]);
});

test('how it stands names what is waited for, until when, and the way by hand; no code stands alone', async () => {
  const story = await bench.story({ wallet: () => [says('INTERNAL')] });
  await story.first.look();
  const state = story.first.state();
  const last = state?.last;
  if (state === undefined || last === undefined) throw new Error('nothing was begun');
  const told = (answer: string, more: object = {}) => {
    const shown = { ...state, told: `${answer} Sun Nov 29 2026`, ...more };
    const at = last.expiresAt - 9 * minute;
    return autoTopUpStateText(
      { ...shown, nextAt: at + minute, last: { ...last, answer } },
      owner,
      sat(500),
      at,
    );
  };
  const waits = 'can still be paid for 10 min; till then no other is asked for, because both could be paid.';
  for (const answer of ['silent', 'paid', 'INTERNAL', 'PAYMENT_FAILED']) {
    expect(told(answer)).toContain(waits);
    expect(told(answer)).not.toContain('Tried again');
  }
  for (const answer of ['QUOTA_EXCEEDED', 'INSUFFICIENT_BALANCE', 'RATE_LIMITED'])
    expect(told(answer)).toContain('Tried again in 1 min. !wallet topup');
  for (const answer of ['RESTRICTED', 'UNAUTHORIZED', 'NOT_IMPLEMENTED', 'UNSUPPORTED_ENCRYPTION'])
    expect(told(answer, { stopped: answer })).not.toContain('till then');
  for (const answer of ['silent', 'paid', 'INTERNAL', 'QUOTA_EXCEEDED', 'RESTRICTED', 'OTHER', 'EXPIRED'])
    expect(told(answer, { stopped: answer === 'RESTRICTED' ? answer : undefined })).not.toMatch(/[A-Z]{2,}/);
  expect(told('SOLAR_FLARE')).toContain('it says “SOLAR_FLARE”');
  expect(told('A\u202e\n“B”'.repeat(30))).toMatch(/it says “[AB]+…”/);
});
