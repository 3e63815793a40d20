import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The page's own files, the same for everybody. Nothing comes from elsewhere. */
export type Assets = { readonly answer: (name: string) => Response };

type Asset = { readonly body: string; readonly type: string; readonly tag: string };

/** Reads the styles and bundles the scripts, once. @throws AggregateError when a script can't be bundled */
export async function loadAssets(): Promise<Assets> {
  const built = await Bun.build({
    entrypoints: [join(import.meta.dir, 'islands', 'page.ts')],
    target: 'browser',
    minify: true,
  });
  const script = await Promise.all(built.outputs.map((output) => output.text()));
  const assets = new Map<string, Asset>([
    ['page.js', asset(script.join('\n'), 'text/javascript')],
    ['page.css', asset(readFileSync(join(import.meta.dir, 'page.css'), 'utf8'), 'text/css')],
    // Without one a browser asks for `/favicon.ico`.
    ['icon.svg', asset(readFileSync(join(import.meta.dir, 'icon.svg'), 'utf8'), 'image/svg+xml')],
  ]);
  return {
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

const asset = (body: string, type: string): Asset => ({
  body,
  type,
  tag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 16)}"`,
});
