import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page, Response } from 'playwright-core';
import { inPage, type Look, type Tab } from './support/chromium.ts';
import type { PageWorld } from './support/page-world.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const kib = 1024;
const mostBytes = 150 * kib;
const firstViewMs = 200;

type Focus = { readonly what: string; readonly seen: boolean; readonly done: boolean };

/** What can be used, in the order of the document; each knows afterwards whether the focus was on it. */
const actions = `(window.actions = [...document.querySelectorAll('a[href], button, input, select, textarea, summary')]
  .filter((element) => element.type !== 'hidden' && !element.disabled && element.checkVisibility()
    && !(element.type === 'radio' && !element.checked && document.querySelector('[name="' + element.name + '"]:checked')))).length`;
const focused = `(() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  const index = window.actions.indexOf(element);
  const what = (element.textContent || element.name || element.tagName).trim() + ' (' + element.tagName + ')';
  if (index < 0) return { what, seen: true, done: element === document.body };
  delete window.actions[index];
  return { what, seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2, done: false };
})()`;
const widest = `[...document.querySelectorAll('main *, header *')].filter((element) => element.getBoundingClientRect().right > innerWidth)
  .map((element) => element.outerHTML.slice(0, 120)).slice(-3).join(' | ')`;
/** What is folded away is looked at, too. */
const openAll = `document.querySelectorAll('details').forEach((part) => { part.open = true; })`;
const left = `Object.values(window.actions).map((element) => element.outerHTML.slice(0, 200))`;

