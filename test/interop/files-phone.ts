import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { z } from 'zod';

const requirements = join(import.meta.dir, 'files-requirements.txt');

/** Python with what the phone is made of, in a folder. @returns the folder of its programs */
export function installPhone(folder: string): string {
  const bin = join(folder, 'bin');
  const marker = join(folder, 'installed');
  if (existsSync(marker)) return bin;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary=:all:'];
  for (const command of [
    ['python3', '-m', 'venv', folder],
    [join(bin, 'python'), ...pip, '-r', requirements],
  ]) {
    const done = Bun.spawnSync(command, { timeout: 300_000 });
    if (!done.success) throw new Error(`${command.slice(0, 3).join(' ')} … failed:\n${done.stderr}`);
  }
  writeFileSync(marker, '');
  return bin;
}

const said = z.object({
  kind: z.number(),
  content: z.string(),
  tags: z.array(z.array(z.string())),
});
type Heard = z.infer<typeof said>;
const lineShape = z.looseObject({
  of: z.number().optional(),
  said: said.optional(),
  error: z.string().optional(),
});
const encrypted = z.object({
  ...{ key: z.string(), nonce: z.string(), x: z.string(), ox: z.string(), size: z.number() },
});
const looks = z.object({
  ...{ exif: z.array(z.number()), gps: z.number(), turned: z.number().nullable(), pixels: z.string() },
  ...{ secret: z.boolean(), size: z.number() },
});
const fetched = z.object({
  status: z.number(),
  ...{ x: z.string().optional(), ox: z.string().optional(), size: z.number().optional() },
});

/** How a sender writes down what opens a file, and what it says of it. */
export type Manner = {
  readonly nonce?: 12 | 16;
  readonly write?: 'hex' | 'base64' | 'base64url';
  readonly sums?: boolean;
  readonly kind?: 14 | 15;
};

/** The phone of `phone.py`, in a process of its own, with blossom-cli beside it. */
export async function startPhone(
  bin: string,
  { folder, relay, bot, secretKey }: { folder: string; relay: string; bot: string; secretKey: Uint8Array },
) {
  const child = Bun.spawn([join(bin, 'python'), join(import.meta.dir, 'phone.py'), relay, bot], {
    ...{ cwd: folder, stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' },
    env: { PATH: process.env.PATH ?? '', HOME: folder },
  });
  const secret = Buffer.from(secretKey).toString('hex');
  const heard: Heard[] = [];
  const waiting = new Map<number, (answer: unknown) => void>();
  let ready = false;
  void (async () => {
    let rest = '';
    for await (const chunk of child.stdout) {
      const lines = (rest + new TextDecoder().decode(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const read = lineShape.parse(JSON.parse(line));
        if (read.said !== undefined) heard.push(read.said);
        else if (read.of === undefined) ready = true;
        else waiting.get(read.of)?.(read);
      }
    }
  })();
  const write = (line: string) => {
    child.stdin.write(`${line}\n`);
    child.stdin.flush();
  };
  write(secret);
  await until(() => ready, 'the phone is on', 30_000);
  let asked = 0;
  const ask = async <Shape extends z.ZodType>(shape: Shape, what: object): Promise<z.infer<Shape>> => {
    const of = ++asked;
    const answer = new Promise<unknown>((resolve) => waiting.set(of, resolve));
    write(JSON.stringify({ of, ...what }));
    const got = await answer;
    const { error } = lineShape.parse(got);
    if (error !== undefined) throw new Error(error);
    return shape.parse(got);
  };
  const idShape = z.object({ id: z.string() });
  const send = async (content: string, kind = 14, tags: readonly (readonly string[])[] = []) =>
    (await ask(idShape, { do: 'send', kind, content, tags })).id;

  /** Puts a file at a server by blossom-cli. */
  const upload = async (path: string, server: string): Promise<void> => {
    const cli = Bun.spawn(
      [join(bin, 'blossom-cli'), '-s', server, '-f', 'json', '--no-publish', 'upload', path],
      {
        ...{ cwd: folder, stdout: 'pipe', stderr: 'pipe' },
        env: { PATH: process.env.PATH ?? '', HOME: folder, BLOSSOM_SECRET_KEY: secret },
      },
    );
    if ((await cli.exited) !== 0) throw new Error(await new Response(cli.stderr).text());
  };
  /** Encrypted, and what a message says of it. */
  const prepare = async (path: string, { nonce = 16, write: as = 'hex' }: Manner = {}) => {
    const to = join(folder, `${crypto.randomUUID()}.bin`);
    const sealed = await ask(encrypted, { do: 'encrypt', path, to, nonce, write: as });
    return { ...sealed, path: to };
  };
  return {
    heard,
    send,
    upload,
    prepare,
    texts: () => heard.filter(({ kind }) => kind === 14).map(({ content }) => content),
    files: () => heard.filter(({ kind }) => kind === 15),
    /** A file as a client sends it: at a server, then a message of kind 15, or of kind 14 with `imeta`. */
    announce: (
      sealed: Awaited<ReturnType<typeof prepare>>,
      url: string,
      caption: string | undefined,
      { sums = true, kind = 15 }: Manner = {},
    ): Promise<string> => {
      const fields = [
        ...[
          ['file-type', 'application/x-claimed'],
          ['encryption-algorithm', 'aes-gcm'],
        ],
        ...[
          ['decryption-key', sealed.key],
          ['decryption-nonce', sealed.nonce],
        ],
        ...(sums
          ? [
              ['x', sealed.x],
              ['ox', sealed.ox],
              ['size', `${sealed.size}`],
            ]
          : []),
      ];
      if (kind === 15)
        return send(url, 15, [...fields, ...(caption === undefined ? [] : [['alt', caption]])]);
      const imeta = ['imeta', `url ${url}`, ...fields.map((field) => field.join(' '))];
      return send(`${caption ?? ''}\n${url}`.trim(), 14, [imeta]);
    },
    picture: (to: string) => ask(looks, { do: 'picture', to }),
    look: (path: string) => ask(looks, { do: 'look', path }),
    /** What a client does with a file that it is sent. */
    open: async ({ content, tags }: Heard) => {
      const tag = (name: string) => tags.find(([found]) => found === name)?.[1] ?? '';
      const to = join(folder, crypto.randomUUID());
      const [key, nonce] = [tag('decryption-key'), tag('decryption-nonce')];
      const got = await ask(fetched, { do: 'fetch', url: content, key, nonce, to });
      return {
        ...got,
        path: to,
        isAsSaid: got.x === tag('x') && got.ox === tag('ox'),
        type: tag('file-type'),
      };
    },
    /** The first text that is like this, of those that came since. */
    hears: async (like: RegExp, since = 0, ms = 90_000): Promise<string> => {
      const find = () => heard.slice(since).find(({ kind, content }) => kind === 14 && like.test(content));
      await until(() => find() !== undefined, `the phone hears ${like}`, ms).catch((cause: unknown) => {
        const others = JSON.stringify(heard.slice(since).map(({ content }) => content));
        throw new Error(`nothing like ${like} is heard: ${others}`, { cause });
      });
      return find()?.content ?? '';
    },
    stop: async () => {
      child.kill('SIGKILL');
      await child.exited;
    },
  };
}
export type Phone = Awaited<ReturnType<typeof startPhone>>;
