/** @jsxImportSource hono/jsx */
import { type Context, Hono } from 'hono';
import type { Child } from 'hono/jsx';
import { z } from 'zod';
import { longestField, Page, Replies, type Viewer } from './layout.tsx';
import { createLive } from './live.ts';
import type { PageAppDeps, PageEnv } from './page-app.tsx';
import type { PageSource } from './page-source.ts';
import type { View } from './view.ts';
import { views, viewsFor } from './views.ts';

/** How long a command may take before the page says that it goes on behind. */
const longestActMs = 65_000;

const order = z.object({
  command: z.string().regex(/^!/).max(4_000),
  field: z
    .union([z.string().max(longestField), z.array(z.string().max(200)).max(2)])
    .transform((fields) => [fields].flat())
    .default([]),
  /** Of an answer that is shown better elsewhere, the first words are enough. */
  brief: z.literal('yes').optional(),
  about: z.string().max(64).optional(),
  back: z.string().max(64).optional(),
});

/** What is behind the doors. */
export function createInside({
  source,
  actMs = longestActMs,
  onFault,
}: Pick<PageAppDeps, 'source' | 'actMs' | 'onFault'>): Hono<PageEnv> {
  const app = new Hono<PageEnv>();
  const watch = createLive(source, onFault);
  app.get('/', (c) => c.redirect('/now', 303));
  for (const view of views) {
    const { path, adminsOnly = false, more } = view;
    app.use(`${path}/*`, async (c, next) =>
      adminsOnly && c.get('visitor').role !== 'admin' ? c.notFound() : next(),
    );
    app.get(path, async (c) => {
      const viewer = viewerOf(c);
      return c.html(page(view, viewer, await shown(source, view, viewer, c.req.query())));
    });
    const { live } = view;
    if (live !== undefined) app.get(`${path}/live`, (c) => watch(c, { ...view, live }, viewerOf(c)));
    more?.(app, { source, viewerOf, page: (viewer, inside) => page(view, viewer, inside) });
  }
  app.post('/act', (c) => act(c, source, actMs));
  return app;
}

const viewerOf = ({ var: { visitor, formKey } }: { readonly var: PageEnv['Variables'] }): Viewer => ({
  visitor,
  formKey,
});

const page = (view: View, viewer: Viewer, inside: Child, said: readonly string[] = []) => (
  <Page view={view} menu={viewsFor(viewer.visitor)} viewer={viewer} said={said}>
    {inside}
  </Page>
);

async function shown(
  source: PageSource,
  view: View,
  viewer: Viewer,
  query: Readonly<Record<string, string>> = {},
): Promise<Child> {
  const ask = { source, viewer, query };
  const asked = new URLSearchParams(query).toString();
  return (
    <>
      {await view.show?.(ask)}
      {view.live && (
        <div id="live" data-live={`${view.path}/live${asked && `?${asked}`}`}>
          {await view.live(ask)}
        </div>
      )}
    </>
  );
}

async function act(c: Context<PageEnv>, source: PageSource, actMs: number): Promise<Response> {
  const parsed = order.safeParse(await c.req.parseBody({ all: true }));
  if (!parsed.success) return c.text('That was not understood.', 400);
  const { command, field, brief, about, back } = parsed.data;
  const viewer = viewerOf(c);
  const fields = field.map((text) => text.trim());
  const given = command.replaceAll('{}', () => fields.shift() ?? '').trim();
  const signal = AbortSignal.any([c.req.raw.signal, AbortSignal.timeout(actMs)]);
  const texts = await source
    .act(viewer.visitor, { command: given, about }, signal)
    .catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return ['It takes longer than this page waits. The bot answers by message.'];
    });
  const said = brief === undefined ? texts : texts.map((text) => text.split('\n\n')[0] ?? text);
  // The script wants the bot's words alone.
  if (c.req.header('accept') === 'text/x-replies') return c.html(<Replies texts={said} />);
  const theirs = viewsFor(viewer.visitor);
  const view = theirs.find(({ path }) => path === back) ?? theirs[0];
  if (view === undefined) return c.notFound();
  return c.html(page(view, viewer, await shown(source, view, viewer), said));
}
