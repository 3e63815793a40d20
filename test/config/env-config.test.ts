import { afterAll, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import fc from 'fast-check';
import { npubEncode, nsecEncode } from 'nostr-tools/nip19';
import { ConfigError } from '../../src/config/config-error.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { settingsOf } from '../../src/config/settings.ts';
import { isVariableName, variables } from '../../src/config/variables.ts';

const directory = realpathSync(mkdtempSync(join(tmpdir(), 'nostr-dm-agent-env-')));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
mkdirSync(join(directory, 'site'));
mkdirSync(join(directory, 'my api'));
mkdirSync(join(directory, 'my api, v2'));
symlinkSync(join(directory, 'site'), join(directory, 'link'));

const person = () => {
  const publicKey = publicKeyOf(generateSecretKey());
  return { publicKey, npub: npubEncode(publicKey) };
};
const [alice, bob, carol] = [person(), person(), person()];
const botKey = generateSecretKey();
const required = { BOT_KEY: nsecEncode(botKey), BOT_OWNERS: alice.npub, HOME: directory };

const without = (all: Record<string, string>, these: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(all).filter(([name]) => !(name in these)));

async function problemsOf(environment: Record<string, string>): Promise<ConfigError> {
  try {
    await loadConfig(environment, directory);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

describe('a bot with nothing but a key and an owner', () => {
  test('has every default of .env.example', async () => {
    const config = await loadConfig(required, directory);
    expect(config).toMatchObject({
      owners: [{ publicKey: alice.publicKey, role: 'admin' }],
      relays: ['wss://relay.damus.io', 'wss://nos.lol', 'wss://relay.primal.net'],
      home: join(directory, '.nostr-dm-agent'),
      page: undefined,
      backend: 'opencode',
      opencodeBin: undefined,
      cursorBin: undefined,
      model: undefined,
      concurrency: 2,
      runTimeoutMs: 3_600_000,
      runIdleMs: 600_000,
      holdMs: 240_000,
      progressMs: 60_000,
      catchupMs: 21_600_000,
      historyMs: 15_552_000_000,
      trustWorkspace: false,
      isolation: 'auto',
      accounts: 'shared',
      currency: undefined,
      lud16: undefined,
      fileServers: [],
      fileKeptMs: 14 * 86_400_000,
      speech: undefined,
      logLevel: 'info',
      logFormat: 'json',
    });
    expect(config.identity.publicKey).toBe(publicKeyOf(botKey));
    expect(config).toMatchObject({ agentNetwork: 'internet', agentPaths: [], git: {} });
    expect(config.workspaces).toEqual([
      { name: 'agent-workspace', directory: join(directory, 'agent-workspace') },
    ]);
  });

  test('can be changed by nobody afterwards', async () => {
    const config = await loadConfig(required, directory);
    for (const part of [
      config,
      config.owners,
      config.owners[0],
      config.relays,
      config.ambient,
      config.identity,
    ]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  test('logs prettily when a person watches', async () => {
    expect((await loadConfig(required, directory, { terminal: true })).logFormat).toBe('pretty');
    const json = { ...required, LOG_FORMAT: 'json' };
    expect((await loadConfig(json, directory, { terminal: true })).logFormat).toBe('json');
  });
});

describe('every variable', () => {
  test('is read', async () => {
    expect(
      await loadConfig(
        {
          ...required,
          BOT_OWNERS: `nostr:${alice.npub}, ${bob.publicKey.toUpperCase()} ,${carol.npub}:admin`,
          BOT_RELAYS: 'wss://Relay.example:443/, ws://127.0.0.1:7777, wss://relay.example',
          BOT_HOME: '~/state',
          BOT_WORKSPACE: 'site = ~/link, api=my api',
          BOT_BACKEND: 'Cursor',
          OPENCODE_BIN: '~/bin/opencode',
          CURSOR_BIN: 'cursor-agent',
          BOT_MODEL: ' anthropic/claude-sonnet-4 ',
          BOT_CONCURRENCY: '4',
          BOT_RUN_TIMEOUT_MINUTES: '0.5',
          BOT_RUN_IDLE_MINUTES: '1',
          BOT_HOLD_MINUTES: '0',
          BOT_PROGRESS_SECONDS: '0',
          BOT_CATCHUP_HOURS: '1.5',
          BOT_HISTORY_DAYS: '30',
          BOT_TRUST_WORKSPACE: '1',
          BOT_ISOLATION: 'Landlock',
          BOT_AGENT_NETWORK: 'none',
          BOT_AGENT_PATHS: `ro:/usr/share, RW:~/link/../site`,
          BOT_GIT_NAME: 'Robo Cop',
          BOT_GIT_EMAIL: 'robo@example.org',
          LOG_LEVEL: 'WARN',
        },
        directory,
      ),
    ).toMatchObject({
      owners: [
        { publicKey: alice.publicKey, role: 'admin' },
        { publicKey: bob.publicKey, role: 'member' },
        { publicKey: carol.publicKey, role: 'admin' },
      ],
      relays: ['wss://relay.example', 'ws://127.0.0.1:7777'],
      home: join(directory, 'state'),
      workspaces: [
        { name: 'site', directory: join(directory, 'site') },
        { name: 'api', directory: join(directory, 'my api') },
      ],
      backend: 'cursor',
      opencodeBin: join(directory, 'bin/opencode'),
      cursorBin: 'cursor-agent',
      model: 'anthropic/claude-sonnet-4',
      concurrency: 4,
      runTimeoutMs: 30_000,
      runIdleMs: 60_000,
      holdMs: 0,
      progressMs: 0,
      catchupMs: 5_400_000,
      historyMs: 2_592_000_000,
      trustWorkspace: true,
      isolation: 'landlock',
      agentNetwork: 'none',
      agentPaths: [
        { path: '/usr/share', writable: false },
        { path: join(directory, 'site'), writable: true },
      ],
      git: { name: 'Robo Cop', email: 'robo@example.org' },
      logLevel: 'warn',
    });
  });

  test('one workspace may have commas and spaces in its path', async () => {
    const config = await loadConfig({ ...required, BOT_WORKSPACE: 'my api, v2' }, directory);
    expect(config.workspaces).toEqual([{ name: 'my-api-v2', directory: join(directory, 'my api, v2') }]);
  });

  test('an owner who is named twice is one owner with the greater role', async () => {
    const text = `${alice.npub},${bob.npub},${alice.publicKey}:member,${bob.publicKey}:admin`;
    expect((await loadConfig({ ...required, BOT_OWNERS: text }, directory)).owners).toEqual([
      { publicKey: alice.publicKey, role: 'admin' },
      { publicKey: bob.publicKey, role: 'admin' },
    ]);
  });

  test('BOT_MASTER_PUBKEY alone is the one admin, and is admin beside BOT_OWNERS too', async () => {
    const alone = { BOT_KEY: required.BOT_KEY, BOT_MASTER_PUBKEY: alice.publicKey };
    expect((await loadConfig(alone, directory)).owners).toEqual([
      { publicKey: alice.publicKey, role: 'admin' },
    ]);
    const both = { ...alone, BOT_OWNERS: `${bob.npub},${alice.npub}:member` };
    expect((await loadConfig(both, directory)).owners).toEqual([
      { publicKey: alice.publicKey, role: 'admin' },
      { publicKey: bob.publicKey, role: 'admin' },
    ]);
  });
});

describe('what is wrong', () => {
  test('is told all at once, each with an example', async () => {
    const error = await problemsOf({
      BOT_OWNERS: `${bob.npub}:boss,npub1nonsense`,
      BOT_RELAYS: 'ws://relay.example,https://relay.example,nonsense',
      BOT_WORKSPACE: 'a=~/nowhere',
      BOT_BACKEND: 'emacs',
      BOT_CONCURRENCY: '1.5',
      BOT_RUN_TIMEOUT_MINUTES: '0',
      BOT_CATCHUP_HOURS: '-1',
      BOT_PROGRESS_SECONDS: '1e3',
      BOT_TRUST_WORKSPACE: 'maybe',
      BOT_ISOLATION: 'docker',
      LOG_LEVEL: 'loud',
      LOG_FORMAT: 'xml',
      HOME: directory,
    });
    expect(error.unconfigured).toBe(false);
    expect([...new Set(error.problems.map(({ variable }) => variable))].sort()).toEqual([
      'BOT_BACKEND',
      'BOT_CATCHUP_HOURS',
      'BOT_CONCURRENCY',
      'BOT_ISOLATION',
      'BOT_KEY',
      'BOT_OWNERS',
      'BOT_PROGRESS_SECONDS',
      'BOT_RELAYS',
      'BOT_RUN_TIMEOUT_MINUTES',
      'BOT_TRUST_WORKSPACE',
      'BOT_WORKSPACE',
      'LOG_FORMAT',
      'LOG_LEVEL',
    ]);
    // Three bad relays are three problems.
    expect(error.problems.filter(({ variable }) => variable === 'BOT_RELAYS')).toHaveLength(3);
    for (const { variable, problem, example } of error.problems) {
      expect(isVariableName(variable)).toBe(true);
      expect(problem).not.toBe('');
      expect(example).toStartWith(`${variable}=`);
    }
  });

  test('says when nothing was configured at all', async () => {
    expect((await problemsOf({ HOME: directory, BOT_MODEL: 'x' })).unconfigured).toBe(true);
    expect((await problemsOf({ HOME: directory, BOT_KEY: '  ' })).unconfigured).toBe(true);
    expect((await problemsOf({ HOME: directory, BOT_OWNERS: alice.npub })).unconfigured).toBe(false);
  });

  test('never shows a secret that was put in the wrong place', async () => {
    const nsec = nsecEncode(generateSecretKey());
    const hex = Buffer.from(generateSecretKey()).toString('hex');
    for (const secret of [nsec, nsec.slice(0, -1), `${hex}a`]) {
      for (const name of ['BOT_KEY', 'BOT_OWNERS', 'BOT_RELAYS', 'BOT_BACKEND', 'BOT_CONCURRENCY']) {
        const environment = { ...required, [name]: secret };
        if (name === 'BOT_KEY' && secret === nsec) continue;
        const { message, problems, cause } = await problemsOf(environment);
        expect(message + JSON.stringify(problems) + String(cause)).not.toContain(secret);
      }
    }
  });

  test('the bot as its own owner is refused', async () => {
    const { problems } = await problemsOf({ ...required, BOT_OWNERS: npubEncode(publicKeyOf(botKey)) });
    expect(problems).toMatchObject([
      { variable: 'BOT_OWNERS', problem: expect.stringMatching(/the bot itself/) },
    ]);
  });

  test('the first owner as member, an owner list of commas, a workspace named twice', async () => {
    for (const wrong of [
      { BOT_OWNERS: `${alice.npub}:member` },
      { BOT_OWNERS: ' , ' },
      { BOT_WORKSPACE: 'a=site,a=link' },
      { BOT_WORKSPACE: 'a=site,link' },
      { BOT_WORKSPACE: 'site\0' },
      { BOT_WORKSPACE: 'x'.repeat(5000) },
      { BOT_HOME: 'ho\0me' },
    ]) {
      expect((await problemsOf({ ...required, ...wrong })).problems).toHaveLength(1);
    }
  });

  test('whatever the variables hold, the answer is a Config or a ConfigError', async () => {
    const names = ['BOT_KEY', 'BOT_OWNERS', 'BOT_RELAYS', 'BOT_WORKSPACE', 'BOT_CONCURRENCY', 'BOT_HOME'];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), fc.string({ unit: 'binary' }), async (name, value) => {
        await loadConfig({ ...required, [name]: value }, directory).catch((error: unknown) => {
          if (!(error instanceof ConfigError)) throw error;
        });
      }),
    );
  });
});

describe('the .env file', () => {
  test('that ships as .env.example names every variable, and its defaults are those of the program', async () => {
    const text = readFileSync(join(import.meta.dir, '../../.env.example'), 'utf8');
    const lines = text.split('\n').filter((line) => /^#?[A-Z0-9_]+=/.test(line));
    const names = lines.map((line) => line.replace(/^#/, '').replace(/=.*/s, ''));
    expect(names.toSorted()).toEqual(Object.keys(variables).toSorted());
    const path = join(directory, 'example.env');
    writeFileSync(path, lines.map((line) => line.replace(/^#/, '')).join('\n'), { mode: 0o600 });
    const withDefaults = await loadConfig(required, directory, { envFile: path });
    const unlike = { identity: undefined, origins: {} };
    expect({ ...withDefaults, ...unlike }).toEqual({
      ...(await loadConfig(required, directory)),
      ...unlike,
    });
  });

  test('is read, and the process environment wins', async () => {
    const folder = mkdtempSync(join(directory, 'file-'));
    const lines = [
      `BOT_KEY='${required.BOT_KEY}'`,
      `BOT_OWNERS=${alice.npub} # a comment`,
      'BOT_CONCURRENCY=3',
      'BOT_MODEL="a/b"',
      'BOT_OWNER=x',
    ];
    writeFileSync(join(folder, '.env'), lines.join('\n'), { mode: 0o600 });
    const notices: string[] = [];
    const config = await loadConfig({ BOT_CONCURRENCY: '5', BOT_MODEL: '', HOME: directory }, folder, {
      onNotice: (notice) => void notices.push(notice),
    });
    expect(config).toMatchObject({
      concurrency: 5,
      model: undefined,
      owners: [{ publicKey: alice.publicKey }],
    });
    expect(notices).toHaveLength(1);
    expect(notices[0]).toContain('did you mean BOT_OWNERS?');
    expect(config.origins).toEqual({ BOT_KEY: 'file', BOT_OWNERS: 'file', BOT_CONCURRENCY: 'environment' });
  });

  test('is told as one would write it, from where, and without a secret', async () => {
    const given = {
      ...required,
      BOT_KEY_PASSWORD: 'correct horse',
      BOT_OWNERS: `${alice.npub},${bob.npub}:member`,
      BOT_WORKSPACE: `site=${join(directory, 'site')}`,
      BOT_AGENTS: 'qwen,mine=/opt/mine/agent --key hunter2',
      BOT_AGENT_PATHS: 'ro:/usr/share',
      BOT_RUN_IDLE_MINUTES: '7.5',
      BOT_PROXY: 'socks5h://me:hunter2@127.0.0.1:9050',
      CASHU_MNEMONIC:
        'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about',
      CASHU_MINTS: 'https://a.example,https://b.example',
      CASHU_MAX_BALANCE_SAT: '5k',
      LOG_FORMAT: 'pretty',
    };
    const config = await loadConfig(given, directory);
    const settings = settingsOf(config);
    const told = Object.fromEntries(settings.map(({ name, value }) => [name, value ?? '']));
    const set = settings.filter(({ origin }) => origin === 'environment').map(({ name }) => name);
    expect(set.toSorted()).toEqual(Object.keys(given).filter(isVariableName).toSorted());
    expect(JSON.stringify(settings)).not.toMatch(/nsec1|hunter2|horse|abandon/);
    const secrets = {
      BOT_KEY: 'set',
      BOT_KEY_PASSWORD: 'set',
      CASHU_MNEMONIC: 'set',
      BOT_PROXY: 'socks5h://…@127.0.0.1:9050',
      BOT_AGENTS: 'qwen,mine=/opt/mine/agent …',
    };
    expect(told).toMatchObject(secrets);
    const again = await loadConfig({ ...told, ...given, ...without(told, secrets) }, directory);
    expect({ ...again, origins: {} }).toEqual({ ...config, origins: {} });
  });

  test('that others can read is told', async () => {
    const path = join(directory, 'open.env');
    writeFileSync(path, '');
    chmodSync(path, 0o644);
    const notices: string[] = [];
    await loadConfig(required, directory, { envFile: path, onNotice: (notice) => void notices.push(notice) });
    expect(notices).toEqual([`${path} can be read by other users (mode 644): chmod 600 ${path}`]);
  });

  test('a passphrase file that others can read is told, where the words are sealed', async () => {
    const path = join(directory, 'open-passphrase');
    writeFileSync(path, 'the passphrase\n');
    const notices: string[] = [];
    const load = (mode: number, words: string) => {
      chmodSync(path, mode);
      const given = { ...required, CASHU_MNEMONIC: words, CASHU_PASSPHRASE_FILE: path };
      return loadConfig(given, directory, {
        envFile: null,
        onNotice: (notice) => void notices.push(notice),
      }).catch(() => undefined);
    };
    await load(0o644, 'sealed:0123456789abcdef');
    await load(0o400, 'sealed:0123456789abcdef');
    expect(notices).toEqual([`${path} can be read by other users: chmod 400 ${path}`]);
  });

  test("that can't be read is a problem, not a crash", async () => {
    const error = await loadConfig(required, directory, { envFile: join(directory, 'site') }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ConfigError);
  });
});

describe('what agents may be given', () => {
  const checkout = join(import.meta.dir, '../..');
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'nostr-dm-agent-paths-')));
  afterAll(() => rmSync(home, { recursive: true, force: true }));
  for (const name of ['code/one', 'code/one/inner', '.nostr-dm-agent/x', '.cashu-wallet/y', 'secrets'])
    mkdirSync(join(home, name), { recursive: true });
  writeFileSync(join(home, 'secrets/.env'), '', { mode: 0o600 });
  const base = { ...required, HOME: home };
  const wrong = async (environment: Record<string, string>): Promise<readonly string[]> => {
    try {
      await loadConfig({ ...base, ...environment }, join(home, 'secrets'));
      return [];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return error.problems.map(({ variable, problem }) => `${variable} ${problem}`);
    }
  };

  test('is no folder of the system, no home, and nothing that holds, is or lies in what is the bot’s', async () => {
    const cases: readonly (readonly [string, string])[] = [
      ['/', 'a folder of the system'],
      ['/usr', 'a folder of the system'],
      ['/usr/share', 'a folder of the system'],
      ['/etc', 'a folder of the system'],
      ['/proc/self', 'a folder of the system'],
      ['/home', 'a folder of the system'],
      ['/tmp', 'a folder of the system'],
      ['~', 'agents get folders in a home'],
      ['~/.nostr-dm-agent', 'which no agent may see'],
      ['~/.nostr-dm-agent/x', `which lies in ${home}/.nostr-dm-agent`],
      ['~/.cashu-wallet/y', `which lies in ${home}/.cashu-wallet`],
      ['~/secrets', `which holds ${home}/secrets/.env`],
      [checkout, 'which no agent may see'],
      [join(checkout, 'src'), `which lies in ${checkout}`],
    ];
    for (const [path, problem] of cases) {
      expect([path, await wrong({ BOT_WORKSPACE: `a=~/code/one,b=${path}` })]).toEqual([
        path,
        [expect.stringContaining(problem)],
      ]);
    }
    expect(await wrong({ BOT_WORKSPACE: '~/code/one' })).toEqual([]);
    expect(await wrong({ BOT_WORKSPACE: 'a=~/code,b=~/code/one' })).toEqual([]);
  });

  test('the same goes for BOT_AGENT_PATHS, which may be parts of the system', async () => {
    for (const path of [
      '/',
      '~',
      '~/.nostr-dm-agent',
      '~/secrets',
      '~/secrets/.env',
      '/proc',
      '/dev',
      '/sys/fs',
    ])
      expect([path, await wrong({ BOT_AGENT_PATHS: `ro:${path}` })]).toEqual([
        path,
        [expect.stringContaining('BOT_AGENT_PATHS names')],
      ]);
    for (const text of ['/opt', 'rx:/usr', 'ro:', 'ro:/nowhere/at/all'])
      expect([text, await wrong({ BOT_AGENT_PATHS: text })]).toEqual([
        text,
        [expect.stringContaining('BOT_AGENT_PATHS')],
      ]);
    expect(await wrong({ BOT_AGENT_PATHS: 'ro:/usr/share,rw:~/code' })).toEqual([]);
  });

  test('a link that an agent could have put there is not followed', async () => {
    mkdirSync(join(home, 'private/deep'), { recursive: true });
    symlinkSync(join(home, 'private'), join(home, 'code/one/link'));
    expect(await wrong({ BOT_WORKSPACE: 'a=~/code/one' })).toEqual([]);
    for (const environment of [
      { BOT_WORKSPACE: 'a=~/code/one,b=~/code/one/link' },
      { BOT_WORKSPACE: 'a=~/code/one', BOT_AGENT_PATHS: 'ro:~/code/one/link' },
      { BOT_WORKSPACE: 'a=~/code/one', BOT_AGENT_PATHS: 'rw:~/code/one/link/deep' },
    ])
      expect(await wrong(environment)).toEqual([expect.stringContaining(`the link ${home}/code/one/link`)]);
    // One that only its user can have made is.
    symlinkSync(join(home, 'private'), join(home, 'way'));
    expect(await wrong({ BOT_WORKSPACE: '~/way' })).toEqual([]);
  });
});

describe('the page', () => {
  const pageOf = async (BOT_PAGE: string) => (await loadConfig({ ...required, BOT_PAGE }, directory)).page;

  test('is served on this machine alone', async () => {
    expect(await pageOf('127.0.0.1:7777')).toEqual({ hostname: '127.0.0.1', port: 7777 });
    expect(await pageOf('7777')).toEqual({ hostname: '127.0.0.1', port: 7777 });
    expect(await pageOf('localhost:80')).toEqual({ hostname: 'localhost', port: 80 });
    expect(await pageOf('[::1]:8080')).toEqual({ hostname: '::1', port: 8080 });
    for (const wrong of [
      '0.0.0.0:7777',
      '192.168.1.5:7777',
      'example.com:7777',
      '[::]:7777',
      '127.0.0.1',
      'http://127.0.0.1:7777',
      '127.0.0.1:7777/x',
      '127.0.0.1:99999',
      ':7777',
    ])
      expect([
        wrong,
        (await problemsOf({ ...required, BOT_PAGE: wrong })).problems.map(({ variable }) => variable),
      ]).toEqual([wrong, ['BOT_PAGE']]);
  });
});
