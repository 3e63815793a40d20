import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { RunFacts } from '../src/facts.ts';
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

const look = async (path: string) => (await page.ask(path, { headers: { Cookie: cookie } })).text();
const formKey = async (): Promise<string> =>
  /name="formKey" value="([^"]+)"/.exec(await look('/now'))?.[1] ?? '';
const act = async (fields: Record<string, string>, headers: Record<string, string> = {}) =>
  page.post('/act', {
    headers: { Cookie: cookie, ...headers },
    body: new URLSearchParams({ formKey: await formKey(), ...fields }),
  });
const run: RunFacts = {
  ...{
    number: 7,
    task: '<script>alert(1)</script>',
    state: 'running',
    session: 's',
    workspace: 'app',
    mode: 'agent',
  },
  ...{
    model: '"><img src=x onerror=alert(2)>',
    provider: 'routstr',
    forMs: 65_000,
    steps: 3,
    doing: 'editing <b>.ts',
  },
  ...{ spent: { spent: 138, budget: 2000 }, owner: undefined },
};

describe('what goes on', () => {
  test('is shown with all its words, none of which a browser would obey', async () => {
    page.now.facts = { runs: [run], asks: [{ id: 'a'.repeat(64), kind: 'approval', text: 'rm -rf "<i>"' }] };
    const shown = await look('/now');
    expect(shown).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(shown).toContain('1 min 5 s');
    expect(shown).toContain('138 sat of 2,000 sat');
    for (const hostile of ['<script>alert', '<img', '<b>', '<i>']) expect(shown).not.toContain(hostile);
  });

  test('comes anew when it changes, as long as its viewer is an owner', async () => {
    page.now.facts = { runs: [run], asks: [] };
    const ending = new AbortController();
    const answer = await page.ask('/now/live', { headers: { Cookie: cookie }, signal: ending.signal });
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    const next = async (wanted: string) => {
      for (let text = ''; ; ) {
        const { value, done } = (await reader?.read()) ?? { value: undefined, done: true };
        text += value ?? '';
        if (text.includes(wanted) || done) return done ? 'ended' : 'shown';
      }
    };
    expect(await next('3 steps')).toBe('shown');
    page.now.facts = { runs: [{ ...run, steps: 4 }], asks: [] };
    expect(await next('4 steps')).toBe('shown');
    owners.delete(admin.publicKey);
    expect(await next('no more')).toBe('ended');
    owners.set(admin.publicKey, 'admin');
    ending.abort();
  });
});

test('what goes wrong in a view is told to whoever runs the bot, and its reader only that it did', async () => {
  const { operator } = page;
  const before = operator.now;
  const fault = new Error('the path of a secret');
  operator.now = {
    ...before,
    log: () => {
      throw fault;
    },
  };
  for (const path of ['/log', '/log/live']) {
    const shown = await look(path);
    expect(shown).not.toContain('the path of');
    expect(page.faults.splice(0)).toEqual([fault]);
    if (path === '/log') expect(shown).toContain('That did not work');
  }
  operator.now = before;
});

describe('the log', () => {
  test('is asked by level, words and task, shown without effect, and live with the same filter', async () => {
    const asked: unknown[] = [];
    page.operator.now = {
      ...page.operator.now,
      log: (query) => {
        asked.push(query);
        const facts = [['relay', '"><script>alert(1)</script>']] as const;
        const line = { at: 0, level: 'warn', message: '<img src=x>', facts, whole: '{"a":"<b>"}' } as const;
        return { entries: [line], hasMore: true };
      },
    };
    const shown = await look('/log?level=warn&text=%3Cb%3E%22&run=%2312');
    expect(asked).toEqual([{ level: 'warn', text: '<b>"', run: 12 }]);
    expect(shown).toContain('1970-01-01');
    expect(shown).toContain('value="&lt;b&gt;&quot;"');
    expect(shown).toMatch(/data-live="\/log\/live\?level=warn&amp;text=%3Cb%3E%22&amp;run=%2312"/);
    for (const hostile of ['<script>alert', '<img', '<b>']) expect(shown).not.toContain(hostile);
    await look('/log?level=loud&text=&run=twelve&more=1');
    expect(asked[1]).toEqual({});
  });

  test('is for admins alone, also for one who becomes a member while they watch', async () => {
    const watch = await page.ask('/log/live', { headers: { Cookie: cookie } });
    owners.set(admin.publicKey, 'member');
    expect(await watch.text()).toContain('1970-01-01');
    for (const path of ['/log', '/log/live'])
      expect((await page.ask(path, { headers: { Cookie: cookie } })).status).toBe(404);
    owners.set(admin.publicKey, 'admin');
  });
});

test('settings are changed by their commands; variables are shown with where they come from, and found', async () => {
  page.operator.now = {
    ...page.operator.now,
    settings: () => ({
      own: {
        ...{ mode: 'plan', model: '<b>', backend: 'opencode', backends: ['opencode', '"><i>'] },
        ...{ approvals: 'off', stream: undefined, provider: 'local' },
      },
      money: undefined,
      variables: [
        { name: 'BOT_MODEL', group: 'Agents', meaning: 'A model.', value: '<img src=x>', origin: 'file' },
        {
          name: 'LOG_LEVEL',
          group: 'This machine',
          meaning: 'How much.',
          value: undefined,
          origin: 'default',
        },
      ],
    }),
  };
  const shown = await look('/settings');
  expect(shown).toContain('value="!mode {}"');
  expect(shown).toContain('<option value="plan" selected="">');
  expect(shown).toContain('from .env');
  for (const hostile of ['<img', '<b>', '<i>']) expect(shown).not.toContain(hostile);
  const found = await look('/settings?find=much');
  expect(found).toContain('LOG_LEVEL');
  expect(found).not.toContain('BOT_MODEL');
});

