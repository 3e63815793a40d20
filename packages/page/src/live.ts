import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { Viewer } from './layout.tsx';
import type { PageEnv } from './page-app.tsx';
import type { PageSource } from './page-source.ts';
import type { View } from './view.ts';

/** How often what goes on is looked at while somebody watches, and how many may at a time. */
const lookEveryMs = 500;
const mostWatchers = 32;
/** How soon a browser asks again after the bot was away. */
const retryMs = 1_000;

/** Sends a view again whenever it has changed. */
export function createLive(source: PageSource, onFault: (cause: unknown) => void) {
  let watchers = 0;
  return (
    c: Context<PageEnv>,
    { adminsOnly = false, live }: View & Required<Pick<View, 'live'>>,
    viewer: Viewer,
  ): Response => {
    if (watchers >= mostWatchers) return c.text('Too many are watching.', 503);
    watchers += 1;
    const query = c.req.query();
    const isIn = c.get('isIn');
    const visitorNow = () => {
      const visitor = isIn() ? source.visitorOf(viewer.visitor.publicKey) : undefined;
      return visitor?.role === 'member' && adminsOnly ? undefined : visitor;
    };
    return streamSSE(c, async (stream) => {
      let sent = '';
      try {
        // An owner who was removed sees no more, nor does one who has signed out.
        for (let seen = visitorNow(); seen !== undefined && !stream.aborted; seen = visitorNow()) {
          const shown = String(await live({ source, viewer: { ...viewer, visitor: seen }, query }));
          if (shown !== sent) await stream.writeSSE({ event: 'shown', data: shown, retry: retryMs });
          sent = shown;
          await stream.sleep(lookEveryMs);
        }
      } catch (cause) {
        // Its browser asks again.
        if (!stream.aborted) onFault(cause);
      } finally {
        watchers -= 1;
      }
    });
  };
}
