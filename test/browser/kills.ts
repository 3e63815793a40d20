import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { balanceFromWords } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { settled } from '../support/paid-bot.ts';
import { readySat } from '../support/wallet-bot.ts';
import { inPage, type Tab } from './support/chromium.ts';
import { invoiceCard, type PageWorld, said } from './support/page-world.ts';

/** The bot is killed (SIGKILL) while its page is open, and started again: the page goes on, and nothing is done twice. */
export function kills(world: () => PageWorld): void {
  let tab: Tab;
  let before = 0;
  /** What came in (+) and went out (−), as it was asked for here. */
  let moved = 0;
  beforeAll(async () => {
    before = await inAll();
    tab = await world().enter();
    // The network's own words for a bot that is away.
    tab.trouble.allow(/Failed to load resource: net::ERR|net::ERR_(CONNECTION|INCOMPLETE|EMPTY)/);
  });
  afterAll(() => tab.close());

  const away = () => tab.page.getByText('The bot is away');
  const form = (button: string) =>
    tab.page.locator('form', { has: tab.page.getByRole('button', { name: button, exact: true }) });
  const give = async (button: string, text: string): Promise<void> => {
    await form(button).locator('[name=field]').fill(text);
    await form(button).getByRole('button').click();
  };
  const text = async (): Promise<string> => (await said(tab.page).textContent()) ?? '';
  const heard = async (pattern: RegExp): Promise<string> => {
    await said(tab.page).getByText(pattern).first().waitFor();
    return pattern.exec(await text())?.[1] ?? '';
  };
  const invoiceOf = async (sats: number): Promise<string> =>
    (await invoiceCard(tab.page, sats).locator('pre').first().textContent()) ?? '';
  const comeBack = async (): Promise<void> => {
    await away().waitFor();
    await world().bot.start();
    await away().waitFor({ state: 'hidden' });
  };
  /** Kills the bot while the mint has its request, before it is done or after. */
  const killDuring = async (path: string, when: 'before' | 'after', begin: () => Promise<unknown>) => {
    const { house, bot } = world();
    house.mint.faults.add({ path, when, effect: { kind: 'hold' } });
    const begun = begin();
    await until(() => house.mint.faults.holding() > 0, `the bot asks for ${path}`);
    await bot.end('SIGKILL');
    house.mint.faults.clear();
    house.mint.faults.release();
    await begun.catch(() => undefined);
  };
  /** What the form would send, once more, as a browser does that reloads or is pressed twice. */
  const postAgain = async (command: string, field: string): Promise<string> => {
    const formKey = await tab.page.locator('input[name=formKey]').first().inputValue();
    const answer = await inPage<string>(
      tab.page,
      `fetch('/act', { method: 'POST', headers: { Accept: 'text/x-replies' },
        body: new URLSearchParams(${JSON.stringify({ formKey, command, field })}) }).then((answer) => answer.text())`,
    );
    return answer;
  };
  /** What the wallet has and what its runs have cost, read by somebody else while the bot is down. */
  async function inAll(): Promise<number> {
    const { paid, house } = world();
    await settled(paid, 100_000);
    await paid.bot.end('SIGTERM');
    const { ready, reserved, incoming, spent, fees } = paid.books();
    const found = await balanceFromWords(house.mint, paid.words, 60);
    expect([found, reserved, incoming]).toEqual([Number(ready), 0, 0]);
    await paid.bot.start();
    return ready + spent + fees;
  }
  const calm = () => expect(tab.trouble.take()).toEqual([]);

  describe('a page whose bot is killed', () => {
    test('says so, comes back by itself, and its browser is still in', async () => {
      const { bot, origin } = world();
      await tab.page.goto(`${origin}/now`);
      await tab.page.getByText('Nothing is worked on').waitFor();
      await bot.end('SIGKILL');
      await comeBack();
      await tab.page.goto(`${origin}/sessions`);
      await tab.page.getByRole('heading', { level: 1, name: 'Sessions' }).waitFor();
      calm();
    });

    test('in mid-run: the run is over, its money home, and the page shows it', async () => {
      const { bot, owner, origin } = world();
      await tab.page.goto(`${origin}/now`);
      const task = await owner.send('write kept.txt with the text x then take 15 seconds then say late');
      await tab.page.getByText(/[1-9]\d* sat of 2,000 sat/).waitFor();
      await bot.end('SIGKILL');
      await comeBack();
      await tab.page.getByText('Nothing is worked on').waitFor();
      await owner.answer(task, /./);
      calm();
    });

    test('in mid top-up: what was paid meanwhile is there', async () => {
      const { bot, house, paid, origin } = world();
      house.mint.lightning.incoming = 'on-demand';
      await tab.page.goto(`${origin}/money`);
      await give('Top up', '700');
      const invoice = await invoiceOf(700);
      const ready = readySat(await paid.ask('!wallet balance'));
      await bot.end('SIGKILL');
      await away().waitFor();
      house.mint.pay(house.mint.quoteOf(invoice));
      await comeBack();
      await until(
        async () => readySat(await paid.ask('!wallet balance')) === ready + 700,
        'it is there',
        60_000,
      );
      // Once more, while it is taken in.
      await give('Top up', '800');
      const second = await invoiceOf(800);
      await killDuring('/v1/mint/bolt11', 'after', async () => house.mint.pay(house.mint.quoteOf(second)));
      await comeBack();
      await until(
        async () => readySat(await paid.ask('!wallet balance')) === ready + 1500,
        'it is there',
        60_000,
      );
      moved += 1500;
      house.mint.lightning.incoming = 'at-once';
      calm();
    });

    test.each(['before', 'after'] as const)(
      'while a token is made (%s the mint did): it is made once, however often the form is sent',
      async (when) => {
        const { paid, owner, origin } = world();
        await tab.page.goto(`${origin}/money`);
        await give('Make a token', '300');
        const code = await heard(/send (\d{4}) /);
        const saidBefore = owner.said.length;
        await killDuring('/v1/swap', when, () => give('Confirm', code));
        await heard(/(does not answer)/);
        await comeBack();
        const again = [
          await postAgain('!wallet confirm {}', code),
          await postAgain('!wallet confirm {}', code),
        ];
        expect(again.filter((one) => one.includes('cashu'))).toEqual([]);
        await until(async () => !/reserved/.test(await paid.ask('!wallet balance')), 'nothing is on its way');
        // Its answer was lost with the page's: it is told that there is one, and it is taken back.
        const [made, ...more] = owner.said
          .slice(saidBefore)
          .filter(({ text }) => /token worth 300 sat/.test(text));
        expect(more).toEqual([]);
        if (made !== undefined) {
          const id = /token worth 300 sat.* ([2-9a-z]{10})$/m.exec(await paid.ask('!wallet pending'))?.[1];
          expect(await paid.ask(`!wallet reclaim ${id}`)).toContain('300 sat');
        }
        expect(await paid.ask('!wallet pending')).not.toContain('token worth 300 sat');
        calm();
      },
    );

    test('while an invoice is paid: it is paid once, however often the form is sent', async () => {
      const { house, paid, origin } = world();
      house.mint.lightning.routingFee = 0;
      await tab.page.goto(`${origin}/money`);
      const paidBefore = house.mint.audit().melted;
      await give('Pay', house.mint.invoice(200));
      const code = await heard(/send (\d{4}) /);
      await killDuring('/v1/melt/bolt11', 'after', () => give('Confirm', code));
      await heard(/(does not answer)/);
      await comeBack();
      for (const _ of [1, 2]) expect(await postAgain('!wallet confirm {}', code)).toContain('used already');
      await until(async () => !/reserved/.test(await paid.ask('!wallet balance')), 'it is settled');
      expect(house.mint.audit().melted).toBe(paidBefore + 200);
      moved -= 200;
      calm();
    });

    test('pressed twice at the same moment pays once', async () => {
      const { house, origin } = world();
      await tab.page.goto(`${origin}/money`);
      const paidBefore = house.mint.audit().melted;
      await give('Pay', house.mint.invoice(210));
      const code = await heard(/send (\d{4}) /);
      const both = await Promise.all([1, 2, 3].map(() => postAgain('!wallet confirm {}', code)));
      expect(both.filter((one) => /Paid 210 sat/.test(one))).toHaveLength(1);
      expect(house.mint.audit().melted).toBe(paidBefore + 210);
      moved -= 210;
      calm();
    });

    test('has every sat afterwards', async () => {
      expect(await inAll()).toBe(before + moved);
      expect(world().house.mint.audit().balanced).toBe(true);
      expect(await world().paid.ask('!wallet check')).toStartWith('The books add up');
    }, 120_000);
  });
}
