import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const executable = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';

/** Debian's Chromium, without a window. @throws Error when it is not installed */
export async function launchChromium(): Promise<Browser> {
  if (!existsSync(executable))
    throw new Error(`${executable} is missing: apt-get install chromium, or name one in CHROMIUM_BIN`);
  // Root, who tests on a machine of CI, has no sandbox of Chromium's.
  return chromium.launch({ executablePath: executable, args: ['--no-sandbox', '--disable-gpu'] });
}

/** What goes wrong in a browser, whichever page it is on; empty, or a story has failed. */
export type Trouble = {
  /** Since the last time it was asked. */
  readonly take: () => readonly string[];
  /** What fails because the bot is away, or says no as it should, is none. */
  readonly allow: (line: RegExp) => void;
};

/**
 * Collects what must not be in any story: errors and warnings in the console (a violation of the policy is one), what a
 * script throws, dialogs, windows, and requests to anywhere but the page's own address.
 */
function watchTrouble(context: BrowserContext, origin: string): Trouble {
  const lines: string[] = [];
  const allowed: RegExp[] = [];
  const note = (line: string): void => void (allowed.some((one) => one.test(line)) || lines.push(line));
  context.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      note(`console: ${message.text()} at ${message.location().url}`);
  });
  context.on('weberror', (error) => note(`thrown: ${error.error().message}`));
  context.on('dialog', (dialog) => {
    note(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  context.on('request', (request) => {
    const url = request.url();
    if (new URL(url).origin !== origin && !url.startsWith('data:image/')) note(`elsewhere: ${url}`);
  });
  return {
    take: () => lines.splice(0),
    allow: (line) => void allowed.push(line),
  };
}

export type Look = { readonly width: number; readonly scheme: 'light' | 'dark' };
export const wide: Look = { width: 1280, scheme: 'light' };
export const phone: Look = { width: 360, scheme: 'light' };

/** A browser profile of its own, with its one tab. */
export async function openTab(browser: Browser, origin: string, { width, scheme }: Look = wide) {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: scheme,
    reducedMotion: 'reduce',
  });
  context.setDefaultTimeout(40_000);
  const trouble = watchTrouble(context, origin);
  // Chromium reports a document that says no.
  trouble.allow(/status of (401|410) .* at \S+$/);
  const page = await context.newPage();
  return { context, page, trouble, close: () => context.close() };
}
export type Tab = Awaited<ReturnType<typeof openTab>>;

/** A script for the page, which knows the browser's own names. */
export const inPage = async <T>(page: Page, script: string): Promise<T> => page.evaluate<T>(script);