/** How every view looks, whoever looks at it and with whatever. */
export function looks(world: () => PageWorld): void {
  let tab: Tab;
  let addresses: readonly string[] = [];
  beforeAll(async () => {
    tab = await world().enter();
    tab.trouble.allow(/404 .* at \S+\/nothing-there$/);
    addresses = await addressesOf(tab.page);
  });
  afterAll(() => tab.close());

  const each: readonly Look[] = [
    { width: 1280, scheme: 'light' },
    { width: 1280, scheme: 'dark' },
    { width: 360, scheme: 'dark' },
    { width: 360, scheme: 'light' },
  ];

  describe('every view', () => {
    test('is readable for everybody (axe), light and dark, wide and narrow; nothing is wider than a phone', async () => {
      const found: string[] = [];
      const doors = await world().stranger();
      for (const { page, paths } of [
        { page: tab.page, paths: [...addresses, '/nothing-there'] },
        { page: doors.page, paths: ['/', new URL(await world().linkFor()).pathname, '/enter/none'] },
      ]) {
        for (const path of paths) {
          await page.goto(`${world().origin}${path}`);
          await inPage(page, openAll);
          expect(await inPage<string>(page, 'document.compatMode')).toBe('CSS1Compat');
          await inPage(page, axe);
          for (const { width, scheme } of each) {
            await page.emulateMedia({ colorScheme: scheme });
            await page.setViewportSize({ width, height: 900 });
            const where = `${path} ${width} ${scheme}`;
            // What depends on the width is looked at once for each, what depends on the colours for every one.
            found.push(...(await violations(page, scheme === 'light')).map((line) => `${where}: ${line}`));
            const over = await inPage<number>(page, 'document.documentElement.scrollWidth - innerWidth');
            if (over > 0) found.push(`${where}: ${over} px too wide: ${await inPage<string>(page, widest)}`);
          }
        }
      }
      expect(found).toEqual([]);
      expect([...tab.trouble.take(), ...doors.trouble.take()]).toEqual([]);
      await doors.close();
    });

    test('is used by keyboard alone: whatever can be done is reached, and one sees where one is', async () => {
      const { page } = tab;
      await page.setViewportSize({ width: 1280, height: 900 });
      const found: string[] = [];
      for (const path of addresses) {
        await page.goto(`${world().origin}${path}`);
        await inPage(page, openAll);
        const count = await inPage<number>(page, actions);
        for (let step = 0; step < count + 10; step += 1) {
          await page.keyboard.press('Tab');
          const { what, seen, done } = await inPage<Focus>(page, focused);
          if (done) break;
          if (!seen) found.push(`${path}: one does not see the focus on ${what}`);
        }
        const never = await inPage<string[]>(page, left);
        found.push(...never.map((what) => `${path}: not reached: ${what}`));
      }
      expect(found).toEqual([]);
      expect(tab.trouble.take()).toEqual([]);
    });

    test('is done with by keyboard: to another section and through a command', async () => {
      const { page } = tab;
      await page.goto(`${world().origin}/now`);
      await page.keyboard.press('Tab');
      expect(await inPage<string>(page, 'document.activeElement.textContent')).toContain('To the content');
      await page.keyboard.press('Tab');
      await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      await page.waitForURL(/\/(?!now)\w+$/);
      await page.goto(`${world().origin}/sessions`);
      await page.getByRole('button', { name: 'Begin a new one' }).focus();
      await page.keyboard.press('Enter');
      await page.locator('#said pre').first().waitFor();
      expect(await inPage<string>(page, 'document.activeElement.textContent')).toContain('Begin a new one');
    });

    test('weighs little, and is there at once', async () => {
      const { browser, origin } = world();
      const cookies = await tab.context.cookies();
      const first: number[] = [];
      const all = new Map<string, number>();
      let heaviest = 0;
      for (const path of [...addresses, ...Array.from({ length: 4 }, () => '/now')]) {
        const context = await browser.newContext();
        await context.addCookies(cookies);
        const page = await context.newPage();
        const answers: Response[] = [];
        // What goes on and on has no end to weigh.
        page.on('response', (answer) =>
          answer.request().resourceType() === 'eventsource' ? undefined : void answers.push(answer),
        );
        await page.goto(`${origin}${path}`, { waitUntil: 'load' });
        let weight = 0;
        for (const answer of answers) {
          const { length } = await answer.body();
          weight += length;
          if (answer.url().includes('/assets/')) all.set(answer.url(), length);
        }
        heaviest = Math.max(heaviest, weight);
        if (path === '/now')
          first.push(
            await inPage<number>(page, `performance.getEntriesByType('navigation')[0].loadEventEnd`),
          );
        await context.close();
      }
      const sorted = first.toSorted((a, b) => a - b);
      const assets = [...all.values()].reduce((sum, weight) => sum + weight, 0);
      const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
      process.stderr.write(
        `the heaviest view ${(heaviest / kib).toFixed(1)} KiB, all assets ${(assets / kib).toFixed(1)} KiB; ` +
          `first view ${sorted[0]?.toFixed(0)} ms at best, ${median.toFixed(0)} ms in the middle of ${first.length}\n`,
      );
      expect(heaviest).toBeLessThan(mostBytes);
      expect(assets).toBeLessThan(mostBytes);
      // On a machine that tests other things as well, the best of them says what the page needs.
      expect(sorted[0]).toBeLessThan(process.env.CI === 'true' ? 2 * firstViewMs : firstViewMs);
    });
  });

  /** The sections that the menu has, and one of what each leads to. */
  async function addressesOf(page: Page): Promise<readonly string[]> {
    const inside = (place: string): Promise<string[]> =>
      inPage(
        page,
        `[...document.querySelectorAll('${place} a[href^="/"]')].map((link) => link.getAttribute('href'))`,
      );
    const sections = await inside('nav');
    const found = new Set(sections);
    for (const section of sections) {
      await page.goto(`${world().origin}${section}`);
      const more = (await inside('main')).filter((path) => !/\.\w+$/.test(path));
      for (const path of more.slice(0, 6)) found.add(path);
    }
    return [...found];
  }

  async function violations(page: Page, all: boolean): Promise<readonly string[]> {
    const what = all
      ? `{ type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }`
      : `['color-contrast']`;
    return inPage<string[]>(
      page,
      `axe.run({ runOnly: ${what}, resultTypes: ['violations'] }).then(({ violations }) => violations.flatMap(({ id, nodes }) =>
        nodes.map(({ html, failureSummary }) => id + ': ' + html.slice(0, 200) + ' ' + failureSummary)))`,
    );
  }
}
