import { expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, renameSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createJail } from '../../src/backends/jail/index.ts';
import { bubblewrapHere, makeJailPlace, until } from '../support/jail.ts';

const me = { name: 'me', uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const missing = await bubblewrapHere(me);
if (missing !== undefined) test('the jail can be built', () => expect(process.env.CI).toBeUndefined());

const program = `
  const server = Bun.serve({ port: 4096, hostname: '127.0.0.1', fetch: async (request) =>
    request.headers.get('authorization') === 'Basic pw' ? new Response('inside ' + (await request.text())) : new Response('', { status: 401 }) });
  await Bun.write('listening', '');
`;

test.if(missing === undefined)(
  'a server inside is reached by its socket alone, which is looked at each time',
  async () => {
    const place = makeJailPlace(me);
    const jail = createJail({
      ...{
        isolation: 'bwrap',
        network: 'none',
        paths: [],
        workspaces: [],
        own: [],
        tools: [],
        home: place.home,
      },
      ...{ ambient: { PATH: '/usr/bin:/bin' }, userHome: place.userHome },
      author: { name: undefined, email: undefined },
    });
    const wall = await jail.wall(AbortSignal.timeout(20_000));
    if (wall.kind === 'refused') throw new Error('refused');
    const { workspace } = place;
    const runId = crypto.randomUUID();
    const cell = await jail.open(wall, { runId, workspace, writable: true, store: undefined });
    expect(cell.openServer()).toBeUndefined();
    const launch = await cell.launch({
      ...{ file: process.execPath, args: ['/run/jail/texts/serve.ts'], environment: {}, endpoints: [] },
      ...{
        homeFiles: [],
        homeTexts: {},
        texts: { 'serve.ts': program },
        hideCode: true,
        startIn: 'workspace',
        identity: undefined,
        serve: 4096,
      },
    });
    const child = spawn(launch.file, launch.args, {
      cwd: launch.cwd,
      env: launch.environment,
      stdio: ['ignore', 'inherit', 'inherit', ...launch.fds],
    });
    launch.fds.forEach(closeSync);
    await until(() => existsSync(join(workspace, 'listening')));

    const call = async (authorization: string): Promise<string> => {
      const fd = cell.openServer();
      if (fd === undefined) return 'no socket';
      try {
        const response = await fetch('http://jail/', {
          ...{ method: 'POST', body: 'x'.repeat(10), headers: { authorization } },
          unix: `/proc/self/fd/${fd}`,
        });
        return `${response.status} ${await response.text()}`;
      } finally {
        closeSync(fd);
      }
    };
    expect(await call('Basic pw')).toBe('200 inside xxxxxxxxxx');
    expect(await call('')).toBe('401 ');

    // What an agent could put in its place, which can write to that folder
    const out = join(place.home, 'jail', runId, 'out');
    const trap = createServer((socket) => socket.end('trapped'));
    await new Promise<void>((done) => trap.listen(join(place.root, 'trap.sock'), done));
    renameSync(join(out, 'server.sock'), join(out, 'real.sock'));
    symlinkSync(join(place.root, 'trap.sock'), join(out, 'server.sock'));
    expect(await call('Basic pw')).toBe('no socket');
    trap.close();

    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await gone;
    await cell.close();
    place.remove();
  },
  60_000,
);
