import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { opencodeEnvironment } from '../../src/backends/agent-environment.ts';
import type { RunPayment } from '../../src/backends/backend.ts';
import { jailEnvironment } from '../../src/backends/jail/environment.ts';
import { findOpencode } from '../../src/backends/opencode-binary.ts';
import {
  composeConfig,
  configPath,
  installOpencodeConfig,
  needsCatalogue,
  OpencodeConfigError,
  readBotConfig,
  readUserConfig,
  shippedConfigPath,
  workspaceInstructions,
} from '../../src/backends/opencode-config.ts';
import { opencodeVariables } from '../../src/backends/opencode-variables.ts';
import { makePlace, ownPayment } from '../support/backend.ts';

let place: ReturnType<typeof makePlace>;
beforeEach(() => {
  place = makePlace();
});
afterEach(() => place.remove());

const paid: RunPayment = {
  credentials: 'provided',
  variables: { ROUTSTR_API_KEY: 'budget-key', PATH: '/evil', HOME: '/evil' },
  configuration: { provider: { routstr: { options: { baseURL: 'http://127.0.0.1:9/v1' } } } },
};

const host = {
  PATH: '/usr/bin',
  HOME: '/home/you',
  LANG: 'de_DE.UTF-8',
  LC_ALL: 'C',
  TZ: 'Europe/Berlin',
  ANTHROPIC_API_KEY: 'user-key',
  MY_OWN_KEY: 'user-key-2',
  HTTPS_PROXY: 'http://user:password@proxy',
  SSH_AUTH_SOCK: '/run/ssh',
  DATABASE_URL: 'postgres://secret',
  BOT_KEY: 'must never get here',
  CASHU_MNEMONIC: 'must never get here',
};

/** What a program sees: the jail's own environment and what the backend adds. */
const environmentFor = (payment: RunPayment, trustWorkspace = false, onHostNetwork = true) => ({
  ...jailEnvironment({
    ...{ ambient: host, home: '/home/agent', temporary: '/tmp', workspace: '/work space' },
    ...{ bin: '/run/jail/bin', paths: [], narrow: false, gitSettings: undefined, sshCommand: undefined },
    proxy: onHostNetwork ? undefined : 'http://127.0.0.1:3128',
    author: { name: undefined, email: undefined },
  }),
  ...opencodeEnvironment({
    ...{ ambient: host, runId: 'run-1', trustWorkspace },
    cell: { home: '/home/agent', store: '/run/jail/store', onHostNetwork },
    credentials: payment.credentials,
    variables: payment.variables,
    ownVariables: [...opencodeVariables, 'MY_OWN_KEY'],
  }),
});

test('a run that somebody else pays for sees none of the user', () => {
  const environment = environmentFor(paid);
  expect(
    Object.keys(environment)
      .filter((name) => !name.startsWith('OPENCODE_'))
      .toSorted(),
  ).toEqual([
    ...[
      'HOME',
      'LANG',
      'LC_ALL',
      'LOGNAME',
      'NOSTR_DM_AGENT_RUN',
      'PATH',
      'PWD',
      'ROUTSTR_API_KEY',
      'TERM',
      'TMPDIR',
      'TZ',
      'USER',
    ],
    ...['XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_STATE_HOME'],
  ]);
  expect(environment).toMatchObject({
    PATH: '/run/jail/bin:/usr/bin',
    HOME: '/home/agent',
    TMPDIR: '/tmp',
    OPENCODE_DB: '/run/jail/store/opencode.db',
    PWD: '/work space',
    NOSTR_DM_AGENT_RUN: 'run-1',
    OPENCODE_DISABLE_PROJECT_CONFIG: '1',
    OPENCODE_PURE: '1',
  });
});

test('a run on the user’s own credentials sees their keys and their opencode, and nothing of the bot', () => {
  const environment = environmentFor(ownPayment);
  expect(environment).toMatchObject({
    ANTHROPIC_API_KEY: 'user-key',
    MY_OWN_KEY: 'user-key-2',
    HTTPS_PROXY: 'http://user:password@proxy',
    XDG_CONFIG_HOME: '/home/agent/.config',
    XDG_DATA_HOME: '/home/agent/.local/share',
    HOME: '/home/agent',
    OPENCODE_DB: '/run/jail/store/opencode.db',
    OPENCODE_DISABLE_PROJECT_CONFIG: '1',
  });
  for (const name of ['BOT_KEY', 'CASHU_MNEMONIC', 'SSH_AUTH_SOCK', 'DATABASE_URL'])
    expect(environment).not.toHaveProperty(name);
});

