import { onceThePortIsFree } from '@nostr-dm-agent/kit/testing/until';
import { startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import type { Browser, Page } from 'playwright-core';
import type { TestOwner } from '../../support/owner.ts';
import { startPaidBot } from '../../support/paid-bot.ts';
import { startSandboxHouse } from '../../support/paid-house.ts';
import { git, put } from '../../support/worktrees.ts';
import { type Look, launchChromium, openTab, type Tab, wide } from './chromium.ts';
import { announceHostileNode, startHostileRelay } from './hostile-relay.ts';

/** A port that nobody has now: the page is to be at the same address when the bot comes back. */
async function freePort(): Promise<number> {
  let port = 0;
  await onceThePortIsFree(() => {
    const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response() });
    port = server.port ?? 0;
    void server.stop(true);
  });
  return port;
}

/**
 * The page of a bot as an operator runs it, in a real browser: a relay, a mint, a node with a model behind it, the real
 * opencode kept ready in its jail, a wallet with money, an admin and a member; and a relay that is hostile, unless `quiet`.
 */
export async function startPageWorld({ quiet = false }: { readonly quiet?: boolean } = {}) {
  const relay = startSandboxRelay();
  const hostile = quiet ? undefined : startHostileRelay();
  const house = startSandboxHouse({ feePpk: 0 });
  if (!quiet) announceHostileNode(relay, house.nodeUrl.replace(/\/v1$/, ''));
  const address = `127.0.0.1:${await freePort()}`;
  const origin = `http://${address}`;
  const paid = await startPaidBot(house, {
    ...{ opencode: 'real', funds: 30_000, relay },
    env: {
      ...{ BOT_PAGE: address, BOT_ISOLATION: 'bwrap', BOT_APPROVALS: 'commands', BOT_WARM_SERVERS: '2' },
      BOT_RELAYS: [relay.url, ...(hostile === undefined ? [] : [hostile.url])].join(','),
    },
  });
  const { bot, owner } = paid;
  git(bot.workspace, 'init', '-q', '-b', 'main');
  put(bot.workspace, { 'readme.md': 'An app.\n' });
  git(bot.workspace, 'add', '-A');
  git(bot.workspace, 'commit', '-q', '-m', 'first');
  const member = await paid.addMember();
  await member.answer(await member.send('!provider set routstr'));
  const browser: Browser = await launchChromium();

  const linkFor = async (who: TestOwner = owner): Promise<string> =>
    (await who.answer(await who.send('!page'))).text.split('\n')[0] ?? '';
  /** A browser that is in. */
  const enter = async (who: TestOwner = owner, look: Look = wide): Promise<Tab> => {
    const tab = await openTab(browser, origin, look);
    await tab.page.goto(await linkFor(who));
    await tab.page.getByRole('button', { name: 'Come in' }).click();
    await tab.page.waitForURL(`${origin}/now`);
    return tab;
  };
  return {
    ...{ house, paid, bot, owner, member, browser, origin, linkFor, enter },
    stranger: (look: Look = wide) => openTab(browser, origin, look),
    stop: async () => {
      await browser.close();
      member.close();
      await paid.cleanUp();
      await house.stop();
      await relay.stop();
      hostile?.stop();
    },
  };
}
export type PageWorld = Awaited<ReturnType<typeof startPageWorld>>;

/** The place where the bot's answer to a button is shown. */
export const said = (page: Page) => page.locator('#said');

/** An invoice of a top-up, as the page shows it until it is paid, and a moment longer. */
export const invoiceCard = (page: Page, sats: number) =>
  page.getByRole('region', { name: `Invoice for ${sats.toLocaleString('en-US')} sat` });
