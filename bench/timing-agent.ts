import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { opencodeLines } from '../test/support/opencode-lines.ts';

/**
 * An executable in the place of opencode that adds a line to `times` in its workspace: when it began and when it ended, in
 * nanoseconds. It works as long as `work`, lines of shell with the task in `$task`, takes: the bot is idle meanwhile.
 */
export function writeTimingAgent(directory: string, work = 'sleep 0.2'): string {
  const path = join(directory, 'agent');
  writeFileSync(
    path,
    `#!/bin/sh
case "$1" in --version) echo 1.18.33; exit 0 ;; run) ;; *) exit 0 ;; esac
begun=$(date +%s%N)
task=$(cat)
${work}
session=ses_1
${opencodeLines}
begins; says done; ends
while [ $# -gt 0 ]; do [ "$1" = --dir ] && cd "$2"; shift; done
echo "$begun $(date +%s%N)" >> times
`,
  );
  chmodSync(path, 0o755);
  return path;
}
