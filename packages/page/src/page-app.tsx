/** @jsxImportSource hono/jsx */
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { Hono, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { getCookie, setCookie } from 'hono/cookie';
import { HTTPException } from 'hono/http-exception';
import type { Assets } from './assets.ts';
import { Broken, ClosedDoor, NothingHere, OpenDoor, StaleDoor } from './doors.tsx';
import type { EntryLinks } from './entry-links.ts';
import { fromThePageAlone, loopbackAlone, originOf, strictHeaders } from './guards.ts';
import { createNostrSignIn } from './nostr-sign-in.ts';
import {
  createPageSessions,
  formKeyOf,
  isFormKey,
  type PageSessionStore,
  type PageSessions,
} from './page-sessions.ts';
import { isUp, type PageSource } from './page-source.ts';
import { isSameSecret, type RandomBytes } from './secrets.ts';
import type { Visitor } from './visitor.ts';

const cookieName = 'nostr-dm-agent';
/** What a form or a signed event may come to. */
const mostBytes = 64 * 1024;

export type PageAppDeps = {
  readonly source: PageSource;
  readonly links: EntryLinks;
  readonly sessions: PageSessionStore;
  /** What a Prometheus shows to read the figures (`Authorization: Bearer …`). */
  readonly metricsKey: string;
  readonly assets: Assets;
  /** How long a command may take before its answer is left to a message. */
  readonly actMs?: number;
  /** What went wrong while something was shown or done; its reader is told only that it did. */
  readonly onFault: (cause: unknown) => void;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
};

/** A visitor, and what their forms carry. */
export type PageEnv = {
  Variables: {
    readonly visitor: Visitor;
    readonly formKey: string;
    /** Whether this browser still is, for what goes on for long. */
    readonly isIn: () => boolean;
  };
};

/** The page's addresses: the doors, which are open to all and tell nothing, and what lies behind them. */
export function createPageApp(deps: PageAppDeps, inside: Hono<PageEnv>): Hono {
  const app = new Hono();
  app.use(strictHeaders, loopbackAlone, fromThePageAlone, bodyLimit({ maxSize: mostBytes }));
  app.get('/assets/:name', (c) => deps.assets.answer(c.req.param('name')));
  watched(app, deps);
  const sessions = createPageSessions(deps.sessions, deps.clock, deps.randomBytes);
  doors(app, deps, sessions);
  app.use(visitorsAlone(deps.source, sessions));
  app.route('/', inside);
  app.notFound((c) => c.html(<NothingHere />, 404));
  app.onError((cause, c) => {
    if (cause instanceof HTTPException) return cause.getResponse();
    // Whoever has left is the reason, and nobody reads it.
    if (!c.req.raw.signal.aborted) deps.onFault(cause);
    return c.html(<Broken />, 500);
  });
  return app;
}

/** What machines ask. */
function watched(app: Hono, { source, metricsKey }: PageAppDeps): void {
  const hasKey = (header: string | undefined): boolean => isSameSecret(header ?? '', `Bearer ${metricsKey}`);
  app.get('/health', (c) => {
    const health = source.health();
    const status = isUp(health) ? 'ok' : 'down';
    // Whoever has no key learns whether it works, which they could find out by asking it.
    const said = hasKey(c.req.header('authorization')) ? { status, ...health } : { status };
    return c.json(said, status === 'ok' ? 200 : 503);
  });
  app.get('/metrics', async (c) => {
    if (!hasKey(c.req.header('authorization'))) return c.text('The key is in BOT_HOME/metrics-key.', 401);
    const { contentType, text } = await source.metrics();
    return c.body(text, 200, { 'Content-Type': contentType });
  });
}

function doors(app: Hono, { source, links, clock, randomBytes }: PageAppDeps, sessions: PageSessions): void {
  const signIn = createNostrSignIn(clock, randomBytes);
  type In = Parameters<typeof setCookie>[0];
  const letIn = (c: In, publicKey: Visitor['publicKey'] | undefined): boolean => {
    if (publicKey === undefined || source.visitorOf(publicKey) === undefined) return false;
    setCookie(c, cookieName, sessions.begin(publicKey), { httpOnly: true, sameSite: 'Strict', path: '/' });
    return true;
  };
  app.get('/enter/:secret', (c) => {
    const secret = c.req.param('secret');
    return links.isGood(secret) ? c.html(<OpenDoor secret={secret} />) : c.html(<StaleDoor />, 410);
  });
  app.post('/enter/:secret', (c) =>
    letIn(c, links.use(c.req.param('secret'))) ? c.redirect('/', 303) : c.html(<StaleDoor />, 410),
  );
  app.post('/sign-in/challenge', (c) => c.json({ challenge: signIn.challenge() }));
  app.post('/sign-in', async (c) => {
    const event: unknown = await c.req.json().catch(() => undefined);
    return letIn(c, signIn.verify(event, `${originOf(c)}/sign-in`)) ? c.body(null, 204) : c.body(null, 403);
  });
}

/** From here on there is a visitor; whoever is none sees a closed door, whatever they asked for. */
function visitorsAlone(source: PageSource, sessions: PageSessions): MiddlewareHandler<PageEnv> {
  return async (c, next) => {
    const secret = getCookie(c, cookieName) ?? '';
    const publicKey = sessions.whose(secret);
    const visitor = publicKey && source.visitorOf(publicKey);
    if (visitor === undefined) return c.html(<ClosedDoor />, 401);
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') {
      const form = await c.req.parseBody().catch(() => ({}));
      const given = 'formKey' in form ? form.formKey : undefined;
      if (typeof given !== 'string' || !isFormKey(secret, given)) return c.text('Not from here.', 403);
      if (c.req.path === '/sign-out') {
        sessions.end(secret);
        return c.redirect('/', 303);
      }
    }
    c.set('visitor', visitor);
    c.set('formKey', formKeyOf(secret));
    c.set('isIn', () => sessions.isIn(secret));
    return next();
  };
}
