import { loadAssets } from './assets.ts';
import { createInside } from './inside.tsx';
import { createPageApp, type PageAppDeps } from './page-app.tsx';

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
  const app = createPageApp({ ...deps, assets: await loadAssets() }, createInside(deps));
  const server = Bun.serve({
    ...address,
    // A view that is watched may be silent for long; a request that sends nothing is ended by its browser.
    idleTimeout: 0,
    fetch: app.fetch,
  });
  return { url: `http://${server.url.host}`, stop: () => server.stop(true) };
}