test('in a network of its own the way out is the jail’s proxy, and the user’s password stays here', () => {
  const environment = environmentFor(ownPayment, false, false);
  expect(environment).toMatchObject({
    HTTPS_PROXY: 'http://127.0.0.1:3128',
    http_proxy: 'http://127.0.0.1:3128',
  });
  expect(JSON.stringify(environment)).not.toContain('password');
});

test('a trusted workspace may configure the agent', () => {
  const environment = environmentFor(paid, true);
  expect(environment).not.toHaveProperty('OPENCODE_DISABLE_PROJECT_CONFIG');
  expect(environment).not.toHaveProperty('OPENCODE_PURE');
});

test('the list of key variables holds every one in the catalogue of the tested opencode', async () => {
  const found = await findOpencode(undefined, '');
  if (found.state === 'missing') throw new Error(found.problem);
  const binary = readFileSync(found.candidates[0] ?? '');
  const marker = Buffer.from('env:["');
  const names = new Set<string>();
  for (let at = binary.indexOf(marker); at >= 0; at = binary.indexOf(marker, at + 1)) {
    const list = /^env:\["[A-Z0-9_]+"(?:,"[A-Z0-9_]+")*\]/.exec(binary.toString('latin1', at, at + 300))?.[0];
    for (const [, name] of (list ?? '').matchAll(/"([A-Z0-9_]+)"/g)) if (name !== undefined) names.add(name);
  }
  // Of another list in the binary: how to recognise a CI server.
  for (const other of ['BUILD_ID', 'JENKINS_URL', 'RUN_ID', 'TASK_ID']) names.delete(other);
  expect(names.size).toBeGreaterThan(150);
  expect([...names].filter((name) => !opencodeVariables.includes(name))).toEqual([]);
}, 30_000);

test('the configuration that ships is copied once, for its owner only, and kept', async () => {
  expect(await installOpencodeConfig(place.settings.home)).toBe('created');
  const path = configPath(place.settings.home);
  expect(readFileSync(path, 'utf8')).toBe(readFileSync(shippedConfigPath, 'utf8'));
  expect(statSync(path).mode & 0o777).toBe(0o600);
  writeFileSync(path, '{ "mine": true }');
  expect(await installOpencodeConfig(place.settings.home)).toBe('kept');
  expect(readFileSync(path, 'utf8')).toBe('{ "mine": true }');
});

test('the configuration that ships never asks, and its read-only agents cannot change anything', async () => {
  const text = readFileSync(shippedConfigPath, 'utf8');
  expect(text).not.toContain('"ask":"ask"');
  expect(text).not.toMatch(/:\s*"ask"/);
  const { shipped } = await readBotConfig(place.settings.home);
  for (const mode of ['ask', 'plan'])
    expect(shipped).toMatchObject({
      agent: { [mode]: { permission: { '*': 'deny', edit: 'deny', bash: 'deny', task: 'deny' } } },
    });
});

test('the owner’s configuration may have comments; one that is broken is named with its line', async () => {
  const path = configPath(place.settings.home);
  writeFileSync(path, '{\n  // mine\n  "model": "routstr/x",\n}\n');
  expect((await readBotConfig(place.settings.home)).bot).toEqual({ model: 'routstr/x' });
  writeFileSync(path, '{\n  "model" "x"\n}');
  const reading = readBotConfig(place.settings.home);
  await expect(reading).rejects.toBeInstanceOf(OpencodeConfigError);
  await expect(reading).rejects.toThrow('in line 2');
});

const compose = async (
  payment: RunPayment,
  environment = {},
  instructions: readonly string[] = [],
  other: Partial<Parameters<typeof composeConfig>[0]> = {},
) =>
  composeConfig({
    ...(await readBotConfig(place.settings.home)),
    ...{
      payment,
      modes: ['ask'] as const,
      model: undefined,
      environment,
      instructions,
      trustWorkspace: false,
      ...{ handsOver: false, ...other },
    },
  });

test('the agent is told how to hand over a file where files can be sent, and only the one that can make some', async () => {
  const prompts = async (handsOver: boolean) => {
    const { agent } = await compose(paid, {}, [], { handsOver, modes: ['agent', 'ask'] });
    const { data } = z.record(z.string(), z.object({ prompt: z.string() })).safeParse(agent);
    return [data?.agent?.prompt.includes('FILE: '), data?.ask?.prompt.includes('FILE: ')];
  };
  expect(await prompts(true)).toEqual([true, false]);
  expect(await prompts(false)).toEqual([false, false]);
});

