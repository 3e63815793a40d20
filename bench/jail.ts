import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createJail } from '../src/backends/jail/index.ts';
import type { Jail, Wall } from '../src/backends/jail/types.ts';

/**
 * What the jail adds to the start of an agent: `bun bench/jail.ts`. A program that does nothing is started behind each
 * wall in turn, in one run; the ratios are what counts, the absolute numbers are this machine's. Everything that the
 * bot does for it is in the figure: planning, the proxy, the control groups. Fails when bubblewrap's jail adds 60 ms.
 */
const rounds = 31;
const mostAddedMs = 60;

const root = realpathSync(mkdtempSync(join(tmpdir(), 'jail-bench-')));
const folder = (name: string): string => {
  mkdirSync(join(root, name), { mode: 0o700 });
  return join(root, name);
};
const [home, userHome, workspace, store] = [
  folder('bot'),
  folder('user'),
  folder('workspace'),
  folder('store'),
];
Bun.spawnSync(['git', 'init', '--quiet', workspace]);

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

type Open = Exclude<Wall, { kind: 'refused' }>;
const startOnce = async (jail: Jail, wall: Open): Promise<number> => {
  const begin = performance.now();
  const cell = await jail.open(wall, { runId: crypto.randomUUID(), workspace, writable: true, store });
  const launch = await cell.launch({
    ...{
      file: '/bin/true',
      args: [],
      environment: {},
      homeFiles: [],
      homeTexts: {},
      texts: { 'AGENTS.md': 'text' },
    },
    endpoints: [{ host: '127.0.0.1', port: 18_099, local: true }],
    ...{ hideCode: true, identity: undefined, serve: undefined, startIn: 'workspace' },
  });
  const child = spawn(launch.file, launch.args, {
    cwd: launch.cwd,
    env: launch.environment,
    stdio: ['ignore', 'ignore', 'inherit', ...launch.fds],
  });
  const exited = new Promise((done) => child.once('exit', done));
  launch.fds.forEach(closeSync);
  await exited;
  const took = performance.now() - begin;
  await cell.close();
  return took;
};

const jails: { readonly name: string; readonly jail: Jail; readonly wall: Open; readonly times: number[] }[] =
  [];
for (const isolation of ['none', 'bwrap', 'landlock'] as const) {
  const jail = createJail({
    ...{ isolation, network: 'internet', paths: [], workspaces: [], own: [], tools: [], home, userHome },
    ...{ ambient: { PATH: process.env.PATH ?? '' }, author: { name: undefined, email: undefined } },
  });
  const wall = await jail.wall(AbortSignal.timeout(30_000));
  if (wall.kind === 'refused') console.log(`${isolation.padEnd(10)}cannot be built here`);
  else jails.push({ name: isolation, jail, wall, times: [] });
}
for (let round = 0; round <= rounds; round++)
  for (const { jail, wall, times } of jails) {
    const took = await startOnce(jail, wall);
    if (round > 0) times.push(took);
  }

const bare = median(jails[0]?.times ?? []);
for (const { name, times } of jails) {
  const took = median(times);
  const added = took - bare;
  const ratio =
    name === 'none' ? '' : `, ${(took / bare).toFixed(1)} times no jail: ${added.toFixed(1)} ms more`;
  console.log(
    `${name.padEnd(10)}median ${took.toFixed(1)} ms, least ${Math.min(...times).toFixed(1)} ms${ratio}`,
  );
  if (name === 'bwrap' && added >= mostAddedMs) {
    console.error(`bubblewrap's jail adds ${added.toFixed(1)} ms to a start; ${mostAddedMs} ms is the most`);
    process.exitCode = 1;
  }
}
rmSync(root, { recursive: true, force: true });
process.exit();
