import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { npubEncode } from 'nostr-tools/nip19';
import { startTestBot, type TestBot } from '../support/bot.ts';
import { readAlerts, readDashboard, seriesIn } from '../support/grafana.ts';
import { newKey, only, sendElsewhere, startKeyProvider } from '../support/key-providers.ts';
import type { TestOwner } from '../support/owner.ts';
import { type PaidBot, startPaidBot } from '../support/paid-bot.ts';
import { startSandboxHouse } from '../support/paid-house.ts';

/** A browser that is in by a link of the bot. */
async function enterAs(owner: TestOwner) {
  const { text } = await owner.answer(await owner.send('!page'), /^http/);
  const link = text.split('\n')[0] ?? '';
  const { origin } = new URL(link);
  const entered = await fetch(link, { method: 'POST', redirect: 'manual', headers: { Origin: origin } });
  const Cookie = entered.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  const ask = (path: string) => fetch(`${origin}${path}`, { headers: { Cookie } });
  const look = async (path: string) => (await ask(path)).text();
  const formKey = /name="formKey" value="([^"]+)"/.exec(await look('/now'))?.[1] ?? '';
  const act = async (command: string) => {
    const headers = { Cookie, Origin: origin, Accept: 'text/x-replies' };
    const body = new URLSearchParams({ formKey, command });
    return (await fetch(`${origin}/act`, { method: 'POST', headers, body })).text();
  };
  return { ask, look, act };
}

