import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import { createJail } from '../../src/backends/jail/index.ts';
import { runShellCommand } from '../../src/backends/shell-command.ts';
import { createWorktreeGit } from '../../src/backends/worktree-git.ts';
import { createCurrentSessions } from '../../src/runs/current-sessions.ts';
import type { Session } from '../../src/runs/run.ts';
import { createWorktrees } from '../../src/runs/worktrees.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { storesIn } from '../../src/store/open-stores.ts';
import { silent } from './backend.ts';

export const patience = AbortSignal.timeout(600_000);

const author = { GIT_AUTHOR_NAME: 'Eve', GIT_AUTHOR_EMAIL: 'eve@example.org' };
const committer = { GIT_COMMITTER_NAME: 'Eve', GIT_COMMITTER_EMAIL: 'eve@example.org' };

/** git of the user's own, outside of any jail. */
export const git = (folder: string, ...args: readonly string[]): string => {
  const { exitCode, stdout, stderr } = Bun.spawnSync(['git', '-C', folder, ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', ...author, ...committer },
  });
  if (exitCode !== 0) throw new Error(`git ${args.join(' ')}: ${stderr.toString()}`);
  return stdout.toString().trim();
};

export const put = (folder: string, files: Readonly<Record<string, string>>): void => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
};

/** A bot's work trees over one workspace, with the real jail and real git, and no bot. */
export async function openWorktreeHouse({
  files,
}: {
  readonly files?: Readonly<Record<string, string>>;
} = {}) {
  const root = mkdtempSync(join(realpathSync(tmpdir()), 'trees-'));
  const [home, workspace] = [join(root, 'home'), join(root, 'app')];
  mkdirSync(home);
  mkdirSync(workspace);
  if (files !== undefined) {
    git(workspace, 'init', '-q', '-b', 'main');
    put(workspace, files);
    git(workspace, 'add', '-A');
    git(workspace, 'commit', '-q', '-m', 'first');
  }
  const stores = storesIn(openDatabase(':memory:', botMigrations), [], {
    clock: systemClock,
    random: Math.random,
  });
  const currentSessions = createCurrentSessions({
    defaults: {
      workspaces: [{ name: 'app', directory: workspace }],
      ...{ backends: ['opencode'], backend: 'opencode', model: undefined, mode: 'agent' },
      approvals: () => 'off',
    },
    ...{ sessions: stores.sessions, settings: stores.settings, clock: systemClock, random: Math.random },
  });
  const jail = createJail({
    ...{ isolation: 'bwrap', network: 'internet', paths: [], workspaces: [workspace], home, own: [] },
    ...{ ambient: { PATH: process.env.PATH ?? '' }, userHome: join(root, 'user'), tools: [] },
    author: { name: 'The Owner', email: 'owner@example.org' },
    repositoryOf: (directory) => {
      const tree = stores.worktrees.at(directory);
      return tree && join(tree.workspace, '.git');
    },
  });
  const wall = await jail.wall(patience);
  if (wall.kind !== 'bwrap') throw new Error('these stories need bubblewrap');
  const busy = new Set<string>();
  const trees = createWorktrees({
    ...{ stores, currentSessions, clock: systemClock, log: silent },
    git: createWorktreeGit(jail, false),
    wallFor: async () => wall,
    isBusy: (directory) => busy.has(directory),
    ...{ folder: join(home, 'worktrees'), trash: join(home, 'jail', 'trash') },
  });
  const owner = publicKeyOf(generateSecretKey());
  const begin = async (): Promise<Session> => {
    const session = trees.begin(owner, {});
    const made = await trees.make(session.directory, patience);
    if (made.state !== 'ready') throw new Error(`no tree: ${JSON.stringify(made)}`);
    return session;
  };
  return {
    ...{ root, home, workspace, stores, currentSessions, jail, wall, trees, owner, busy, begin },
    branch: (session: Session) => `session-${session.id}`,
    merge: (session: Session, message = 'Do it\n') => trees.merge(session, message, patience),
    /** What an agent's shell does in a session. */
    agent: (session: Session, line: string) =>
      runShellCommand(jail, wall, { workspace: session.directory, line }, patience),
    close: () => rmSync(root, { recursive: true, force: true }),
  };
}
export type WorktreeHouse = Awaited<ReturnType<typeof openWorktreeHouse>>;
