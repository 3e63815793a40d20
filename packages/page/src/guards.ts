import { isLoopbackHost } from '@nostr-dm-agent/kit/net';
import type { Context, MiddlewareHandler } from 'hono';

/**
 * The page is for browsers on this machine, or at the end of a tunnel to it: a name that somebody pointed here (DNS
 * rebinding) is none of this machine's.
 */
export const loopbackAlone: MiddlewareHandler = async (c, next) => {
  const host = hostOf(c);
  if (host === undefined || !isLoopbackHost(host.hostname)) return c.text('Not here.', 421);
  return next();
};

/**
 * What changes something comes from the page itself. A cookie says nothing about that: other programs' pages on this
 * machine are the same site, whatever their port.
 */
export const fromThePageAlone: MiddlewareHandler = async (c, next) => {
  if (c.req.method === 'GET' || c.req.method === 'HEAD') return next();
  const origin = c.req.header('origin');
  const site = c.req.header('sec-fetch-site');
  const isOwn =
    origin !== undefined && origin === originOf(c) && (site === undefined || site === 'same-origin');
  if (!isOwn) return c.text('Not from here.', 403);
  return next();
};

/** No script but the page's own files, nothing from elsewhere, nothing kept, nothing told to other pages. */
export const strictHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  const { headers } = c.res;
  headers.set(
    'Content-Security-Policy',
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  );
  headers.set('X-Content-Type-Options', 'nosniff');
  // With `no-referrer` a browser would hide where a form comes from, too.
  headers.set('Referrer-Policy', 'same-origin');
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store');
};

/** The page's own origin, as this browser reaches it: through a tunnel it may have another port. */
export const originOf = (c: Context): string => `http://${c.req.header('host') ?? ''}`;

const hostOf = (c: Context): URL | undefined => {
  const host = c.req.header('host');
  return host === undefined ? undefined : (URL.parse(`http://${host}`) ?? undefined);
};