describe('an owner opens the page', () => {
  let bot: TestBot;
  beforeAll(async () => {
    bot = await startTestBot({ env: { BOT_PAGE: '127.0.0.1:0' } });
  });
  afterAll(() => bot.cleanUp());

  const pageLink = async (): Promise<string> => {
    const { text } = await bot.owner.answer(await bot.owner.send('!page'), /./);
    const [link = '', good] = text.split('\n');
    expect(good).toContain('Good once, for 10 minutes');
    return link;
  };
  const enter = async (link: string): Promise<string> => {
    const { origin } = new URL(link);
    const answer = await fetch(link, { method: 'POST', redirect: 'manual', headers: { Origin: origin } });
    return answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  };
  const statusOf = async (link: string, Cookie: string) =>
    (await fetch(new URL('/', link), { headers: { Cookie } })).status;

  test('by a link of the bot; the browser stays in when the bot is killed, the link does not', async () => {
    const [used, unused] = [await pageLink(), await pageLink()];
    const cookie = await enter(used);
    expect(await statusOf(used, '')).toBe(401);
    expect(await statusOf(used, cookie)).not.toBe(401);

    await bot.end('SIGKILL');
    await bot.start();
    const link = await pageLink();
    expect(await statusOf(link, cookie)).not.toBe(401);
    expect(await enter(new URL(new URL(unused).pathname, link).href)).toBe('');
  });

  test('and does there what they could do by message, under the same rules', async () => {
    const link = await pageLink();
    const cookie = await enter(link);
    const { origin } = new URL(link);
    const formKey =
      /name="formKey" value="([^"]+)"/.exec(
        await (await fetch(`${origin}/now`, { headers: { Cookie: cookie } })).text(),
      )?.[1] ?? '';
    const act = async (command: string): Promise<string> => {
      const answer = await fetch(`${origin}/act`, {
        method: 'POST',
        headers: { Cookie: cookie, Origin: origin, Accept: 'text/x-replies' },
        body: new URLSearchParams({ formKey, command }),
      });
      return answer.text();
    };
    expect(await act('!ping')).toContain('pong · up');
    expect(await act('!mode plan')).toContain('plan');
    expect((await bot.owner.answer(await bot.owner.send('!status'), /./)).text).toContain('app · plan');
    expect(await act('!yes')).toContain('Nothing');
    expect(await act('!stauts')).toContain('Did you mean !status?');
    expect(await act('!ask what is here?')).toContain('Tasks are sent to the bot by message');
    expect(bot.tasksDone()).toEqual([]);
    expect(await act('!wallet balance')).toContain('wallet');

    await bot.owner.answer(await bot.owner.send('say <b>hello</b>'), /./);
    const look = async (path: string) =>
      (await fetch(`${origin}${path}`, { headers: { Cookie: cookie } })).text();
    const list = await look('/sessions');
    expect(list).toContain('say &lt;b&gt;hello&lt;/b&gt;');
    expect(await look(/href="(\/sessions\/\w+)"/.exec(list)?.[1] ?? '')).toContain('answered');
    expect(await look('/relays')).toContain('Messages come through.');
    expect(await look('/owners')).toContain('by BOT_OWNERS');
    expect(await look('/money')).toContain('There is no wallet.');

    const key = newKey('sk-ant-api03-');
    const anthropic = startKeyProvider(only(key));
    try {
      await sendElsewhere(bot.home, { anthropic: anthropic.url });
      const lookFor = async (find: string) =>
        (await look(`/providers?find=${find}`)).replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ');
      expect(await lookFor('antHropic')).toMatch(/routstr not here there is no wallet.* Key of Anthropic/);
      expect(await lookFor('no such')).toContain('None of them is called so.');
      expect(await lookFor('https://corp.example/')).toMatch(
        /corp\.example See what it announces What the command of corp\.example prints/,
      );
      expect(await lookFor('http://10.0.0.1')).toContain('None of them is called so.');
      expect(await act(`!provider connect anthropic ${key}`)).toContain('Connected to Anthropic.');
      expect(await act('!provider set anthropic here')).toContain('goes on with anthropic');
      expect(await lookFor('')).toMatch(
        /local connected preferred .* anthropic connected session \w+ goes on/,
      );
      // The provider no longer takes it, and then does again.
      for (const [judge, status] of [
        [only(newKey('')), 'error'],
        [only(key), 'connected'],
        [() => new Response('no', { status: 403 }), 'error'],
        [() => new Response('later', { status: 404 }), 'error'],
        [only(key), 'connected'],
      ] as const) {
        anthropic.judge(judge);
        await act('!provider check');
        expect(await lookFor('')).toContain(`anthropic ${status} `);
        expect(await act('!provider list')).toContain(`anthropic · ${status} · `);
      }
      await act('!provider disconnect anthropic');
      expect(await lookFor('')).toContain('anthropic revoked ');
      expect(await act('!provider list')).toContain('anthropic · revoked · disconnected');
      for (const text of [await look('/providers'), bot.log()]) expect(text).not.toContain(key);
    } finally {
      await anthropic.stop();
    }
    const diagnosis = await act('!doctor');
    expect(diagnosis).toMatch(/✓ \d+ checks: .*backend opencode/);
    expect(diagnosis).toContain('relay ws:');
    expect(await look('/doctor')).toContain('messages come through');

    const settings = (await look('/settings')).replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ');
    expect(settings).toContain('Mode plan');
    expect(settings).toMatch(/BOT_KEY from the environment set The bot’s secret key/);
    expect(settings).toMatch(/BOT_PAGE from the environment 127.0.0.1:0 /);
    expect(settings).toMatch(/BOT_CONCURRENCY default 2 /);
    expect(await act('!settings page')).toContain('BOT_PAGE=127.0.0.1:0');
    for (const text of [settings, await act('!settings bot')])
      expect(text).not.toMatch(/nsec1\w|[0-9a-f]{64}/);

    expect(await look('/log?text=page+is+served')).toContain(`<dd>${origin}</dd>`);
    expect(await look('/log?run=1')).toContain('answered');
    expect(await look('/log?run=99')).toContain('The log has nothing like that.');
    expect(await act('!log 5 info run 1')).toContain('outcome answered');
    const kept = join(bot.home, 'logs', 'bot.log');
    expect(statSync(kept).mode & 0o777).toBe(0o600);
    expect(readFileSync(kept, 'utf8')).not.toMatch(/nsec1|hello/);
  });

  test('and a Prometheus reads figures with the key in the bot’s home', async () => {
    const { origin } = new URL(await pageLink());
    const path = join(bot.home, 'metrics-key');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const headers = { Authorization: `Bearer ${readFileSync(path, 'utf8').trim()}` };
    await until(async () => {
      const text = await (await fetch(`${origin}/metrics`, { headers })).text();
      return /^nostr_dm_agent_relay_served\{relay="ws:\/\/127.0.0.1:\d+\/?"\} 1$/m.test(text);
    }, 'the relay is served');
    const text = await (await fetch(`${origin}/metrics`, { headers })).text();
    expect(text).toMatch(/^nostr_dm_agent_queue\{state="waiting"\} 0$/m);
    // The story before this one has delivered replies, and done a task.
    expect(text).toMatch(/^nostr_dm_agent_reply_delivery_seconds_count [1-9]/m);
    expect(text).toMatch(/^nostr_dm_agent_answer_reply_seconds_count 1$/m);
    expect(text).toMatch(/^nostr_dm_agent_runs_total\{outcome="answered",provider="local"\} 1$/m);
    expect(text).toMatch(/^nostr_dm_agent_task_agent_seconds_count 1$/m);
    // A backend that nobody has installed is not down.
    expect(text.match(/^nostr_dm_agent_backend_up.*$/gm)).toEqual([
      'nostr_dm_agent_backend_up{backend="opencode"} 1',
    ]);
    expect(text).toMatch(/^nostr_dm_agent_recovered\{kind="runs"\} 0$/m);
    expect(text).toMatch(/^nostr_dm_agent_home_free_bytes [1-9]/m);
    const { publicKey } = bot.owner;
    expect([publicKey, npubEncode(publicKey)].filter((name) => text.includes(name))).toEqual([]);

    const series = seriesIn(text);
    for (const [where, names] of [
      ...(await readDashboard('docs/grafana/nostr-dm-agent.json')),
      ...(await readAlerts('docs/grafana/alerts.yml', 'docs/operate.md')),
    ])
      expect({ where, unknown: names.filter((name) => !series.has(name)) }).toEqual({ where, unknown: [] });
    const health: unknown = await (await fetch(`${origin}/health`, { headers })).json();
    expect(health).toMatchObject({ status: 'ok', parts: { relays: { state: 'ok' } } });
  });
});

