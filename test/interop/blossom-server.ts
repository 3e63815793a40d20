import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createForeignServer, freePort } from './foreign-server.ts';

/** The reference server (Deno). */
const version = 'v6.1.4';
const commit = 'be405e0';
const deno = 'deno@2.9.6';
const repository = process.env.FILES_BLOSSOM_REPOSITORY ?? 'https://github.com/hzrd149/blossom-server';

/** What it takes from JSR, from npm or Deno itself: the rest of it runs as it is. */
const stand = {
  'crypto.ts': `import { createHash } from 'node:crypto';
const digest = async (_, body) => {
  const hash = createHash('sha256');
  if (body instanceof Uint8Array) hash.update(body); else for await (const part of body) hash.update(part);
  return new Uint8Array(hash.digest()).buffer;
};
export const crypto = { subtle: { digest } };
`,
  'encoding.ts': `import { Buffer } from 'node:buffer';
export const decodeBase64Url = (text) => new Uint8Array(Buffer.from(text, 'base64url'));
export const encodeHex = (bytes) => Buffer.from(bytes).toString('hex');
`,
  'media-types.ts': `import mime from 'npm:mime@4.1.0';
export const extension = (type) => mime.getExtension(type) ?? undefined;
export const typeByExtension = (name) => mime.getType(name) ?? undefined;
`,
  's3.ts': 'export class S3Client {}\n',
};
const npm = (name: string, of: string) => ({ [name]: `npm:${of}`, [`${name}/`]: `npm:/${of}/` });
const imports = {
  ...npm('@hono/hono', 'hono@4.12.7'),
  ...npm('nostr-tools', 'nostr-tools@2.23.3'),
  ...npm('applesauce-core', 'applesauce-core@5.2.0'),
  ...npm('applesauce-common', 'applesauce-common@5.2.0'),
  ...npm('applesauce-loaders', 'applesauce-loaders@5.1.0'),
  ...npm('applesauce-relay', 'applesauce-relay@5.2.0'),
  ...npm('@libsql/client', '@libsql/client@0.17.0'),
  ...{ rxjs: 'npm:rxjs@7.8.2', zod: 'npm:zod@4.3.6', sharp: 'npm:sharp@0.34.5' },
  ...{ 'file-type': 'npm:file-type@19.6.0', '@std/ulid': 'npm:ulid@3.0.2', '@std/yaml': 'npm:yaml@2.9.1' },
  ...{ '@std/path': 'node:path', '@std/crypto': './crypto.ts', '@std/media-types': './media-types.ts' },
  ...{ '@std/encoding/base64url': './encoding.ts', '@std/encoding/hex': './encoding.ts' },
  '@bradenmacdonald/s3-lite-client': './s3.ts',
};
const configuration = {
  nodeModulesDir: 'none',
  compilerOptions: {
    jsx: 'precompile',
    jsxImportSource: '@hono/hono/jsx',
    lib: ['dom', 'esnext', 'deno.ns'],
  },
  imports,
};

const run = (command: readonly string[], cwd: string, env = process.env): string => {
  const done = Bun.spawnSync([...command], { cwd, env, timeout: 300_000 });
  if (!done.success)
    throw new Error(`${command.slice(0, 3).join(' ')} … failed:\n${done.stdout}${done.stderr}`);
  return done.stdout.toString();
};

/** @returns how it is started, but for its configuration */
export function installBlossomServer(folder: string): readonly string[] {
  const source = join(folder, 'source');
  const main = join(source, 'main.ts');
  const config = `--config=${join(folder, 'deno.json')}`;
  const program = () => {
    const builds = join(folder, 'node_modules/@deno');
    return join(builds, readdirSync(builds)[0] ?? '', 'deno');
  };
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(folder, 'installed'))) {
    rmSync(source, { recursive: true, force: true });
    run(['git', 'clone', '--quiet', '--depth=1', `--branch=${version}`, repository, source], folder);
    writeFileSync(join(folder, 'package.json'), '{"private":true}');
    run([process.execPath, 'add', '--exact', '--ignore-scripts', deno], folder);
    for (const [name, text] of Object.entries(stand)) writeFileSync(join(folder, name), text);
    writeFileSync(join(folder, 'deno.json'), JSON.stringify(configuration));
    const env = { ...process.env, DENO_DIR: join(folder, 'deno-cache') };
    run([program(), 'cache', '--quiet', '--no-lock', config, main], folder, env);
    writeFileSync(join(folder, 'installed'), version);
  }
  const found = run(['git', 'rev-parse', 'HEAD'], source);
  if (!found.startsWith(commit)) throw new Error(`${version} of ${repository} is ${found}, not ${commit}`);
  const may = ['--cached-only', '--no-lock', '--no-check', '--no-prompt', '--allow-all'];
  return [program(), 'run', ...may, config, main];
}

/** The reference server, in a process and a folder of its own. */
export async function startBlossomServer(folder: string, start: readonly string[]) {
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  // A path that is no blob's is not found, which is an answer, too.
  const server = createForeignServer('blossom', () => `${url}/list/${'0'.repeat(64)}`, 120_000);
  const blobs = join(server.folder, 'blobs');
  const config = join(server.folder, 'config.yml');
  writeFileSync(
    config,
    JSON.stringify({
      ...{ host: '127.0.0.1', port, landing: { enabled: false } },
      database: { path: join(server.folder, 'sqlite.db') },
      storage: { backend: 'local', local: { dir: blobs }, rules: [{ type: '*', expiration: '1 week' }] },
      ...{
        list: { enabled: true },
        upload: { enabled: true, requireAuth: true, maxSize: 8_000_000, workers: 1 },
      },
    }),
  );
  await server.start([...start, config], { DENO_DIR: join(folder, 'deno-cache') });
  return {
    url,
    stop: server.stop,
    /** Hashes of what is on its disk. */
    has: (): readonly string[] => readdirSync(blobs).flatMap((name) => /^[0-9a-f]{64}/.exec(name) ?? []),
  };
}
export type BlossomServer = Awaited<ReturnType<typeof startBlossomServer>>;

/** What stands between the bot and a server: it passes on what it is asked, unless it is to do something else. */
export type Fault = (
  request: Request,
  /** @param changed headers, instead of the bot's */
  pass: (changed?: Readonly<Record<string, string>>) => Promise<Response>,
) => Response | undefined | Promise<Response | undefined>;

export function startBlossomFront(server: BlossomServer) {
  const state: { fault: Fault | undefined; asked: string[] } = { fault: undefined, asked: [] };
  const front = Bun.serve({
    ...{ hostname: '127.0.0.1', port: 0, idleTimeout: 0, maxRequestBodySize: 64 * 1024 * 1024 },
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      state.asked.push(`${request.method} ${pathname}`);
      const body = request.method === 'PUT' ? await request.arrayBuffer() : undefined;
      const headers = new Headers(request.headers);
      headers.delete('host');
      const pass = (changed = {}) =>
        fetch(`${server.url}${pathname}`, {
          ...{ method: request.method, headers: { ...Object.fromEntries(headers), ...changed } },
          ...(body && { body }),
        });
      return (await state.fault?.(request, pass)) ?? pass();
    },
  });
  return { url: `http://127.0.0.1:${front.port}`, state, stop: () => front.stop(true) };
}
