import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import jsQR from 'jsqr';
import { loadAssets } from '../src/assets.ts';
import { ledgerCsv } from '../src/ledger-csv.ts';
import type { LedgerFacts, LedgerQuery, MoneyFacts, TopUpFacts } from '../src/money-source.ts';
import { seriesOf } from '../src/spend-series.ts';
import type { Visitor } from '../src/visitor.ts';
import { cookieOf, newPerson, startPage } from './support/page-kit.ts';

const admin = newPerson();
const owners = new Map<PublicKey, Visitor['role']>([[admin.publicKey, 'admin']]);
const page = await startPage(owners);
let cookie = '';
beforeAll(async () => {
  cookie = cookieOf(await page.post(`/enter/${page.links.make(admin.publicKey)}`));
});
afterAll(() => page.stop());
const ask = (path: string, signal?: AbortSignal) =>
  page.ask(path, { headers: { Cookie: cookie }, ...(signal === undefined ? {} : { signal }) });
const look = async (path: string) => (await ask(path)).text();

const evil = '"><img src=x onerror=alert(1)>';
const nothing = { ready: sat(0), reserved: sat(0), sent: sat(0), incoming: sat(0) };
const topUp: TopUpFacts = {
  ...{
    id: 'k3x7q2m9wd',
    amount: sat(5000),
    mint: 'http://mint.example',
    invoice: `lnbc50u1${'q'.repeat(300)}`,
  },
  ...{ request: undefined, expiresAt: 1_900_000_000_000, state: 'unpaid' },
};
const facts: MoneyFacts = {
  wallet: {
    all: { ...nothing, ready: sat(7000), incoming: sat(5) },
    mints: [
      { mint: 'http://mint.example', ...nothing, ready: sat(7000), owed: sat(1800) },
      { mint: evil, ...nothing, owed: sat(0) },
    ],
    nodes: { running: sat(2000), due: sat(1800), kept: sat(0) },
  },
  ...{ share: undefined, today: { used: sat(138), limit: sat(9000) }, topUps: [topUp], open: [evil] },
  autoTopUp: { isOn: true, lines: ['Today 2,000 sat of 5,000 sat.', evil] },
  stuck: [
    {
      ...{
        id: 'run-7',
        problem: `it kept it ${evil}`,
        inDoubt: sat(1862),
        task: evil,
        where: 'node.example',
      },
      ...{
        operator: 'npub1op',
        since: 0,
        todo: ['Write to it.'],
        amounts: [{ name: 'Budget', amount: '2,000 sat' }],
      },
      evidence: [{ at: 0, step: 'refund', outcome: 'gone', status: 410, said: evil, requestId: 'req-1' }],
    },
  ],
};
const money = { facts, asked: [] as LedgerQuery[], rows: [] as LedgerFacts[] };
page.views.money = {
  view: () => money.facts,
  ledger: async function* (_visitor, query, { before, atOnce }) {
    money.asked.push(query);
    const from = before === undefined ? 0 : money.rows.findIndex(({ id }) => id === before.id) + 1;
    for (let at = from; at < money.rows.length; at += atOnce) yield money.rows.slice(at, at + atOnce);
  },
  hasWallet: () => true,
  spenders: () => [],
  spend: (_visitor, { by }) => ({
    days: [{ key: 0, name: 'Sun 22 Nov' }],
    spent: [{ day: 0, name: by === 'model' ? evil : 'you', runs: 2, spent: sat(300), open: sat(0) }],
  }),
};
const row = (id: number): LedgerFacts => ({
  ...{ id, at: 1_000_000 - id, task: `task ${id}`, model: 'm', provider: 'routstr', node: undefined },
  ...{
    owner: undefined,
    state: 'settled',
    budget: sat(2000),
    spent: sat(138),
    refund: sat(1860),
    fee: sat(2),
  },
});

describe('an admin looks at the money', () => {
  test('what there is, what is stuck with its evidence, and none of it is obeyed', async () => {
    const shown = await look('/money');
    for (const wanted of [
      '7,000 sat',
      '138 sat',
      'of 9,000 sat a day',
      '1,862 sat in doubt',
      'req-1',
      '410 gone',
    ])
      expect(shown).toContain(wanted);
    expect(shown).not.toContain('<img');
    expect(await look('/money/spend')).not.toContain('<img');
  });

  test('an invoice can be scanned, and turns green when it is paid', async () => {
    const shown = await look('/money');
    expect(shown).toContain(`href="lightning:${topUp.invoice}"`);
    expect(scanned(shown)).toBe(topUp.invoice.toUpperCase());
    const ending = new AbortController();
    const reader = (await ask('/money/live', ending.signal)).body
      ?.pipeThrough(new TextDecoderStream())
      .getReader();
    const next = async (wanted: string) => {
      for (let text = ''; ; ) {
        const { value, done } = (await reader?.read()) ?? { value: undefined, done: true };
        text += value ?? '';
        if (text.includes(wanted) || done) return !done;
      }
    };
    expect(await next('Waits to be paid.')).toBe(true);
    money.facts = { ...facts, topUps: [{ ...topUp, state: 'paid' }] };
    expect(await next('✓ Paid: 5,000 sat')).toBe(true);
    money.facts = { ...facts, topUps: [{ ...topUp, state: 'expired' }] };
    expect(await next('has expired')).toBe(true);
    ending.abort();
  });

  test('of a command whose outcome is shown, the first words are enough', async () => {
    const key = /name="formKey" value="([^"]+)"/.exec(await look('/money'))?.[1] ?? '';
    const fields = { formKey: key, command: '!two {} {}', brief: 'yes' };
    const body = new URLSearchParams([...Object.entries(fields), ['field', ' one '], ['field', '']]);
    const answer = await page.post('/act', { headers: { Cookie: cookie, Accept: 'text/x-replies' }, body });
    expect(await answer.text()).toBe('<div class="replies"><pre>first words</pre></div>');
    expect(page.acted.at(-1)?.order.command).toBe('!two one');
  });
});

