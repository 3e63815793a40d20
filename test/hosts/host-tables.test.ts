import { describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StandingPayment } from '../../src/backends/backend.ts';
import { createHostDoors } from '../../src/backends/hosts/host-doors.ts';
import type { HostFacts } from '../../src/backends/hosts/host-facts.ts';
import { createHostWorkspaces } from '../../src/backends/hosts/host-workspaces.ts';
import { readLook } from '../../src/backends/hosts/look-at-host.ts';
import { createPeer } from '../../src/backends/hosts/peer.ts';
import { hostedPlace } from '../../src/backends/hosts/place.ts';
import { chooseHost } from '../../src/backends/hosts/placement.ts';
import { publicConfiguration } from '../../src/backends/hosts/public-configuration.ts';
import {
  driverCommand,
  exits,
  lookCommand,
  readSshEnd,
  sshArguments,
  unpackCommand,
} from '../../src/backends/hosts/ssh-command.ts';
import { testedOpencode } from '../../src/backends/opencode-binary.ts';
import { readAgentHosts } from '../../src/config/agent-hosts.ts';
import { hostFinding } from '../../src/doctor/check-hosts.ts';

const read = (text: string) => {
  const problems: string[] = [];
  const hosts = readAgentHosts(text, (problem) => problems.push(problem));
  return { hosts, problems };
};

describe('BOT_AGENT_HOSTS', () => {
  const none = { user: undefined, port: undefined, folder: undefined };
  test.each([
    ['build=dev@build.example', [{ ...none, name: 'build', user: 'dev', host: 'build.example' }]],
    ['b=build', [{ ...none, name: 'b', host: 'build' }]],
    ['b=dev@10.0.0.7:2222', [{ ...none, name: 'b', user: 'dev', host: '10.0.0.7', port: 2222 }]],
    ['b=dev@h/srv/agents/', [{ ...none, name: 'b', user: 'dev', host: 'h', folder: '/srv/agents' }]],
    ['b=d@[2001:db8::1]:22/w', [{ name: 'b', user: 'd', host: '2001:db8::1', port: 22, folder: '/w' }]],
    ['', []],
  ])('%s', (text, hosts) => {
    expect(read(text)).toEqual({ hosts, problems: [] });
  });
  test.each([
    'build.example',
    'B=dev@h',
    'b=',
    'b=-oProxyCommand=x',
    'b=dev@-h',
    'b=-l@h',
    'b=a b@h',
    'b=dev@h;id',
    'b=dev@h:0',
    'b=dev@h:99999',
    'b=dev@h:x',
    'b=dev@h/../etc',
    'b=dev@h/a\nb',
    'b=dev@h/',
    'b=dev@2001:db8::1',
    'b=dev@[::1;id]',
    'a=dev@h,a=dev@i',
    'a=dev@h,b=dev@H:22',
  ])('%s is refused, with its reason', (text) => {
    expect(read(text).problems).not.toEqual([]);
  });
});

test('a directory of this machine is never one of a host', () => {
  expect(hostedPlace('/srv/a:b')).toBeUndefined();
  expect(hostedPlace('/build:/x')).toBeUndefined();
  expect(hostedPlace('build+gpu:api')).toEqual({ hosts: ['build', 'gpu'], path: 'api' });
});

describe('what ssh is started with', () => {
  const files = { knownHosts: '/home/b o/known_hosts', identity: undefined };
  const host = { name: 'b', user: 'dev', host: 'h', port: 22, folder: undefined };
  const line = sshArguments(host, files, driverCommand('00ff'), { remote: '/r/m.sock', local: '/l/m' });
  test('asks nobody, trusts no new key, and takes nothing of this machine there', () => {
    for (const option of [
      'BatchMode=yes',
      'StrictHostKeyChecking=yes',
      'ExitOnForwardFailure=yes',
      'ForwardAgent=no',
    ])
      expect(line).toContain(option);
    expect(line).toContain('UserKnownHostsFile="/home/b o/known_hosts"');
    expect(line.slice(-3, -1)).toEqual(['--', 'h']);
  });
  test.each([driverCommand('00ff'), unpackCommand('00ff'), lookCommand()])(
    '%s is one argument of any shell',
    (command) => {
      expect(command).toMatch(/^exec \/bin\/sh -c '[^'\n]*'$/);
      expect(Bun.spawnSync(['sh', '-n', '-c', command]).exitCode).toBe(0);
    },
  );
  test('its words are understood', () => {
    expect(readSshEnd(255, 'Host key verification failed.')).toBe('host_key');
    expect(readSshEnd(255, 'dev@h: Permission denied (publickey).')).toBe('login');
    expect(readSshEnd(255, 'ssh: connect to host h port 22: Connection refused')).toBe('unreachable');
    expect(readSshEnd(255, 'Error: remote port forwarding failed for listen path /x')).toBe('forwarding');
    expect(readSshEnd(exits.noOpencode, '')).toBe('no_opencode');
  });
});

