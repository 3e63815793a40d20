import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { opencodeLines } from './opencode-lines.ts';

/**
 * An executable that speaks like opencode 1.18.33 and starts in milliseconds, for stories about queues, crashes and
 * money where the agent itself is not the thing under test. What it does depends on the task it is given:
 *
 *   sleep N      works for N seconds, in a shell of its own that leaves the process group
 *   count to N   answers with the numbers up to N
 *   fail 402     ends with that status; `fail 503 once` only the first time
 *   anything     answers `did: <task>`
 *
 * `tasks.txt` in its workspace gets a line per task, `keys.txt` one with the task, the model and every key in its environment.
 */
export function writeStandInOpencode(directory: string): string {
  const path = join(directory, 'opencode-stand-in');
  writeFileSync(path, script);
  chmodSync(path, 0o755);
  return path;
}

const script = `#!/bin/sh
case "$1" in
  --version) echo 1.18.33; exit 0 ;;
  models) printf 'stand-in/small\\n{\\n  "name": "Small"\\n}\\nstand-in/large\\n{\\n  "name": "Large"\\n}\\n'; exit 0 ;;
  session) echo '[]'; exit 0 ;;
esac
task=$(cat)
for given in "$@"; do
  [ "$before" = --dir ] && cd "$given"
  case "$given" in --dir=*) cd "\${given#--dir=}" ;; esac
  before="$given"
done
echo "$task" >> "$PWD/tasks.txt"
session=""
model=""
while [ $# -gt 0 ]; do
  case "$1" in --session|-s) session="$2"; shift ;; --model=*) model="\${1#--model=}" ;; esac
  shift
done
printf '%s\\t%s\\t%s\\n' "$task" "$model" "$(env | grep -E '(KEY|TOKEN|SECRET)=' | tr '\\n' ' ')" >> "$PWD/keys.txt"

[ -n "$session" ] || session="ses_$$"
${opencodeLines}
begins
case "$task" in
  "sleep "*)
    setsid sleep "\${task#sleep }" &
    wait ;;
  "count to "*) task=$(seq -s ' ' 1 "\${task#count to }") ;;
  "fail "*)
    status=\${task#fail }
    case "$status" in *" once")
      status=\${status% once}
      if [ -e "$PWD/failed-once" ]; then task="$task, then it worked"; status=""; else : > "$PWD/failed-once"; fi ;;
    esac
    [ -z "$status" ] || {
    printf '{"type":"error","timestamp":1,"sessionID":"%s","error":{"name":"APIError","data":{"message":"no more","statusCode":%s,"isRetryable":false}}}\\n' "$session" "$status"
    exit 1
    } ;;
esac
text=$(printf '%s' "did: $task" | tr '\\n"' ' .')
says "$text"
ends
`;
