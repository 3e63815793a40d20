import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * An executable that speaks like opencode 1.18.33, starts in a moment, and makes real, paid model calls: as many as the
 * task says (`3 calls`; default one). For stories that kill it hundreds of times.
 */
export function writePayingOpencode(directory: string): string {
  const path = join(directory, 'opencode-paying');
  writeFileSync(
    path,
    `#!/bin/sh
case "$1" in
  --version) echo 1.18.33; exit 0 ;;
  models) printf 'routstr/claude-sonnet-4.5\\n{\\n  "name": "Sonnet"\\n}\\n'; exit 0 ;;
  session) echo '[]'; exit 0 ;;
esac
exec '${process.execPath}' --no-env-file '${join(import.meta.dir, 'paying-agent.ts')}' "$@"
`,
  );
  chmodSync(path, 0o755);
  return path;
}
