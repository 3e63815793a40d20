/*
 * Ten owners at work at once, each in a project of their own, with an opencode server and a key of their own: real opencode in the
 * jail, a provider that looks at each key. `bun run test:projects`; needs bubblewrap and 0.7 GB of memory for each project
 * (PROJECTS=4 for fewer). See docs/providers-connected.md.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startModel } from '@nostr-dm-agent/sandbox/model';
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { startTestBot, type TestBot } from '../support/bot.ts';
import { filesHolding } from '../support/files.ts';
import { newKey } from '../support/key-providers.ts';
import { createOwner, type TestOwner } from '../support/owner.ts';
import { processTexts } from '../support/secrets.ts';

const count = Number(process.env.PROJECTS ?? 10);
const waitMs = 240_000;
const names = Array.from({ length: count }, (_, n) => `project-${String(n).padStart(2, '0')}`);
/** What an agent does that looks for keys. */
const look = 'sh look.sh';
const lookScript =
  'env; cat ~/.local/share/opencode/auth.json; cat /proc/*/environ /proc/*/cmdline | tr "\\0" "\\n"; grep -r gsk_ ~ /tmp . 2>/dev/null | head; true\n';

type Project = {
  readonly name: string;
  readonly owner: TestOwner;
  key: string;
  /** Keys that it had, or was given and does not use. */
  readonly earlier: string[];
};

let directory: string;
let bot: TestBot;
let projects: readonly Project[];
/** Keys that the provider takes. */
const valid = new Set<string>();
/** What the provider saw since it was asked last: whose key came with which project's words. */
const calls: { readonly key: string; readonly text: string }[] = [];
const model = startModel({ models: ['tiny'] });
/** Holds each call with these words until it is opened. */
let gate: { readonly words: string; readonly open: Promise<unknown>; held: number } | undefined;
const provider = Bun.serve({
  ...{ hostname: '127.0.0.1', port: 0, idleTimeout: 0 },
  fetch: async (request) => {
    const key = request.headers.get('authorization')?.replace(/^Bearer /, '') ?? '';
    const text = await request.text();
    const refusal = () => Response.json({ error: { message: 'Invalid API Key' } }, { status: 401 });
    const { pathname } = new URL(request.url);
    if (pathname.endsWith('/chat/completions')) calls.push({ key, text });
    if (gate !== undefined && text.includes(gate.words)) {
      gate.held += 1;
      await gate.open;
    }
    if (!valid.has(key)) return refusal();
    return fetch(`${model.url}${pathname.replace(/^\/v1/, '')}`, {
      method: request.method,
      headers: { 'content-type': 'application/json' },
      ...(request.method === 'POST' ? { body: text } : {}),
    });
  },
});

const say = async ({ owner }: Project, text: string, pattern = /./): Promise<string> =>
  (await owner.answer(await owner.send(text), pattern, waitMs)).text;
const everybody = <T>(ask: (project: Project) => Promise<T>): Promise<T[]> => Promise.all(projects.map(ask));

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'nda-projects-'));
  const keys = names.map(() => generateSecretKey());
  for (const name of names) {
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'look.sh'), lookScript);
  }
  bot = await startTestBot({
    opencode: 'real',
    env: {
      ...{ BOT_ISOLATION: 'bwrap', BOT_WARM_SERVERS: String(count), BOT_CONCURRENCY: String(count) },
      BOT_OWNERS: keys.map(getPublicKey).join(','),
      BOT_WORKSPACE: names.map((name) => `${name}=${join(directory, name)}`).join(','),
      LOG_LEVEL: 'debug',
    },
  });
  const there = {
    npm: '@ai-sdk/openai-compatible',
    options: { baseURL: `http://127.0.0.1:${provider.port}/v1` },
    models: { tiny: { name: 'tiny', tool_call: true, limit: { context: 100_000, output: 1_000 } } },
  };
  const path = join(bot.home, 'opencode.json');
  await until(() => Bun.file(path).size > 0, 'the bot has its configuration');
  await Bun.write(path, JSON.stringify({ provider: { groq: there } }));
  projects = await Promise.all(
    names.map(async (name, n) => ({
      ...{ name, key: newKey('gsk_'), earlier: [] },
      owner: await createOwner(bot.relay.url, bot.publicKey, keys[n]),
    })),
  );
  for (const { key } of projects) valid.add(key);
}, 120_000);
afterAll(async () => {
  for (const { owner } of projects ?? []) owner.close();
  await bot?.cleanUp();
  await Promise.all([model.stop(), provider.stop(true)]);
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

/** Every call that speaks of a project came with its key of now. */
const expectNoKeyCrossed = (made = calls.splice(0)): void => {
  for (const { name, key } of projects) {
    const ofIt = made.filter(({ text }) => text.includes(name));
    expect({ name, keys: [...new Set(ofIt.map((call) => call.key))] }).toEqual({ name, keys: [key] });
  }
  for (const { text } of made) expect(names.filter((name) => text.includes(name))).toHaveLength(1);
};
const everyKey = (): string[] => projects.flatMap(({ key, earlier }) => [key, ...earlier]);
const expectNoKeyAnywhere = (): void => {
  expect(filesHolding(bot.directory, everyKey())).toEqual([]);
  expect(filesHolding(directory, everyKey())).toEqual([]);
  for (const key of everyKey()) {
    expect(bot.log()).not.toContain(key);
    for (const file of ['cmdline', 'environ'] as const)
      expect(processTexts(file).filter(({ content }) => content.includes(key))).toEqual([]);
  }
};

/** The servers that are there, as pids. */
const servers = (): readonly string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      const [program = '', command] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return /opencode[^/]*$/.test(program) && command === 'serve';
    } catch {
      return false; // no process, or one that ended meanwhile
    }
  });