describe('doctor at an agent host', () => {
  const host = { name: 'build', user: 'dev', host: 'h', port: 2222, folder: '/srv/it' };
  const found = { state: 'there', opencode: testedOpencode } as const;
  const gigabyte = 2 ** 30;
  test.each([
    [
      'there',
      { ...found, freeBytes: 9 * gigabyte },
      'ok',
      /lets the bot in, opencode .* 9\.0 GB free at \/srv\/it$/,
    ],
    ['nearly full', { ...found, freeBytes: gigabyte }, 'warning', /make room there, or !hosts drain build/],
    [
      'away',
      { state: 'away', why: 'unreachable', detail: undefined },
      'broken',
      /is it on.* ssh -p 2222 dev@h$/,
    ],
    ['unknown', { state: 'away', why: 'host_key', detail: 'changed' }, 'broken', /\(changed\).*known_hosts/],
    ['closed', { state: 'away', why: 'login', detail: undefined }, 'broken', /does not let.*authorized_keys/],
    [
      'old',
      { state: 'away', why: 'untested', detail: '1.0.0' },
      'broken',
      /another version.*1\.0\.0.*install/,
    ],
    ['odd', { state: 'away', why: 'other', detail: undefined }, 'broken', /by hand: ssh -p 2222 dev@h$/],
  ] as const)('%s', (_, look, state, said) => {
    const { fact, remedy, state: is } = hostFinding(host, look);
    expect([is, [fact, remedy].filter((text) => text !== undefined).join(' → ')]).toEqual([
      state,
      expect.stringMatching(said),
    ]);
  });

  test('asks the host itself, whatever its folder is called, and believes nothing else that it says', () => {
    const home = mkdtempSync(join(tmpdir(), 'host-look-'));
    try {
      mkdirSync(join(home, 'bin'));
      const look = (version: string, folder: string) => {
        const program = `#!/bin/sh\ncase $1 in --version) echo ${version};; *) echo 1.2.3;; esac\n`;
        writeFileSync(join(home, 'bin/opencode'), program, { mode: 0o700 });
        const env = { HOME: home, PATH: '/usr/bin:/bin' };
        const stdin = Buffer.from(`${folder}\n`);
        const { exitCode, stdout } = Bun.spawnSync(['sh', '-c', lookCommand()], { env, stdin });
        return exitCode === 0 ? readLook(`a greeting\n${stdout}`) : exitCode;
      };
      for (const folder of ['', join(home, 'not made/$(touch x); y'), '-rf'])
        expect(look(testedOpencode, folder)).toEqual({ ...found, freeBytes: expect.any(Number) });
      expect(look('0.1.0', '')).toMatchObject({ why: 'untested', detail: '0.1.0' });
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
    expect(readLook('')).toMatchObject({ state: 'away', why: 'other' });
  });
});

describe('placement', () => {
  const at = (name: string, running: number, load = 0, more: Partial<HostFacts> = {}): HostFacts => ({
    ...{ name, running, drained: false },
    state: {
      ...{ state: 'up', since: 0 },
      report: {
        ...{ version: 1, opencode: { version: '1', tested: true }, wall: undefined, load, processors: 2 },
        ...{ free: 8 * 2 ** 30, servers: 0, ended: 0 },
      },
    },
    ...more,
  });
  const away: HostFacts['state'] = { state: 'away', why: 'lost', detail: undefined, since: 0 };
  test.each([
    ['fewest runs', [at('a', 2), at('b', 1, 9)], 'b'],
    ['then load', [at('a', 1, 3), at('b', 1, 1)], 'b'],
    ['not a drained one', [at('a', 0, 0, { drained: true }), at('b', 5)], 'b'],
    ['not one that is away', [at('a', 0, 0, { state: away }), at('b', 5)], 'b'],
    ['nowhere', [at('a', 0, 0, { state: away })], undefined],
  ])('%s', (_, hosts, name) => {
    expect(chooseHost(hosts)?.name).toBe(name);
  });
});

test('a host is told what agents may do, and no secret and no way of this machine', () => {
  const told = publicConfiguration({
    agent: {
      agent: {
        prompt: 'Work. {file:/etc/passwd}',
        permission: { read: { '*token*': 'deny', '*': 'allow' } },
      },
    },
    mcp: { mine: { url: 'https://x', headers: { Authorization: 'Bearer secret-1' } } },
    plugin: ['/home/me/p.ts'],
    provider: {
      routstr: {
        npm: 'n',
        models: { m: { name: 'M', options: { apiKey: 'secret-2' } } },
        options: { apiKey: 'secret-3' },
      },
      mine: { options: { apiKey: 'secret-4' } },
    },
  });
  expect(JSON.stringify(told)).not.toMatch(/secret-|\/etc\/passwd|\/home\/me/);
  // Without one of its rules it would permit more.
  expect(told.agent).toMatchObject({ agent: { permission: { read: { '*token*': 'deny' } } } });
});

test('workspaces of a host: made below its folder, never its home, never what is the bot’s there', async () => {
  const userHome = mkdtempSync(join(tmpdir(), 'nda-host-'));
  try {
    const own = join(userHome, '.nostr-dm-agent');
    mkdirSync(join(own, 'x'), { recursive: true });
    symlinkSync(own, join(userHome, 'link'));
    const { find } = createHostWorkspaces({ folder: undefined, userHome, own: [own] });
    const made = await find("a b'; rm -rf $(x)/`y`");
    expect(made).toBe(join(userHome, 'agent-workspaces', "a b'; rm -rf $(x)/`y`"));
    for (const path of [
      '..',
      '../x',
      '.',
      userHome,
      own,
      join(own, 'x'),
      join(userHome, 'link'),
      '/',
      '/nowhere',
      '/etc',
    ])
      await expect(find(path)).rejects.toThrow();
  } finally {
    rmSync(userHome, { recursive: true, force: true });
  }
});

test('a host gets no door but for the runs that it has, and nothing when the connection is gone', async () => {
  const leased: string[] = [];
  const opened: unknown[] = [];
  const standing: StandingPayment = {
    payer: 'routstr',
    payment: (door) => ({
      ...{ credentials: 'provided', variables: { KEY: door?.key ?? '' } },
      configuration: { url: door?.baseUrl },
    }),
    openDoor: (...asked) => {
      opened.push(asked);
      return {
        ...{ baseUrl: 'http://127.0.0.1:4711/secret/v1', key: 'sk-real' },
        answerItself: () => () => undefined,
        lease: (_, runId) => {
          leased.push(runId);
          return { release: async () => void leased.splice(leased.indexOf(runId), 1) };
        },
        close: () => undefined,
      };
    },
  };
  const runs: Record<string, string> = { 'run-a': 'ann', 'run-b': 'bob' };
  const doors = createHostDoors({
    ownerOf: (id) => runs[id],
    tell: () => undefined,
    leadTo: () => undefined,
  });
  const told = doors.describe('ann', standing);
  expect(told).toEqual({
    ...{ ref: 'ann routstr', payer: 'routstr' },
    payment: { credentials: 'provided', variables: { KEY: '{key}' }, configuration: { url: '{url}' } },
  });
  const door = { door: 'd', ref: 'ann routstr', server: 'kept', secret: 's', key: 'k' };
  expect(() => doors.tells.door({ ...door, ref: 'bob routstr' })).toThrow();
  doors.tells.door(door);
  expect(opened).toEqual([['kept', { secret: 's', key: 'k' }]]);
  const lease = { lease: 'l', door: 'd', session: 's', runId: 'run-a' };
  // Another owner's run, one that there is not, every call of a door, a door that there is not.
  for (const wrong of [{ runId: 'run-b' }, { runId: 'run-c' }, { session: '' }, { door: 'e' }])
    expect(() => doors.tells.lease({ ...lease, ...wrong })).toThrow();
  doors.tells.lease(lease);
  expect(leased).toEqual(['run-a']);
  await doors.close();
  expect(leased).toEqual([]);
  expect(() => doors.tells.door({ ...door, door: 'd2' })).toThrow();
});

test('a conversation answers, gives up what nobody waits for, and survives what is none', async () => {
  const nonsense: string[] = [];
  const aborted = Promise.withResolvers<string>();
  const sides: { one?: ReturnType<typeof createPeer>; other?: ReturnType<typeof createPeer> } = {};
  const handlers = {
    calls: {
      twice: async (body: unknown) => Number(body) * 2,
      fails: async () => Promise.reject(new Error('not today')),
      waits: (_: unknown, signal: AbortSignal) => {
        const { promise, resolve } = Promise.withResolvers<string>();
        signal.addEventListener('abort', () => resolve('given up'));
        return promise;
      },
    },
    tells: { heard: (body: unknown) => aborted.resolve(String(body)) },
    onNonsense: (what: string) => void nonsense.push(what),
  };
  const one = createPeer((line) => sides.other?.take(line), handlers);
  const other = createPeer((line) => one.take(line), handlers);
  sides.other = other;
  expect(await one.call('twice', 21)).toBe(42);
  await expect(one.call('fails', 0)).rejects.toThrow('not today');
  await expect(one.call('toString', 0)).rejects.toThrow('not answered');
  const controller = new AbortController();
  const waiting = one.call('waits', 0, controller.signal);
  controller.abort();
  expect(await waiting).toBe('given up');
  one.tell('heard', 'yes');
  expect(await aborted.promise).toBe('yes');
  for (const line of [
    '',
    '{',
    '[]',
    '{"t":"call"}',
    '{"t":"tell","name":"__proto__","body":1}',
    '{"t":"done","id":99,"body":0}',
  ])
    one.take(line);
  expect(nonsense).toHaveLength(5);
  const lost = one.call('waits', 0);
  one.close();
  await expect(lost).rejects.toThrow('connection ended');
});
