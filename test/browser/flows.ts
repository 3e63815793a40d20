import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { stranger } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { finalizeEvent, generateSecretKey } from 'nostr-tools/pure';
import { only, startKeyProvider } from '../support/key-providers.ts';
import type { Tab } from './support/chromium.ts';
import { type PageWorld, said } from './support/page-world.ts';

/** What an owner does on the page, one thing after another, in one browser. */
export function flows(world: () => PageWorld): void {
  const calm = (...tabs: readonly Tab[]) => expect(tabs.flatMap(({ trouble }) => trouble.take())).toEqual([]);

  describe('the door', () => {
    test('opens by a link, once', async () => {
      const { linkFor, stranger: open, origin } = world();
      const [first, second] = [await open(), await open()];
      const link = await linkFor();
      for (const { page } of [first, second]) await page.goto(link);
      await first.page.getByRole('button', { name: 'Come in' }).click();
      await first.page.waitForURL(`${origin}/now`);
      expect(await first.page.title()).toBe('Now · nostr-dm-agent');
      await second.page.getByRole('button', { name: 'Come in' }).click();
      await second.page.getByText('used up or older').waitFor();
      await second.page.goto(link);
      await second.page.getByText('used up or older').waitFor();
      await second.page.goto(`${origin}/money`);
      await second.page.getByText('This page is for the bot’s owners').waitFor();
      calm(first, second);

      await first.page.getByRole('button', { name: 'Sign out' }).click();
      await first.page.getByText('This page is for the bot’s owners').waitFor();
      await first.page.goto(`${origin}/now`);
      await first.page.getByText('This page is for the bot’s owners').waitFor();
      calm(first, second);
      for (const tab of [first, second]) await tab.close();
    });

    test('opens for a key that signs (NIP-07), and for no other', async () => {
      const { owner, stranger: open, origin } = world();
      for (const { key, isOwner } of [
        { key: generateSecretKey(), isOwner: false },
        { key: owner.secretKey, isOwner: true },
      ]) {
        const tab = await open();
        await tab.context.exposeFunction('signForReal', (event: Parameters<typeof finalizeEvent>[0]) =>
          finalizeEvent(event, key),
        );
        await tab.context.addInitScript(
          'window.nostr = { signEvent: (event) => window.signForReal(event) };',
        );
        tab.trouble.allow(/status of 403 .* at \S+\/sign-in$/);
        await tab.page.goto(`${origin}/sessions`);
        await tab.page.getByRole('button', { name: 'Sign in with Nostr' }).click();
        if (isOwner) await tab.page.waitForURL(`${origin}/now`);
        else await tab.page.getByText('only owners of this bot come in').waitFor();
        if (!isOwner) {
          await tab.page.goto(`${origin}/now`);
          await tab.page.getByText('This page is for the bot’s owners').waitFor();
        }
        calm(tab);
        await tab.close();
      }
    });
  });

  describe('an owner at the page', () => {
    let tab: Tab;
    beforeAll(async () => {
      tab = await world().enter();
    });
    afterAll(() => tab.close());
    const open = async (section: string) => {
      await tab.page.getByRole('navigation').getByRole('link', { name: section, exact: true }).click();
      await tab.page.getByRole('heading', { level: 1, name: section }).waitFor();
    };
    const press = (name: string | RegExp) => tab.page.getByRole('button', { name }).first().click();
    /** Fills in the line that this button sends, and sends it. */
    const give = async (button: string, text: string) => {
      const form = tab.page.locator('form', {
        has: tab.page.getByRole('button', { name: button, exact: true }),
      });
      await form.locator('[name=field]').first().fill(text);
      await form.getByRole('button').click();
    };
    const heard = (text: string | RegExp) => said(tab.page).getByText(text).first().waitFor();
    const text = async () => (await said(tab.page).textContent()) ?? '';
    /** What the bot says after this, and not what it said before. */
    const answerTo = async (does: () => Promise<void>): Promise<string> => {
      await said(tab.page).evaluate('(place) => place.replaceChildren()');
      await does();
      await heard(/[^…]/);
      return text();
    };

    test('sees a run go on, says yes and no, answers, and stops it', async () => {
      const { owner } = world();
      await open('Now');
      await tab.page.getByText('Nothing is worked on').waitFor();
      const asking = await owner.send(
        'run touch made-by-page then run touch not-made then ask Which color? Red, Blue',
      );
      await tab.page.getByText('at work').waitFor();
      await tab.page.getByText('touch made-by-page').first().waitFor();
      await press('Yes');
      await tab.page.getByRole('region', { name: 'The agent asks' }).getByText('touch not-made').waitFor();
      // Steps and sats have come meanwhile, without a reload.
      await tab.page.getByText(/^\d+ steps?/).waitFor();
      await tab.page.getByText(/[1-9]\d* sat of 2,000 sat/).waitFor();
      // What is half written, and where the focus is, outlasts what comes in.
      const why = tab.page.getByLabel('Why not');
      await why.fill('use another');
      const spent = () => tab.page.getByText(/ sat of 2,000 sat/).textContent();
      const timed = () => tab.page.getByText(/at work · /).textContent();
      const [spentThen, then] = [await spent(), await timed()];
      await until(async () => (await timed()) !== then, 'the page goes on');
      expect([await why.inputValue(), await spent()]).toEqual(['use another', spentThen]);
      await tab.page.keyboard.type(' name');
      await tab.page.keyboard.press('Enter');
      await tab.page.getByRole('button', { name: 'Blue' }).click();
      const answer = await owner.answer(asking, /^— /m);
      expect(answer.text).toContain('Blue');
      expect(await Bun.file(`${world().bot.workspace}/made-by-page`).exists()).toBe(true);
      expect(await Bun.file(`${world().bot.workspace}/not-made`).exists()).toBe(false);
      await tab.page.getByText('Nothing is worked on').waitFor();

      const long = await owner.send('take 60 seconds then say late');
      await tab.page.getByRole('button', { name: 'Stop this task' }).focus();
      await until(async () => /at work · [2-9] s/.test((await timed()) ?? ''), 'the page goes on');
      await tab.page.keyboard.press('Enter');
      expect((await owner.answer(long, /topped/)).text).toContain('topped');
      await tab.page.getByText('Nothing is worked on').waitFor();
      calm(tab);
    });

    test('tops up, takes in a token, makes one with its code', async () => {
      const { house, paid } = world();
      await open('Money');
      house.mint.lightning.incoming = 'on-demand';
      const before = await paid.ask('!wallet balance');
      await give('Top up', '1234');
      const link = tab.page.getByRole('link', { name: 'Pay 1,234 sat with a Lightning wallet' });
      const invoice = (await link.getAttribute('href'))?.replace('lightning:', '') ?? '';
      house.mint.pay(house.mint.quoteOf(invoice));
      house.mint.lightning.incoming = 'at-once';
      await tab.page.getByRole('region', { name: 'Invoice for 1,234 sat' }).getByText('✓ Paid').waitFor();
      await until(async () => (await paid.ask('!wallet balance')) !== before, 'the top-up is in');
      const sats = async () =>
        Number(/([\d,]+) sat ready/.exec(await paid.ask('!wallet balance'))?.[1]?.replaceAll(',', ''));
      const ready = await sats();

      const somebody = await stranger(house.mint);
      await give('Take in', await somebody.token(500));
      await heard(/sat/);
      await until(async () => (await sats()) > ready, 'the token is in');

      const held = await sats();
      await give('Make a token', '300');
      await heard(/send \d{4} /);
      await give('Confirm', /send (\d{4}) /.exec(await text())?.[1] ?? '');
      await heard(/cashuB/);
      expect(await somebody.redeem(/cashuB\S+/.exec(await text())?.[0] ?? '')).toBeGreaterThan(290);
      expect(await sats()).toBeLessThanOrEqual(held - 300);
      await tab.page.reload();
      await tab.page.getByRole('link', { name: 'Ledger' }).click();
      await tab.page.getByRole('table').first().waitFor();
      calm(tab);
    });

    test('reads a session, takes its change back, begins another', async () => {
      const { owner } = world();
      await owner.answer(await owner.send('write page.txt with the text from the page'), /^— /m);
      await open('Sessions');
      await tab.page.getByRole('main').getByRole('link').first().click();
      await tab.page.getByText('write page.txt').first().waitFor();
      await tab.page.getByRole('link', { name: 'Changed page.txt: +1 −0' }).click();
      await tab.page.locator('.added').first().waitFor();
      await tab.page.getByRole('link', { name: 'Back to the session' }).click();
      await answerTo(() => press('Take it back'));
      expect(await Bun.file(`${world().bot.workspace}/page.txt`).exists()).toBe(false);
      await open('Sessions');
      await answerTo(() => press('Begin a new one'));
      await tab.page.reload();
      await answerTo(() => press('Go on with it'));
      calm(tab);
    });

    test('schedules, pauses, does now and ends what comes by itself', async () => {
      const { paid, owner } = world();
      await open('Schedules');
      await tab.page.getByText('Nothing is scheduled.').waitFor();
      await tab.page.locator('summary', { hasText: 'Times are those of' }).click();
      expect(await answerTo(() => give('Set my zone', 'new york'))).toContain('America/New_York');
      await tab.page.getByText('Times are those of America/New_York', { exact: true }).waitFor();
      expect(await answerTo(() => give('Schedule it', 'monday 3 tests to run'))).toContain(
        'Nothing was scheduled',
      );
      const made = await answerTo(() =>
        give('Schedule it', 'weekdays 8:00 read readme.md then say all fine'),
      );
      const number = /^#(\d+) · weekdays 08:00 America\/New_York/.exec(made)?.[1] ?? '';
      const card = tab.page.locator(`#schedule-${number}`);
      await card.getByText(/next \w{3} .* 08:00/).waitFor();
      const does = (name: string) => card.getByRole('button', { name }).click();
      expect(await answerTo(() => does('Pause'))).toContain('is paused');
      await card.getByText('weekdays 08:00 · paused').waitFor();
      await answerTo(() => does('Let it go on'));
      await answerTo(() => does('Do it now'));
      await owner.heard(new RegExp(`^⏰ #${number} — readme.md says`));
      await card.getByRole('link', { name: 'answered' }).waitFor();
      expect(await paid.ask('!schedule')).toMatch(new RegExp(`^#${number} weekdays 08:00 · next .* · 1 run`));
      await answerTo(() => give('Schedule it', 'in 2h remind me to stretch'));
      await tab.page.getByText('⏰ stretch').waitFor();
      await answerTo(() => does('End it'));
      await card.waitFor({ state: 'detached' });
      expect(await paid.ask('!schedule drop all')).toContain('stretch');
      await tab.page.getByText('Nothing is scheduled.').waitFor();
      calm(tab);
    });

    test('sees the relays, and lets owners in and out', async () => {
      await open('Relays');
      await tab.page.getByText('Messages come through.', { exact: true }).waitFor();
      await open('Owners');
      await tab.page.getByText('by BOT_OWNERS').waitFor();
      expect(await answerTo(() => press('Make an invitation'))).toContain('as the first message');
      calm(tab);
    });

    test('searches providers, sets what tasks are done with, and reads the log as it comes', async () => {
      const { page } = tab;
      await open('Providers');
      await page.getByLabel(/by its name/).fill('openrouter');
      await press('Search');
      await page.getByText('OpenRouter').first().waitFor();
      await page.getByLabel(/by its name/).fill('no such name');
      await press('Search');
      await page.getByText('None of them is called so.').waitFor();
      // An address that announces its provider: what it says, its key, and out again.
      const key = `printed.${crypto.randomUUID()}`;
      const corp = startKeyProvider(only(key));
      const address = Bun.serve({
        ...{ hostname: '127.0.0.1', port: 0 },
        fetch: () =>
          Response.json({
            auth: { command: ['corp', '<b>login</b>'], env: 'CORP_TOKEN' },
            config: {
              provider: {
                corp: { npm: '@ai-sdk/openai', options: { baseURL: corp.url }, models: { m: {} } },
              },
            },
          }),
      });
      const id = `127.0.0.1:${address.port}`;
      await page.getByLabel(/by its name/).fill(`http://${id}/`);
      await press('Search');
      expect(await answerTo(() => press('See what it announces'))).toContain("corp '<b>login</b>'");
      await page.getByLabel(`What the command of ${id} prints`).fill(key);
      expect(await answerTo(() => press('Check and connect'))).toContain(`Connected to ${id}.`);
      expect(await page.locator('html').innerHTML()).not.toContain(key);
      await open('Providers');
      const card = page.locator('.card', { hasText: id });
      expect(await answerTo(() => card.getByRole('button', { name: 'Disconnect' }).click())).toContain(
        'forgotten',
      );
      await Promise.all([address.stop(true), corp.stop()]);

      await open('Settings');
      const mode = page.locator('details', { hasText: 'How tasks are worked on' });
      await mode.locator('summary').click();
      await mode.getByLabel('How tasks are worked on').selectOption('plan');
      expect(await answerTo(() => mode.getByRole('button', { name: 'Set' }).click())).toContain('plan');
      expect(await world().paid.ask('!mode agent')).toContain('agent');
      await page.getByLabel('Find').fill('BOT_PAGE');
      await press('Show');
      await page.getByText('BOT_PAGE').first().waitFor();
      expect(await page.getByText('BOT_RELAYS').count()).toBe(0);
      // A secret is said to be there, and no more.
      await open('Settings');
      const all = (await page.locator('html').innerHTML()) + (await page.locator('body').textContent());
      for (const secret of [world().bot.env.BOT_KEY, world().paid.words])
        expect(all.includes(secret ?? 'none')).toBe(false);

      await open('Log');
      await page.getByLabel('With the words').fill('command');
      await press('Show');
      await page.getByText('ping').first().waitFor({ state: 'detached' });
      await world().paid.ask('!ping');
      await page
        .getByText(/\bping\b/)
        .first()
        .waitFor();
      calm(tab);
    });

    test('signs out of every tab of the browser', async () => {
      const { enter } = world();
      const one = await enter();
      const second = await one.context.newPage();
      await second.goto(one.page.url());
      await second.getByText('Nothing is worked on').waitFor();
      await one.page.getByRole('button', { name: 'Sign out' }).click();
      await second.getByText('This page is for the bot’s owners').waitFor();
      calm(one);
      await one.close();
    });

    test('goes on without the scripts', async () => {
      const { browser, origin } = world();
      const cookies = await tab.context.cookies();
      const context = await browser.newContext({ javaScriptEnabled: false });
      await context.addCookies(cookies);
      const page = await context.newPage();
      await page.goto(`${origin}/sessions`);
      await page.getByRole('button', { name: 'Begin a new one' }).click();
      await said(page).getByText(/./).first().waitFor();
      await context.close();
    });
  });

  test('a member sees what is theirs', async () => {
    const { member, enter } = world();
    const tab = await enter(member);
    const names = await tab.page.getByRole('navigation').getByRole('link').allInnerTexts();
    expect(names).toEqual(expect.arrayContaining(['Now', 'Money', 'Sessions']));
    for (const name of ['Owners', 'Relays']) expect(names).not.toContain(name);
    await tab.page.getByRole('link', { name: 'Sessions' }).click();
    expect(await tab.page.getByRole('main').textContent()).not.toContain('page.txt');
    await world().paid.ask('!remind in 3h water the plants');
    await tab.page.getByRole('link', { name: 'Schedules' }).click();
    await tab.page.getByText('Nothing is scheduled.').waitFor();
    // By its number neither.
    const theirs = /^#(\d+)/.exec(await world().paid.ask('!schedule'))?.[1] ?? '';
    expect((await member.answer(await member.send(`!schedule drop ${theirs}`))).text).toContain(
      'You have no',
    );
    await world().paid.ask('!schedule drop all');
    calm(tab);
    await tab.close();
  });
}
