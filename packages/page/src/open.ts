import { Hono } from 'hono';
import { loadAssets } from './assets.ts';
import { createPageApp, type PageAppDeps, type PageEnv } from './page-app.tsx';

/** Where the page is served; loopback alone (`BOT_PAGE`). */
export type PageAddress = { readonly hostname: string; readonly port: number };
export type ServedPage = {
  readonly url: string;
  /** Ends what is under way, too. */
  readonly stop: () => Promise<void>;
};

/** Serves the page. @throws Error with a code (EADDRINUSE …) when the address can't be had */
export async function servePage(
  address: PageAddress,
  deps: Omit<PageAppDeps, 'assets'>,
): Promise<ServedPage> {
  const app = createPageApp({ ...deps, assets: await loadAssets() }, new Hono<PageEnv>());
  const server = Bun.serve({ ...address, idleTimeout: 30, fetch: app.fetch });
  return { url: `http://${server.url.host}`, stop: () => server.stop(true) };
}