describe('where there is money', () => {
  const house = startSandboxHouse({ feePpk: 100 });
  let paid: PaidBot;
  beforeAll(async () => {
    const env = { BOT_PAGE: '127.0.0.1:0' };
    paid = await startPaidBot(house, { opencode: 'paying', funds: 20_000, env });
  });
  afterAll(async () => {
    await paid.cleanUp();
    await house.stop();
  });

  test('an admin sees and moves it, and looks for what it went for; a member sees nothing of that', async () => {
    const { owner, ask } = paid;
    await owner.answer(await owner.send('say <i>hi</i>'), /^— /m);
    await ask('!wallet balance');
    const { look, act } = await enterAs(owner);
    const session = /href="(\/sessions\/\w+)"/.exec(await look('/sessions'))?.[1] ?? '';
    expect(await look(session)).toContain('say &lt;i&gt;hi&lt;/i&gt;');

    house.mint.lightning.incoming = 'on-demand';
    expect(await act('!wallet topup 1234')).toContain('Invoice for 1,234 sat');
    const invoice = /href="lightning:(lnbc\w+)"/.exec(await look('/money'))?.[1] ?? '';
    house.mint.pay(house.mint.quoteOf(invoice));
    await until(async () => (await look('/money')).includes('✓ Paid: 1,234 sat'), 'it turns green');
    const code = /send (\d{4})/.exec(await act('!wallet send 300'))?.[1];
    expect(await act(`!wallet confirm ${code}`)).toContain('cashuB');

    const rows = async (query: string) =>
      (await look(`/money/ledger.csv?${query}`)).split('\r\n').slice(1, -1).length;
    const today = new Date().toLocaleDateString('sv');
    const npub = npubEncode(owner.publicKey);
    for (const found of ['', 'text=HI+sonnet', `from=${today}&to=${today}`, `owner=${npub}&state=settled`])
      expect([found, await rows(found)]).toEqual([found, 1]);
    const nobody = npubEncode('ab'.repeat(32));
    for (const none of ['text=hi+gpt', 'text=%25', 'to=2020-01-01', `owner=${nobody}`, 'state=kept'])
      expect([none, await rows(none)]).toEqual([none, 0]);
    expect(await look('/money/ledger?text=sonnet')).toContain('say &lt;i&gt;hi');
    const [, spent] = /data-sat="([1-9]\d*)"/.exec(await look('/money/spend')) ?? [];
    expect(await ask('!spend')).toContain(`${spent} sat`);
    await act(`!limit ${npub} 9000`);
    expect(await look('/owners')).toContain('9,000 sat a day');
    expect(await act('!invite')).toContain('as the first message');
    expect(await look('/owners')).toContain('value="!invite cancel 1"');

    const member = await paid.addMember();
    const theirs = await enterAs(member);
    expect((await theirs.look('/money/ledger.csv')).split('\r\n')).toHaveLength(2);
    const asked = `/money/ledger.csv?owner=${npub}`;
    expect((await theirs.look(asked)).split('\r\n')).toHaveLength(2);
    expect(await theirs.look('/money/spend?by=owner')).toContain('Nothing was spent');
    for (const text of [await theirs.look('/money'), await theirs.look('/sessions')])
      for (const secret of [invoice, 'hi&lt;', npub]) expect(text).not.toContain(secret);
    for (const path of [session, `${session}/1/diff`, '/owners'])
      expect([path, (await theirs.ask(path)).status]).toEqual([path, 404]);
    member.close();
  });
});