/** A task of everybody, all of them held at the provider at the same time; `meanwhile` is done before they go on. */
const together = async (
  words: string,
  meanwhile: () => Promise<void>,
  pattern: RegExp,
): Promise<string[]> => {
  const opened = Promise.withResolvers<void>();
  gate = { words, open: opened.promise, held: 0 };
  try {
    const ids = await everybody(({ owner, name }) =>
      owner.send(`run ${look} then say "${words} at ${name}"`),
    );
    await until(() => (gate?.held ?? 0) >= count, 'all of them are at work', waitMs);
    await meanwhile();
    opened.resolve();
    return await Promise.all(
      projects.map(async ({ owner }, n) => (await owner.answer(ids[n] ?? '', pattern, waitMs)).text),
    );
  } finally {
    opened.resolve();
    gate = undefined;
  }
};

test('everybody connects their own key; a second one is refused with what to do', async () => {
  await everybody(async (project) => {
    const { key, name } = project;
    expect(await say(project, `!provider connect groq ${key}`)).toStartWith('Connected to Groq.');
    expect(await say(project, `!provider connect groq ${key}`)).toContain('with this very key already');
    const second = newKey('gsk_');
    valid.add(second);
    project.earlier.push(second);
    expect(await say(project, `!provider connect groq ${second}`)).toContain(
      'To replace it with the new key, send !provider connect groq replace',
    );
    expect(await say(project, '!provider set groq')).toContain('your own key at Groq pays');
    expect(await say(project, '!model groq/tiny')).toContain('groq/tiny');
    expect(await say(project, `!new ${name}`)).toContain(name);
  });
}, 300_000);

test('all are at work at once, each by a server of its own with its own key, which no agent finds', async () => {
  const answers = await together('first', async () => undefined, /first at/);
  answers.forEach((answer, n) => {
    expect(answer).toContain(`first at ${names[n]}`);
    for (const key of everyKey()) expect(answer).not.toContain(key);
  });
  expect(servers()).toHaveLength(count);
  expectNoKeyCrossed();
  expectNoKeyAnywhere();
}, 400_000);

const at = (n: number): Project => {
  const project = projects[n];
  if (project === undefined) throw new Error(`there is no project ${n}`);
  return project;
};

test('a key that its provider revokes in mid-run ends that run alone, with what to do; its server takes the next key', async () => {
  const before = servers();
  const broken = at(1);
  const revoke = async (): Promise<void> => void valid.delete(broken.key);
  const answers = await together('second', revoke, /second at|!provider connect/);
  for (const [n, answer] of answers.entries()) {
    if (n !== 1) expect(answer).toContain(`second at ${names[n]}`);
    for (const key of everyKey()) expect(answer).not.toContain(key);
  }
  expect(answers[1]).toContain('!provider connect groq');
  expectNoKeyCrossed();
  expect(await say(broken, '!provider list')).toMatch(/^groq · error .*401/s);
  expect(await say(at(0), '!provider list')).toMatch(/^groq · connected /);

  broken.earlier.push(broken.key);
  broken.key = newKey('gsk_');
  valid.add(broken.key);
  expect(await say(broken, `!provider connect groq ${broken.key}`)).toStartWith('Replaced the key for Groq');
  const replaced = await together('third', async () => undefined, /third at/);
  for (const [n, answer] of replaced.entries()) expect(answer).toContain(`third at ${names[n]}`);
  expectNoKeyCrossed();
  expect([...servers()].sort()).toEqual([...before].sort());
  expect(await say(broken, '!provider list')).toMatch(/^groq · connected /);
  expectNoKeyAnywhere();
}, 400_000);

test('a connection that its owner ends takes its server with it, and nobody else’s', async () => {
  const gone = at(2);
  const before = servers();
  await say(gone, '!provider disconnect groq');
  expect(await say(gone, '!provider list')).toContain('groq · revoked');
  await until(() => servers().length === count - 1, 'its server has ended', 60_000);
  expect(servers().every((pid) => before.includes(pid))).toBe(true);
  expect(await say(gone, `!provider connect groq ${gone.key}`)).toStartWith('Connected to Groq.');
  await together('fourth', async () => undefined, /fourth at/);
  expectNoKeyCrossed();
  expect(servers()).toHaveLength(count);
}, 400_000);

test('a kill while all are at work leaves no server and no key, and everybody goes on', async () => {
  const killed = together(
    'fifth',
    async () => {
      await bot.end('SIGKILL');
      expectNoKeyAnywhere();
      await bot.start();
      await until(() => servers().length === 0, 'the servers of before have ended', 60_000);
    },
    /interrupted|cut off|restart/i,
  );
  expect(await killed).toHaveLength(count);
  calls.splice(0);
  const answers = await together('sixth', async () => undefined, /sixth at/);
  for (const [n, answer] of answers.entries()) expect(answer).toContain(`sixth at ${names[n]}`);
  expectNoKeyCrossed();
  expectNoKeyAnywhere();
}, 400_000);
