/** @jsxImportSource hono/jsx */
import { type Context, Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { z } from 'zod';
import { longestField, maySee, Page, Replies, type Section, sections, type Viewer } from './layout.tsx';
import { ledgerCsv } from './ledger-csv.ts';
import { Money } from './money.tsx';
import { Now } from './now.tsx';
import { Owners } from './owners.tsx';
import type { PageEnv } from './page-app.tsx';
import type { PageSource } from './page-source.ts';
import { Relays } from './relays.tsx';
import { Session, Sessions } from './sessions.tsx';

/** How often what goes on is looked at while somebody watches, and how many may at a time. */
const lookEveryMs = 500;
const mostWatchers = 32;
/** How long a command may take before the page says that it goes on behind. */
const longestActMs = 65_000;
const ledgerRows = 50;

const order = z.object({
  command: z.string().regex(/^!/).max(4_000),
  field: z.string().max(longestField).optional(),
  about: z.string().max(64).optional(),
  back: z.enum(sections.map(([path]) => path)).default('/now'),
});

/** What is behind the doors. */
export function createInside(source: PageSource, actMs: number = longestActMs): Hono<PageEnv> {
  const app = new Hono<PageEnv>();
  const viewer = (c: Context<PageEnv>): Viewer => ({ visitor: c.get('visitor'), formKey: c.get('formKey') });
  const shown = (section: Section, who: Viewer) => {
    switch (section) {
      case '/now':
        return (
          <div id="live" data-live="/now/live">
            <Now {...source.now(who.visitor)} viewer={who} />
          </div>
        );
      case '/money': {
        const facts = source.money(who.visitor, ledgerRows);
        return facts === undefined ? <p>There is no wallet.</p> : <Money facts={facts} viewer={who} />;
      }
      case '/sessions':
        return <Sessions sessions={source.sessions(who.visitor)} viewer={who} />;
      case '/relays':
        return <Relays relays={source.relays()} />;
      case '/owners':
        return <Owners owners={source.owners(who.visitor)} viewer={who} />;
    }
  };
  const view = (section: Section, who: Viewer, said: readonly string[] = []) => (
    <Page section={section} viewer={who} said={said}>
      {shown(section, who)}
    </Page>
  );
  app.get('/', (c) => c.redirect('/now', 303));
  for (const [section] of sections) {
    app.get(section, (c) =>
      maySee(c.get('visitor'), section) ? c.html(view(section, viewer(c))) : c.notFound(),
    );
  }
  app.get('/sessions/:id', (c) => {
    const who = viewer(c);
    const found = source.session(who.visitor, c.req.param('id'));
    if (found === undefined) return c.notFound();
    return c.html(
      <Page section="/sessions" viewer={who}>
        <Session {...found} viewer={who} />
      </Page>,
    );
  });
  app.get('/money/ledger.csv', (c) => {
    const facts = source.money(c.get('visitor'), Number.MAX_SAFE_INTEGER);
    if (facts === undefined) return c.notFound();
    return c.body(ledgerCsv(facts.ledger), 200, {
      'Content-Type': 'text/csv; charset=utf-8',
      'Content-Disposition': 'attachment; filename="ledger.csv"',
    });
  });
  app.post('/act', async (c) => {
    const parsed = order.safeParse(await c.req.parseBody());
    if (!parsed.success) return c.text('That was not understood.', 400);
    const { command, field = '', about, back } = parsed.data;
    const who = viewer(c);
    const given = command.replace('{}', () => field.trim()).trim();
    const signal = AbortSignal.any([c.req.raw.signal, AbortSignal.timeout(actMs)]);
    const said = await source.act(who.visitor, { command: given, about }, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return ['It takes longer than this page waits. The bot answers by message.'];
    });
    // The script wants the bot's words alone.
    if (c.req.header('accept') === 'text/x-replies') return c.html(<Replies texts={said} />);
    return c.html(view(maySee(who.visitor, back) ? back : '/now', who, said));
  });
  live(app, source, viewer);
  app.notFound((c) => c.text('There is nothing here.', 404));
  return app;
}

/** What goes on, sent again whenever it has changed. */
function live(app: Hono<PageEnv>, source: PageSource, viewer: (c: Context<PageEnv>) => Viewer): void {
  let watchers = 0;
  app.get('/now/live', (c) => {
    if (watchers >= mostWatchers) return c.text('Too many are watching.', 503);
    const who = viewer(c);
    watchers += 1;
    return streamSSE(c, async (stream) => {
      let sent = '';
      try {
        // An owner who was removed sees no more.
        for (
          let seen = source.visitorOf(who.visitor.publicKey);
          seen !== undefined && !stream.aborted;
          seen = source.visitorOf(who.visitor.publicKey)
        ) {
          const shown = String(<Now {...source.now(seen)} viewer={{ ...who, visitor: seen }} />);
          if (shown !== sent) await stream.writeSSE({ event: 'now', data: shown });
          sent = shown;
          await stream.sleep(lookEveryMs);
        }
      } finally {
        watchers -= 1;
      }
    });
  });
}
