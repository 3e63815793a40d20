/*
 * Starts one program in a jail, as whoever runs this: `jail-driver.ts PLAN.json` writes what became of it to
 * `PLAN.json.result`. A process of its own so that the same stories can be told as root and as an ordinary user.
 */
import { spawn } from 'node:child_process';
import { closeSync, readFileSync, writeFileSync } from 'node:fs';
import { createJail } from '../../src/backends/jail/index.ts';
import type {
  Cell,
  CellEnd,
  CellRequest,
  JailSettings,
  LaunchRequest,
  Wall,
} from '../../src/backends/jail/types.ts';

export type DriverPlan = {
  readonly settings: JailSettings;
  readonly cell: CellRequest;
  readonly launch: LaunchRequest;
  readonly stdin: string;
  readonly timeoutMs: number;
};

export type DriverResult = {
  readonly wall: Wall;
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly problem: string | undefined;
  readonly end: CellEnd | undefined;
  readonly limit: string | undefined;
};

const run = async (plan: DriverPlan): Promise<DriverResult> => {
  const jail = createJail(plan.settings);
  const wall = await jail.wall(AbortSignal.timeout(30_000));
  const nothing = {
    wall,
    code: null,
    signal: null,
    stdout: '',
    stderr: '',
    end: undefined,
    limit: undefined,
  };
  if (wall.kind === 'refused') return { ...nothing, problem: 'refused' };
  let cell: Cell | undefined;
  try {
    cell = await jail.open(wall, plan.cell);
    const launch = await cell.launch(plan.launch);
    const child = spawn(launch.file, launch.args, {
      cwd: launch.cwd,
      env: launch.environment,
      stdio: ['pipe', 'pipe', 'pipe', ...launch.fds],
      detached: true,
    });
    launch.fds.forEach(closeSync);
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name]?.on('data', (chunk: Buffer) => {
        output[name] += chunk.toString('utf8');
      });
    let limit: string | undefined;
    if (child.pid !== undefined)
      cell.started(child.pid, (met) => {
        limit = met;
        child.kill('SIGKILL');
      });
    const timer = setTimeout(() => child.kill('SIGKILL'), plan.timeoutMs);
    child.stdin?.end(plan.stdin);
    const { promise, resolve } = Promise.withResolvers<{ code: number | null; signal: string | null }>();
    child.once('close', (code, signal) => resolve({ code, signal }));
    const exit = await promise;
    clearTimeout(timer);
    return { wall, ...exit, ...output, problem: undefined, limit, end: await cell.close() };
  } catch (error) {
    const problem = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    await cell?.close();
    return { ...nothing, problem };
  }
};

if (import.meta.main) {
  const path = process.argv[2] ?? '';
  const plan: DriverPlan = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(`${path}.result`, JSON.stringify(await run(plan)));
  process.exit(0);
}