test('health says what is wrong first and how to mend it; it is looked at when the view is opened', async () => {
  let asked = 0;
  const finding = (state: 'ok' | 'broken', subject: string) => ({
    state,
    subject,
    fact: '<b>',
    remedy: '<i>',
  });
  page.operator.now = {
    ...page.operator.now,
    examine: () => {
      asked += 1;
    },
    diagnosis: () => ({
      found: { findings: [finding('ok', 'clock'), finding('broken', '<img src=x>')], at: 0 },
      isLooking: false,
    }),
  };
  const shown = await look('/doctor');
  expect(asked).toBe(1);
  expect(shown).toContain('1 broken.');
  expect(shown.indexOf('&lt;img')).toBeLessThan(shown.indexOf('clock'));
  expect(shown).toContain('To mend it: &lt;i&gt;');
  for (const hostile of ['<img', '<b>', '<i>']) expect(shown).not.toContain(hostile);
});

test('nodes are asked for a model, shown without effect, and chosen knowing who vouches for them', async () => {
  const sought: unknown[] = [];
  const node = (url: string, verdict: 'trusted' | 'unreviewed') => ({
    ...{
      url,
      address: url.slice(8),
      name: '<b>',
      version: undefined,
      verdict,
      isCurrent: false,
      answers: true,
    },
    ...{ hasModel: false, price: '12 sat', takesOurs: false },
  });
  page.operator.now = {
    ...page.operator.now,
    seekNodes: (_, model) => void sought.push(model),
    nodes: (_, model) => ({
      found: {
        nodes: [node('https://good.example', 'trusted'), node('https://new.example', 'unreviewed')],
        ...{ more: 3, complete: true, at: 0 },
      },
      ...{ isSeeking: false, current: '<i>', configured: false, model, known: ['"><img src=x>'] },
    }),
  };
  const shown = await look('/nodes?model=%3Cu%3E');
  await look('/nodes');
  expect(sought).toEqual(['<u>', undefined]);
  expect(shown).toContain('value="!provider node https://good.example"');
  expect(shown).toContain('value="!provider node https://new.example yes"');
  expect(shown).toContain('Choose without a review');
  expect(shown).toContain('does not have &lt;u&gt; · about 12 sat a task · ⚠ takes none of your mints');
  for (const hostile of ['<img', '<b>', '<i>', '<u>']) expect(shown).not.toContain(hostile);
});

describe('a member', () => {
  test('finds no page that is for admins, and no way to one', async () => {
    owners.set(admin.publicKey, 'member');
    for (const path of [
      '/relays',
      '/owners',
      '/log',
      '/settings',
      '/doctor',
      '/nodes',
      '/sessions/of-somebody-else',
      '/money/ledger.csv',
    ])
      expect([path, (await page.ask(path, { headers: { Cookie: cookie } })).status]).toEqual([path, 404]);
    const nav = await look('/now');
    expect(nav).toContain('href="/sessions"');
    expect(nav).not.toContain('href="/owners"');
    owners.set(admin.publicKey, 'admin');
    expect(await look('/now')).toContain('href="/owners"');
  });
});

describe('a button', () => {
  test('does its command as its visitor, with what was filled in, about what was shown', async () => {
    page.acted.length = 0;
    const answer = await act({
      command: '!no {}',
      field: ' use git rm $& {} ',
      about: 'b'.repeat(64),
      back: '/now',
    });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('&lt;b&gt;pong&lt;/b&gt;');
    expect(page.acted).toEqual([
      {
        visitor: { publicKey: admin.publicKey, role: 'admin' },
        order: { command: '!no use git rm $& {}', about: 'b'.repeat(64) },
      },
    ]);
  });

  test('is answered with the bot’s words alone where a script asked', async () => {
    const answer = await act({ command: '!ping' }, { Accept: 'text/x-replies' });
    expect(await answer.text()).toBe('<div class="replies"><pre>&lt;b&gt;pong&lt;/b&gt;</pre></div>');
  });

  test('that takes long is answered by message', async () => {
    const answer = await act({ command: '!slow' }, { Accept: 'text/x-replies' });
    expect(await answer.text()).toContain('The bot answers by message.');
  });

  test('takes all of a long token', async () => {
    page.acted.length = 0;
    const token = `cashuB${'x'.repeat(12_000)}`;
    expect((await act({ command: '!wallet receive {}', field: token })).status).toBe(200);
    expect(page.acted[0]?.order.command).toBe(`!wallet receive ${token}`);
    page.now.facts = {
      runs: [],
      asks: [{ id: 'c'.repeat(64), kind: 'question', text: 'Which?', options: [] }],
    };
    expect(Number(/maxlength="(\d+)"/.exec(await look('/now'))?.[1])).toBeGreaterThan(token.length);
  });

  test('from elsewhere, without its form’s key, or that is no command does nothing', async () => {
    page.acted.length = 0;
    expect((await act({ command: '!ping', formKey: 'guessed' })).status).toBe(403);
    expect((await act({ command: 'rm -rf everything, please' })).status).toBe(400);
    expect((await act({ command: '!ping' }, { Origin: 'http://127.0.0.1:1' })).status).toBe(403);
    expect(page.acted).toEqual([]);
  });
});
