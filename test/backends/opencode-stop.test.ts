import { afterAll, beforeAll, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startModel } from '@nostr-dm-agent/sandbox/model';
import { createBackends } from '../../src/backends/all-backends.ts';
import { endRun, markerVariable } from '../../src/backends/leftovers.ts';
import { parsePs, type ReadProcesses, readProcesses } from '../../src/backends/process-table.ts';
import { runAgentProcess } from '../../src/backends/processes.ts';
import { writeOpencodeUserConfig } from '../../src/sandbox/opencode-user-config.ts';
import { makePlace, watch } from '../support/backend.ts';

const place = makePlace();
const { workspace, settings, deps, request } = place;
const model = startModel();
beforeAll(() => writeOpencodeUserConfig(join(place.user, '.config'), model.url));
afterAll(async () => {
  await model.stop();
  place.remove();
});

const opencode = () => {
  const backend = createBackends(settings, deps).get('opencode');
  if (backend === undefined) throw new Error('no opencode');
  return backend;
};
const ofRun = async (runId: string): Promise<number> =>
  (await readProcesses(`${markerVariable}=${runId}`)).filter(({ marked }) => marked).length;

test('stopping a run ends opencode and what its shell put into the background', async () => {
  const asked = request('run sleep 777 & sleep 778 and wait');
  const stop = new AbortController();
  const { observer, pids } = watch();
  const running = opencode().run(asked, observer, stop.signal);
  await until(async () => (await ofRun(asked.runId)) >= 3, 'opencode and both sleeps are there', 40_000);
  expect(pids).toHaveLength(1);
  stop.abort();
  const result = await running;
  expect(await ofRun(asked.runId)).toBe(0);
  expect(result).toMatchObject({ outcome: 'stopped', failure: undefined });
  expect(result.backendSession).toStartWith('ses_');
}, 90_000);

test('a run that is stopped before the first word still knows its session', async () => {
  const asked = request('hang silently');
  const stop = new AbortController();
  const before = model.requests.length;
  const running = opencode().run(asked, {}, stop.signal);
  await until(() => model.requests.length > before, 'the model is asked', 40_000);
  stop.abort();
  const result = await running;
  expect(result.outcome).toBe('stopped');
  expect(result.backendSession).toStartWith('ses_');
  expect(await ofRun(asked.runId)).toBe(0);
}, 90_000);

test('a run whose signal is aborted already does not start', async () => {
  const { observer, pids } = watch();
  const result = await opencode().run(request('say hi'), observer, AbortSignal.abort());
  expect(result.outcome).toBe('stopped');
  expect(pids).toEqual([]);
});

/** Runs a shell as an agent would be run. */
const shell = (script: string, runId: string, signal: AbortSignal, graceMs = 1000) => {
  const environment = { PATH: settings.ambient.PATH ?? '', [markerVariable]: runId };
  const lines: string[] = [];
  const command = { file: '/bin/sh', args: ['-c', script], cwd: workspace, environment };
  const ended = runAgentProcess(
    command,
    { runId, stdin: 'the task\n', graceMs },
    {
      onLine: (line) => {
        lines.push(line.type === 'line' ? line.text : 'oversized');
        return 'go on';
      },
    },
    signal,
  );
  return { ended, lines };
};
const soon = () => AbortSignal.timeout(30_000);

test('what outlives a finished agent is ended, though it left the session and ignores SIGTERM', async () => {
  const runId = crypto.randomUUID();
  const { ended, lines } = shell(
    `cat; setsid sh -c 'trap "" TERM; while :; do sleep 0.1; done' & sleep 0.3; exit 3`,
    runId,
    soon(),
    300,
  );
  expect(await ended).toMatchObject({ exit: { code: 3 }, stopped: false });
  expect(lines).toEqual(['the task']);
  expect(await ofRun(runId)).toBe(0);
}, 40_000);

test('a line that its reader cannot cope with ends the agent and all that it started', async () => {
  const runId = crypto.randomUUID();
  const environment = { PATH: settings.ambient.PATH ?? '', [markerVariable]: runId };
  const args = ['-c', 'setsid sleep 600 & echo odd; wait'];
  const ended = runAgentProcess(
    { file: '/bin/sh', args, cwd: workspace, environment },
    { runId, stdin: '', graceMs: 300 },
    {
      onLine: () => {
        throw new RangeError('too deep');
      },
    },
    soon(),
  );
  expect(await ended.catch(String)).toBe('RangeError: too deep');
  expect(await ofRun(runId)).toBe(0);
}, 40_000);