test('only the paying provider may serve a paid run', async () => {
  const config = await compose(paid, {}, ['/workspace/AGENTS.md']);
  expect(config).toMatchObject({
    enabled_providers: ['routstr'],
    provider: {
      routstr: { npm: '@ai-sdk/openai-compatible', options: { baseURL: 'http://127.0.0.1:9/v1' } },
    },
    autoupdate: false,
    share: 'disabled',
    instructions: ['/workspace/AGENTS.md'],
  });
  const other: RunPayment = {
    credentials: 'provided',
    variables: {},
    configuration: { enabled_providers: ['anthropic'], model: 'anthropic/claude' },
  };
  const connected = await compose(other);
  expect(connected).toMatchObject({
    enabled_providers: ['anthropic'],
    model: 'anthropic/claude',
    provider: {},
  });
  expect(connected).not.toHaveProperty('small_model');
});

test('a run on the user’s own credentials leaves their choice of provider and model alone', async () => {
  const config = await compose(ownPayment);
  expect(config).not.toHaveProperty('enabled_providers');
  expect(config).not.toHaveProperty('model');
  expect(config).not.toHaveProperty('small_model');
  expect(config.provider).toEqual({});
});

test('the agent of the mode is there even when the owner’s configuration lost it', async () => {
  writeFileSync(configPath(place.settings.home), '{ "agent": { "ask": { "disable": true } } }');
  expect(await compose(ownPayment)).toMatchObject({
    agent: { ask: { mode: 'primary', disable: false, permission: { '*': 'deny' } } },
  });
  writeFileSync(configPath(place.settings.home), '{}');
  expect(await compose(ownPayment)).toMatchObject({ agent: { ask: { permission: { edit: 'deny' } } } });
});

test('the instructions of a workspace are read, unless they are a link or no file; long ones are cut off', () => {
  const { workspace, root } = place;
  expect(workspaceInstructions(workspace)).toBeUndefined();
  writeFileSync(join(root, 'secret.md'), 'secret');
  for (const target of [join(root, 'secret.md'), '/dev/zero', '/nowhere']) {
    symlinkSync(target, join(workspace, 'AGENTS.md'));
    expect(workspaceInstructions(workspace)).toBeUndefined();
    rmSync(join(workspace, 'AGENTS.md'));
  }
  Bun.spawnSync(['mkfifo', join(workspace, 'AGENTS.md')]);
  expect(workspaceInstructions(workspace)).toBeUndefined();
  writeFileSync(join(workspace, 'CLAUDE.md'), 'be kind');
  expect(workspaceInstructions(workspace)).toEqual({ name: 'CLAUDE.md', text: 'be kind', cut: false });
  rmSync(join(workspace, 'AGENTS.md'));
  writeFileSync(join(workspace, 'AGENTS.md'), 'x'.repeat(200_000));
  expect(workspaceInstructions(workspace)?.cut).toBe(true);
  const text = workspaceInstructions(workspace)?.text ?? '';
  expect(text.length).toBeLessThan(70_000);
  expect(text).toEndWith('[AGENTS.md is longer than this]\n');
});

test('variables that the user’s own opencode configuration names pass through', async () => {
  const folder = join(place.user, '.config/opencode');
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'opencode.jsonc'),
    '{ "model": "mine/one", "provider": { "mine": { "env": ["OTHER_KEY"], "options": { "apiKey": "{env:MY_OWN_KEY}" } } } } // mine',
  );
  expect(await readUserConfig(join(place.user, '.config'))).toEqual({
    variables: ['MY_OWN_KEY', 'OTHER_KEY'],
    model: 'mine/one',
    files: [expect.objectContaining({ model: 'mine/one' })],
  });
});

test('a binary that was named and is not there is not replaced by another', async () => {
  expect(await findOpencode(join(place.root, 'nowhere'), process.env.PATH)).toMatchObject({
    state: 'missing',
  });
});

test('opencode reads its catalogue only where a model may be called that the configuration does not describe', () => {
  const routstr = { npm: '@ai-sdk/openai-compatible', models: { 'a/b': {}, small: {} } };
  const config = { small_model: 'routstr/small', agent: { ask: {} }, provider: { routstr } };
  const needed = (change: object, model: string | undefined = 'routstr/a/b') =>
    needsCatalogue({ ...config, ...change }, model);
  expect(needed({})).toBe(false);
  expect([
    needed({}, 'routstr/toString'),
    needed({}, 'anthropic/claude-sonnet-5'),
    needsCatalogue(config, undefined),
    needed({ small_model: 'routstr/none' }),
    needed({ agent: { other: { model: 'anthropic/claude-sonnet-5' } } }),
    needed({ provider: { routstr: { models: routstr.models } } }),
  ]).toEqual(Array(6).fill(true));
});
