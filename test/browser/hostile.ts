import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { startPage } from '@nostr-dm-agent/page/testing/page-kit';
import { npubEncode } from 'nostr-tools/nip19';
import type { Page } from 'playwright-core';
import { inPage, type Tab } from './support/chromium.ts';
import { hostileWords, obeyed } from './support/hostile-words.ts';
import { type PageWorld, said } from './support/page-world.ts';

/** What others may write, ask for or serve, in front of an owner's browser that is in. */
export function hostile(world: () => PageWorld): void {
  let tab: Tab;
  let seenByOthers: Tab;
  const texts: string[] = [];
  beforeAll(async () => {
    tab = await world().enter();
    seenByOthers = await world().enter(world().member);
  });
  afterAll(async () => {
    await tab.close();
    await seenByOthers.close();
  });
  const cookieOf = async ({ context }: Tab): Promise<string> =>
    (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
  const formKeyOf = ({ page }: Tab) => page.locator('input[name=formKey]').first().inputValue();
  const pathsIn = (page: Page, place: string): Promise<string[]> =>
    inPage(
      page,
      `[...document.querySelectorAll('${place} a[href^="/"]')].map((link) => link.getAttribute('href'))`,
    );
  /** Nothing in it is obeyed; what it says is kept, to know that it was there. */
  const look = async (page: Page): Promise<void> => {
    expect(await inPage<string[]>(page, obeyed)).toEqual([]);
    texts.push((await page.locator('body').textContent()) ?? '');
  };
  const go = async (page: Page, path: string): Promise<void> => {
    await page.goto(`${world().origin}${path}`);
    await look(page);
  };
  const act = async ({ page }: Tab, command: string): Promise<void> => {
    await inPage(page, `document.querySelector('#said').replaceChildren()`);
    await inPage(
      page,
      `(() => { const form = document.querySelector('form[data-does]').cloneNode(true);
        form.querySelector('[name=command]').value = ${JSON.stringify(command)};
        form.querySelector('[name=field]')?.remove();
        document.body.append(form); form.requestSubmit(); })()`,
    );
    await said(page).locator('pre').first().waitFor();
    await look(page);
  };

  describe('what an agent, a relay or a person has written', () => {
    test('is text on every view, and nothing that a browser obeys', async () => {
      const { owner, paid, origin } = world();
      const { page } = tab;
      const done = async (task: string) => owner.answer(await owner.send(task), /^— /m, 60_000);
      await paid.ask('!new');
      await page.goto(`${origin}/now`);
      await done(`say ${hostileWords.task}`);
      await look(page);
      await paid.ask('!new');
      await done(`say ${hostileWords.answer}`);
      await done(`say ${hostileWords.document}`);
      await done(`say ${hostileWords.stream}`);
      await look(page);

      const asking = await owner.send(
        `run touch '${hostileWords.file}' then ask "${hostileWords.question.replaceAll('"', '')}?" ${hostileWords.option}, no`,
      );
      await page.getByRole('button', { name: 'Yes', exact: true }).waitFor();
      await look(page);
      await membersSeeNothing();
      await page.getByRole('button', { name: 'Yes', exact: true }).click();
      await page.getByRole('button', { name: 'no', exact: true }).waitFor();
      await look(page);
      await page.getByRole('button', { name: 'no', exact: true }).click();
      await owner.answer(asking, /^— /m, 60_000);

      await go(page, '/sessions');
      for (const command of [
        ...[
          '!diff',
          '!provider nodes',
          `!remind in 9h ${hostileWords.typed}`,
          `!name ${hostileWords.name}`,
          `!owners add ${hostileWords.typed}`,
        ],
        ...[
          `!${hostileWords.typed}`,
          `!model ${hostileWords.typed}`,
          `!wallet receive ${hostileWords.typed}`,
        ],
      ])
        await act(tab, command);

      const sections = await pathsIn(page, 'nav');
      const below = new Set<string>();
      const asked = encodeURIComponent(hostileWords.typed);
      for (const section of sections) {
        await go(page, section);
        for (const path of await pathsIn(page, 'main')) if (!/\.\w+$/.test(path)) below.add(path);
        const names = await inPage<string[]>(
          page,
          `[...document.querySelectorAll('form[method=get] [name]')].map(({ name }) => name)`,
        );
        const query = [...new Set([...names, 'q', 'find', 'search'])].map((name) => `${name}=${asked}`);
        await go(page, `${section}?${query.join('&')}`);
      }
      for (const path of below) await go(page, path);
      tab.trouble.allow(/status of 404 .* at \S+$/);
      for (const path of [`/${asked}`, `/sessions/${asked}`, `/enter/${asked}`]) await go(page, path);
      const all = texts.join('\n').replace(/\s+/g, ' ');
      for (const [where, words] of Object.entries(hostileWords))
        expect([
          where,
          all.includes(
            words
              .replaceAll('"', where === 'question' ? '' : '"')
              .replace(/\s+/g, ' ')
              .trim(),
          ),
        ]).toEqual([where, true]);
      expect(tab.trouble.take()).toEqual([]);
    });
  });

  /** A member asks for everything that there is, by the names of what is an admin's. */
  async function membersSeeNothing(): Promise<void> {
    const { origin, owner, paid } = world();
    const kit = await startPage(new Map());
    await kit.stop();
    const sessions = (await paid.ask('!sessions')).match(/\b[a-z2-9]{4,12}\b/g) ?? [];
    const headers = { Cookie: await cookieOf(seenByOthers) };
    const words = [
      ...Object.values(hostileWords).map((text) => /\(?\d\d\)/.exec(text)?.[0] ?? 'evil.example'),
      npubEncode(owner.publicKey),
      'made-by-page',
      'page.txt',
    ];
    const paths = kit.paths.flatMap((path) =>
      path.includes(':')
        ? [...new Set(sessions)].map((id) => path.replace(/:\w+/g, id))
        : [path.replace('/*', '')],
    );
    expect(paths.length).toBeGreaterThan(10);
    for (const path of paths) {
      const leaving = new AbortController();
      const answer = await fetch(`${origin}${path}`, { headers, redirect: 'manual', signal: leaving.signal });
      // What goes on and on is told in its first piece.
      const first = await answer.body?.getReader().read();
      leaving.abort();
      const text = new TextDecoder().decode(first?.value) + JSON.stringify([...answer.headers]);
      expect([path, words.filter((word) => text.includes(word))]).toEqual([path, []]);
    }
    for (const path of await pathsIn(seenByOthers.page, 'nav')) await go(seenByOthers.page, path);
    expect(seenByOthers.trouble.take()).toEqual([]);
  }

  describe('another page in the browser, of another program on the machine', () => {
    test('does nothing and reads nothing, from another port or another name', async () => {
      const { origin, paid } = world();
      const attack = `<iframe name=hidden></iframe><iframe name=view src="${origin}/now"></iframe>
        <form method=post action="${origin}/act" target=hidden><input name=command value="!name taken over"><input name=formKey value="${await formKeyOf(seenByOthers)}"></form>
        <form method=post action="${origin}/sign-out" target=hidden></form>
        <script>
          const tried = (what) => what.then((got) => 'got ' + (got && got.type), () => 'blocked');
          const event = (element, name) => new Promise((got, no) => { element.addEventListener(name, () => got({ type: name })); element.addEventListener('error', no); });
          const loaded = (tag, attribute, path) => { const element = document.createElement(tag); element.rel = 'stylesheet'; element[attribute] = '${origin}' + path; document.body.append(element); return event(element, 'load'); };
          window.results = (async () => {
            for (const form of document.forms) form.submit();
            const body = new URLSearchParams({ command: '!name taken over' });
            return Promise.all([
              tried(fetch('${origin}/now', { credentials: 'include' })),
              tried(fetch('${origin}/now', { credentials: 'include', mode: 'no-cors' })),
              tried(fetch('${origin}/act', { method: 'POST', credentials: 'include', mode: 'no-cors', body })),
              tried(event(new EventSource('${origin}/now/live', { withCredentials: true }), 'shown')),
              tried(loaded('script', 'src', '/now')), tried(loaded('img', 'src', '/assets/icon.svg')), tried(loaded('link', 'href', '/assets/page.css')),
            ]);
          })();
        </script>`;
      const server = Bun.serve({
        hostname: '127.0.0.1',
        port: 0,
        fetch: () => new Response(attack, { headers: { 'Content-Type': 'text/html' } }),
      });
      try {
        for (const host of ['127.0.0.1', 'localhost']) {
          const page = await tab.context.newPage();
          await page.goto(`http://${host}:${server.port}/`);
          const results = await inPage<string[]>(page, 'window.results');
          expect([host, ...results]).toEqual([host, ...results.map(() => 'blocked')]);
          expect(page.frames().filter((frame) => frame.url().startsWith(origin))).toEqual([]);
          await page.close();
        }
      } finally {
        await server.stop(true);
      }
      expect(await paid.ask('!sessions')).not.toContain('taken over');
      await tab.page.goto(`${origin}/now`);
      expect(await tab.page.title()).toContain('Now');
      // What the other page was refused is in its own console.
      tab.trouble.take();
    });

    test('is refused whatever it leaves out or makes up', async () => {
      const { origin } = world();
      await tab.page.goto(`${origin}/now`);
      const { port, host } = new URL(origin);
      const [Cookie, formKey] = [await cookieOf(tab), await formKeyOf(tab)];
      const send = async (headers: Record<string, string>, body: Record<string, string>): Promise<number> => {
        const all = { Cookie, ...headers };
        const answer = await fetch(`${origin}/act`, {
          method: 'POST',
          headers: all,
          body: new URLSearchParams({ command: '!ping', ...body }),
        });
        return answer.status;
      };
      const Origin = origin;
      expect(await send({ Origin }, { formKey })).toBe(200);
      const refused: readonly (readonly [string, Record<string, string>, Record<string, string>])[] = [
        ['no origin', {}, { formKey }],
        ['a hidden origin', { Origin: 'null' }, { formKey }],
        ['another port', { Origin: 'http://127.0.0.1:1' }, { formKey }],
        ['another name', { Origin: `http://localhost:${port}` }, { formKey }],
        ['another scheme', { Origin: `https://${host}` }, { formKey }],
        ['another site, says the browser', { Origin, 'Sec-Fetch-Site': 'cross-site' }, { formKey }],
        ['another port, says the browser', { Origin, 'Sec-Fetch-Site': 'same-site' }, { formKey }],
        ['no key of a form', { Origin }, {}],
        ['an empty key', { Origin }, { formKey: '' }],
        ['the key of another session', { Origin }, { formKey: await formKeyOf(seenByOthers) }],
        ['no cookie', { Origin, Cookie: '' }, { formKey }],
      ];
      for (const [what, headers, body] of refused)
        expect([what, await send(headers, body)]).toEqual([what, what === 'no cookie' ? 401 : 403]);
    });
  });
}