test('a process that starts itself anew while it is being ended is ended too', async () => {
  const runId = crypto.randomUUID();
  const phoenix = `trap 'test $1 -gt 0 && setsid sh phoenix.sh $(($1 - 1)) & exit' TERM; echo "life $1"; while :; do sleep 0.05; done`;
  writeFileSync(join(workspace, 'phoenix.sh'), phoenix);
  const first = spawn('/bin/sh', ['phoenix.sh', '3'], {
    cwd: workspace,
    env: { PATH: settings.ambient.PATH, [markerVariable]: runId },
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  let said = '';
  first.stdout.on('data', (chunk) => {
    said += String(chunk);
  });
  // Each look waits until the next life has said so: one that is caught before that could not rise again.
  let looks = 0;
  const read: ReadProcesses = async (marker) => {
    const life = 3 - looks++;
    if (life >= 0) await until(() => said.includes(`life ${life}`), `life ${life} begins`);
    return readProcesses(marker);
  };
  await endRun({ runId, graceMs: 20_000, read });
  expect(said).toBe('life 3\nlife 2\nlife 1\nlife 0\n');
  expect(await ofRun(runId)).toBe(0);
}, 40_000);

test('what a killed bot left behind is found by the marker, and nothing else is touched', async () => {
  const runId = crypto.randomUUID();
  const start = (id: string) =>
    spawn('/bin/sh', ['-c', 'setsid sleep 779 & sleep 780'], {
      env: { PATH: settings.ambient.PATH, [markerVariable]: id },
      stdio: 'ignore',
      detached: true,
    });
  const bystander = `${runId}-other`;
  start(runId);
  start(bystander);
  await until(async () => (await ofRun(runId)) === 3 && (await ofRun(bystander)) === 3, 'both are there');
  expect(await opencode().endLeftovers(runId, soon())).toBe(3);
  expect(await ofRun(runId)).toBe(0);
  expect(await ofRun(bystander)).toBe(3);
  expect(await endRun({ runId: bystander })).toBe(3);
  expect(await opencode().endLeftovers(runId, soon())).toBe(0);
}, 40_000);

test('a pid that was given to another process meanwhile is not killed', async () => {
  const child = spawn('/bin/sleep', ['781'], { stdio: 'ignore' });
  try {
    const { pid } = child;
    if (pid === undefined) throw new Error('no process');
    expect(await endRun({ runId: crypto.randomUUID(), root: { pid, started: 'long ago' } })).toBe(0);
    expect(child.exitCode ?? child.signalCode).toBeNull();
  } finally {
    child.kill('SIGKILL');
  }
});

test('a line of any length arrives, one beyond the cap is only counted', async () => {
  const { ended, lines } = shell(
    'head -c 300000 /dev/zero | tr "\\0" x; echo; head -c 9000000 /dev/zero | tr "\\0" y; echo; printf end',
    crypto.randomUUID(),
    soon(),
  );
  await ended;
  expect(lines.map((line) => (line.length > 100 ? line.length : line))).toEqual([
    300_000,
    'oversized',
    'end',
  ]);
}, 40_000);

test('what ps prints is understood where there is no /proc', () => {
  const output = [
    '  501     1 Ss   Sun Nov 22 01:02:03 2026     /bin/sleep 7 HOME=/x NOSTR_DM_AGENT_RUN=abc PATH=/bin',
    '  502   501 S+   Sun Nov  1 01:02:03 2026     /bin/sleep 8 NOSTR_DM_AGENT_RUN=abcd',
    '  503   501 Z    Sun Nov 22 01:02:03 2026     (sleep)',
  ].join('\n');
  expect(parsePs(output, 'NOSTR_DM_AGENT_RUN=abc')).toEqual([
    { pid: 501, parent: 1, started: 'Sun Nov 22 01:02:03 2026', marked: true },
    { pid: 502, parent: 501, started: 'Sun Nov 1 01:02:03 2026', marked: false },
  ]);
});

test('nothing of a run’s own configuration stays behind', () => {
  const folder = join(settings.home, 'agent/config');
  expect(existsSync(folder) ? readdirSync(folder) : []).toEqual([]);
  expect(readFileSync(join(place.user, '.config/opencode/opencode.json'), 'utf8')).toContain('sandbox/tiny');
});
