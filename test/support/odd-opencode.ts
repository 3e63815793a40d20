import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { opencodeLines } from './opencode-lines.ts';

/**
 * An executable in the place of opencode that does what goes wrong with it. What that is stands in a file beside it:
 *
 *   lingers    answers, and does not exit
 *   strange    speaks another language, and exits with 0
 *   forgets    knows no session that it is asked for
 *   damaged    cannot read its store if there is garbage in it
 *   locked     finds its store locked, so many times as the file `locked` says
 */
export const writeOddOpencode = (directory: string) => {
  const path = join(directory, 'opencode-odd');
  const set = (what: string): void => writeFileSync(join(directory, 'odd'), what);
  const version = (text: string): void => {
    rmSync(path, { force: true });
    writeFileSync(path, script(directory, text));
    chmodSync(path, 0o755);
  };
  version('1.18.33');
  set('');
  return { path, set, version, remove: (): void => rmSync(path) };
};

const script = (directory: string, version: string): string => `#!/bin/sh
case "$1" in
  --version) ${version === 'hangs' ? 'exec sleep 6172' : `echo ${version}`}; exit 0 ;;
  models) printf 'odd/small\\n{\\n  "name": "Small"\\n}\\n'; exit 0 ;;
  session) echo '[]'; exit 0 ;;
esac
task=$(cat)
odd=$(cat '${directory}/odd')
session=ses_$$
for given in "$@"; do case "$given" in --session=*) session="\${given#--session=}"; old=1 ;; esac; done
case "$odd" in
  strange) echo '{"event":"message","content":"hello"}'; exit 0 ;;
  forgets) [ -z "$old" ] || { echo 'Error: Session not found' >&2; exit 1; } ;;
  damaged) ! grep -qs garbage "$OPENCODE_DB" || { echo 'Error: Unexpected error file is not a database' >&2; exit 1; } ;;
  locked)
    left=$(cat '${directory}/locked')
    [ "$left" = 0 ] || { echo $((left - 1)) > '${directory}/locked'; echo 'Error: database is locked' >&2; exit 1; } ;;
esac
${opencodeLines}
begins; says "did: $task"; ends
[ "$odd" != lingers ] || exec sleep 6172
`;
