import { expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watchLimits } from '../../src/backends/jail/limits.ts';

/** A process that takes memory until somebody ends it, in a group of nobody's making. */
test.if(process.platform === 'linux')(
  'a process that no group holds is ended when it takes more memory than it may',
  async () => {
    const hog = spawn('python3', [
      '-c',
      'import time\nx=bytearray(96 * 2**20)\nprint("taken", flush=True)\ntime.sleep(60)',
    ]);
    await once(hog.stdout, 'data');
    const exited = once(hog, 'exit');
    const watch = watchLimits({
      root: Number(hog.pid),
      group: undefined,
      scratch: false,
      workspace: '/',
      bounds: { memoryBytes: 64 * 2 ** 20, processes: 100 },
      end: () => hog.kill('SIGKILL'),
    });
    expect((await exited)[1]).toBe('SIGKILL');
    expect(await watch.finish()).toEqual(['memory']);
  },
  30_000,
);

test.if(process.platform === 'linux')(
  'one with too many threads and children as well',
  async () => {
    const many = spawn('/bin/sh', ['-c', 'for n in 1 2 3 4 5 6 7 8; do sleep 60 & done; wait']);
    const exited = once(many, 'exit');
    const watch = watchLimits({
      root: Number(many.pid),
      group: undefined,
      scratch: false,
      workspace: '/',
      bounds: { memoryBytes: 2 ** 40, processes: 5 },
      end: () => many.kill('SIGKILL'),
    });
    await exited;
    expect(await watch.finish()).toEqual(['processes']);
  },
  30_000,
);
