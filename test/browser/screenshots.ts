/* `bun test/browser/screenshots.ts`: the pictures of docs/page.md, of a sandbox in which something goes on. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { phone, wide } from './support/chromium.ts';
import { invoiceCard, said, startPageWorld } from './support/page-world.ts';
import { smallPng } from './support/small-png.ts';

const folder = join(import.meta.dir, '../../docs/images');
mkdirSync(folder, { recursive: true });

const world = await startPageWorld({ quiet: true });
try {
  const { owner, member, paid, house, origin } = world;
  const done = async (who: typeof owner, task: string) => who.answer(await who.send(task), /^— /m, 60_000);
  await done(owner, 'write notes.md with the text "Ship it on Friday"');
  await done(owner, 'edit readme.md replace "An app" by "A small app"');
  await paid.ask('!new');
  await done(owner, 'read readme.md then answer with 40 words');
  await done(member, 'say hello');
  await paid.ask('!invite');
  await paid.ask('!timezone Europe/Berlin');
  await paid.ask('!every weekdays 8:00 run the tests, tell me only what changed');
  await paid.ask('!every 6h agent update the dependencies !!500');
  await paid.ask('!remind fri 17:00 tag the release');
  await paid.ask('!schedule pause 2');
  await paid.ask('!schedule run 1');
  await owner.heard(/^⏰ #1/);
  house.mint.lightning.incoming = 'on-demand';

  const { page, close } = await world.enter();
  /** As much of a view as is seen at first, or one thing on it. */
  const shoot = async (name: string, what: Page | Locator = page): Promise<void> => {
    for (const [place, { width }] of Object.entries({ wide, narrow: phone }))
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await page.setViewportSize({ width, height: place === 'wide' ? 760 : 720 });
        await page.evaluate('scrollTo(0, 0)');
        const picture = smallPng(await what.screenshot({ caret: 'initial' }));
        writeFileSync(join(folder, `page-${name}-${place}-${colorScheme}.png`), picture);
      }
  };
  const go = (path: string) => page.goto(`${origin}${path}`, { waitUntil: 'load' });
  const sections = await page.getByRole('navigation').first().getByRole('link').all();
  const paths: string[] = [];
  for (const link of sections) paths.push((await link.getAttribute('href')) ?? '/now');
  for (const path of paths.filter((one) => one !== '/now' && one !== '/money')) {
    await go(path);
    await shoot(path.slice(1));
  }
  await go('/sessions');
  await page
    .getByRole('main')
    .getByRole('link', { name: /notes\.md/ })
    .first()
    .click();
  await page.waitForURL(/\/sessions\/./);
  await shoot('session');
  await go('/money/spend');
  await shoot('spend');
  await go('/money');
  await page.getByRole('button', { name: 'Top up', exact: true }).click();
  await said(page).getByText('Invoice for 5,000 sat').waitFor();
  await page.evaluate('document.querySelector("#said").replaceChildren()');
  const invoice = invoiceCard(page, 5_000);
  await invoice.waitFor();
  await shoot('money');
  await shoot('top-up', invoice);

  await go('/now');
  await owner.send('run bun test then say all green');
  await page.getByRole('button', { name: 'Yes', exact: true }).waitFor();
  await member.send('read readme.md');
  await page.getByText('read readme.md').waitFor();
  await shoot('now');
  await close();
} finally {
  await world.stop();
}