describe('the ledger', () => {
  test('is filtered and paged by its address, what makes no sense is left out', async () => {
    money.rows = Array.from({ length: 120 }, (_, index) => row(index));
    money.asked = [];
    const first = await look(
      '/money/ledger?text=a%20b&state=settled&from=2026-11-01&to=soon&owner=npub1nobody',
    );
    expect(money.asked).toEqual([{ text: 'a b', state: 'settled', from: '2026-11-01' }]);
    expect([first.includes('task 49'), first.includes('task 50')]).toEqual([true, false]);
    const older = /rel="next" href="([^"]+)"/.exec(first)?.[1]?.replaceAll('&amp;', '&') ?? '';
    expect(older).toBe('/money/ledger?text=a+b&state=settled&from=2026-11-01&before=999951-49');
    const second = await look(older);
    expect([second.includes('task 49<'), second.includes('task 50<'), second.includes('task 99<')]).toEqual([
      ...[false, true, true],
    ]);
    expect(await look('/money/ledger?before=999881-119')).toContain('No paid run is like that.');
  });

  test('goes into a spreadsheet with the same filter, in pieces', async () => {
    money.rows = Array.from({ length: 1_200 }, (_, index) => row(index));
    const lines = (await look('/money/ledger.csv?state=kept')).trimEnd().split('\r\n');
    expect(money.asked.at(-1)).toEqual({ state: 'kept' });
    expect([lines.length, lines.at(-1)]).toEqual([
      1_201,
      '1199,1970-01-01T00:16:38.801Z,task 1199,m,routstr,,,settled,2000,138,1860,2',
    ]);
  });

  test('as it is, and no formula with it', async () => {
    const tasks = ['=HYPERLINK("http://evil")', 'say "hi",\nplease', '-1', 'plain'];
    const chunks = (async function* () {
      yield tasks.map((task) => ({ ...row(1), at: 0, model: undefined, task }));
    })();
    expect((await Array.fromAsync(ledgerCsv(chunks))).join('').split('\r\n').slice(1)).toEqual([
      `1,1970-01-01T00:00:00.000Z,"'=HYPERLINK(""http://evil"")",,routstr,,,settled,2000,138,1860,2`,
      '1,1970-01-01T00:00:00.000Z,"say ""hi"",\nplease",,routstr,,,settled,2000,138,1860,2',
      "1,1970-01-01T00:00:00.000Z,'-1,,routstr,,,settled,2000,138,1860,2",
      '1,1970-01-01T00:00:00.000Z,plain,,routstr,,,settled,2000,138,1860,2',
      '',
    ]);
  });
});

test('the plot tells the most expensive apart, and adds up to the sat', () => {
  const days = [0, 1, 2].map((key) => ({ key, name: `day ${key}` }));
  const spent = Array.from({ length: 30 }, (_, index) => ({
    ...{ day: index % 3, name: `model ${index % 10}`, runs: 1, spent: sat(index), open: sat(0) },
  }));
  const series = seriesOf(days, spent);
  expect(series.map(({ name }) => name)).toEqual([
    ...['model 9', 'model 8', 'model 7', 'model 6', 'model 5', 'others'],
  ]);
  expect(series.reduce((sum, each) => sum + each.spent, 0)).toBe((29 * 30) / 2);
  // What comes as one already stays the last.
  const given = [...spent.slice(0, 2), { day: 0, name: undefined, runs: 9, spent: sat(900), open: sat(0) }];
  expect(seriesOf(days, given).map(({ name }) => name)).toEqual(['model 1', 'model 0', 'others']);
  expect(series.flatMap((each) => each.days).reduce((sum, each) => sum + each, 0)).toBe((29 * 30) / 2);
});

test('all that a browser loads for the page is less than 150 KiB', async () => {
  const money = Buffer.byteLength(await look('/money'));
  expect((await loadAssets()).bytes + money).toBeLessThan(150 * 1024);
});

/** Reads the drawing as a camera would. */
function scanned(shown: string): string | undefined {
  const size = Number(/viewBox="0 0 (\d+) /.exec(shown)?.[1]);
  const scale = 4;
  const pixels = new Uint8ClampedArray((size * scale) ** 2 * 4).fill(255);
  for (const [, x, y, width] of (/ d="([^"]+)"/.exec(shown)?.[1] ?? '').matchAll(/M(\d+) (\d+)h(\d+)v1/g))
    for (let row = Number(y) * scale; row < (Number(y) + 1) * scale; row += 1)
      for (let column = Number(x) * scale; column < (Number(x) + Number(width)) * scale; column += 1)
        pixels.fill(0, (row * size * scale + column) * 4, (row * size * scale + column) * 4 + 3);
  return jsQR(pixels, size * scale, size * scale)?.data;
}
