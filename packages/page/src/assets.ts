import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The page's own files, the same for everybody. Nothing comes from elsewhere. */
export type Assets = {
  readonly answer: (name: string) => Response;
  /** Of all of them, as they are sent. */
  readonly bytes: number;
};

type Asset = { readonly body: string; readonly type: string; readonly tag: string };

/** Reads the styles and bundles the scripts, once. @throws AggregateError when a script can't be bundled */
export async function loadAssets(): Promise<Assets> {
  const [page, plot] = await Promise.all(['page.ts', 'plot.ts'].map(scriptOf));
  const assets = new Map<string, Asset>([
    ['page.js', asset(page ?? '', 'text/javascript')],
    // Only where something is plotted: it is as large as all the rest.
    ['plot.js', asset(plot ?? '', 'text/javascript')],
    ['page.css', asset(styles.map((path) => readFileSync(path, 'utf8')).join('\n'), 'text/css')],
    // Without one a browser asks for `/favicon.ico`.
    ['icon.svg', asset(readFileSync(join(import.meta.dir, 'icon.svg'), 'utf8'), 'image/svg+xml')],
  ]);
  return {
    bytes: [...assets.values()].reduce((sum, { body }) => sum + Buffer.byteLength(body), 0),
    answer: (name) => {
      const found = assets.get(name);
      if (found === undefined) return new Response('Not here.', { status: 404 });
      return new Response(found.body, {
        headers: {
          'Content-Type': `${found.type}; charset=utf-8`,
          ETag: found.tag,
          'Cache-Control': 'no-cache',
        },
      });
    },
  };
}

const styles = [
  join(import.meta.dir, 'page.css'),
  join(import.meta.dir, 'money.css'),
  fileURLToPath(import.meta.resolve('uplot/dist/uPlot.min.css')),
];

async function scriptOf(name: string): Promise<string> {
  const entrypoints = [join(import.meta.dir, 'islands', name)];
  const built = await Bun.build({ entrypoints, target: 'browser', minify: true });
  return (await Promise.all(built.outputs.map((output) => output.text()))).join('\n');
}

const asset = (body: string, type: string): Asset => ({
  body,
  type,
  tag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 16)}"`,
});
