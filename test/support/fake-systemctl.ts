/*
 * A `systemctl` that writes down what it is told and looks after one service, of a user. There is no systemd in a test: what
 * is tried is what is asked of it, not what it does.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * First on `PATH` from then on, until `end`.
 * @param folder a new one
 * @param program of the service, as its unit starts it
 * @param start a shell script, with what `start` does beside: what it prints is the state; where it writes the file `pid`, that
 *   is the process whose end is the service's
 */
export function putFakeSystemctl(folder: string, program: string, start: string, stop = '') {
  mkdirSync(folder, { recursive: true });
  const file = (name: string): string => join(folder, name);
  const set = (state: string): void => writeFileSync(file('state'), `${state}\n`);
  set('active');
  writeFileSync(
    file('systemctl'),
    `#!/bin/sh
cd '${folder}'; echo "$*" >>calls
[ ! -e pid ] || kill -0 "$(cat pid)" 2>/dev/null || echo failed >state
case "$*" in
  *--user*show*) echo "ActiveState=$(cat state)"; echo "MainPID=$(cat pid 2>/dev/null || echo 7)"; echo "ExecStart={ path=/bun ; argv[]=/bun ${program} start --env-file /x ; }" ;;
  *show*) echo ActiveState=inactive; echo MainPID=0; echo WorkingDirectory=; echo ExecStart= ;;
  *stop*) [ ! -e deaf ] || exit 1; ${stop || ':'}; echo inactive >state ;;
  *start*) { ${start}
} >state ;;
esac
`,
    { mode: 0o700 },
  );
  const path = process.env.PATH ?? '';
  process.env.PATH = `${folder}:${path}`;
  return {
    set,
    /** It can't stop the service. */
    deaf: (is: boolean) => (is ? writeFileSync(file('deaf'), '') : rmSync(file('deaf'))),
    /** What it was told to do, but to show how it is; and forgets it. */
    calls: (): readonly string[] => {
      const text = existsSync(file('calls')) ? readFileSync(file('calls'), 'utf8') : '';
      rmSync(file('calls'), { force: true });
      return text.split('\n').filter((line) => line !== '' && !line.includes(' show '));
    },
    /** As somebody at a terminal. */
    run: (verb: 'start' | 'stop', env: Readonly<Record<string, string | undefined>> = process.env): void =>
      void Bun.spawnSync([file('systemctl'), '--user', verb], { env: { ...env } }),
    end: () => {
      process.env.PATH = path;
    },
  };
}
