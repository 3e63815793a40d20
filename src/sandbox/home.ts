import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A temporary home that holds everything the sandbox writes. All folders are 0700. */
export type SandboxHome = {
  readonly path: string;
  /** `BOT_HOME`. */
  readonly bot: string;
  /** `HOME` of the pretended user, with an opencode configuration. */
  readonly user: string;
  readonly workspace: string;
  readonly remove: () => void;
};

export function createSandboxHome(): SandboxHome {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'nostr-dm-agent-sandbox-')));
  const folder = (name: string): string => {
    mkdirSync(join(path, name), { mode: 0o700 });
    return join(path, name);
  };
  return {
    path,
    bot: folder('bot'),
    user: folder('user'),
    workspace: folder('workspace'),
    // The agent's last child may still write while it ends.
    remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  };
}
