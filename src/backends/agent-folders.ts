import { mkdir, rm, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Config } from '../config/config.ts';
import { type AgentFolders, agentFolders, runFolders } from './agent-environment.ts';
import { type Isolation, isolate, type Layout, probeIsolation } from './isolation.ts';
import type { Command } from './processes.ts';

/** What the backends take from the bot's configuration. */
export type BackendSettings = Pick<
  Config,
  'home' | 'opencodeBin' | 'cursorBin' | 'trustWorkspace' | 'isolation' | 'ambient'
>;

export type BackendDeps = {
  readonly log: Logger;
  /**
   * Files and folders that an isolated agent must not see, beside `BOT_HOME` and this package's own `.env`: the
   * wallet's folder, the `.env` that was read.
   */
  readonly hiddenPaths?: readonly string[];
  /** Between SIGTERM and SIGKILL. Default 3000. */
  readonly graceMs?: number;
};

const packageEnvFile = fileURLToPath(new URL('../../.env', import.meta.url));

/** True for an existing folder. */
export const isFolder = async (path: string): Promise<boolean> => {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (errorCode(error) !== undefined) return false;
    throw error;
  }
};

/** Makes the folders of a run, and takes away what an earlier run may have left to configure this one. */
export const openFolders = async (botHome: string, runId: string, owner: string): Promise<AgentFolders> => {
  const folders = agentFolders(botHome, runId, owner);
  const { database: _, ...all } = folders;
  for (const folder of Object.values(all)) await mkdir(folder, { recursive: true, mode: 0o700 });
  // opencode loads plugins and agents from here, and every agent of this owner can write here.
  await rm(`${folders.home}/.opencode`, { recursive: true, force: true });
  return folders;
};

/** Takes away what is only for one run. */
export const closeFolders = async (botHome: string, runId: string): Promise<void> => {
  const { config, temporary } = runFolders(botHome, runId);
  for (const folder of [config, temporary]) await rm(folder, { recursive: true, force: true });
};

/** Finds out once which isolation there is, and puts commands behind it. */
export const createWalls = (settings: BackendSettings, hiddenPaths: readonly string[]) => {
  let known: Promise<Isolation> | undefined;

  /** `again` tries anew: it may have been installed meanwhile. */
  const probe = (signal: AbortSignal, again = false): Promise<Isolation> => {
    if (known === undefined || again) {
      const probing = probeIsolation(settings.isolation, settings.ambient.PATH, signal);
      known = probing;
      probing.catch(() => {
        if (known === probing) known = undefined;
      });
    }
    return known;
  };

  const enclose = (
    isolation: Extract<Isolation, { state: 'bwrap' | 'none' }>,
    command: Command,
    paths: Omit<Layout, 'cwd'>,
  ): Promise<Command> =>
    isolate(isolation, command, {
      cwd: command.cwd,
      ...paths,
      hidden: [settings.home, packageEnvFile, ...hiddenPaths, ...paths.hidden],
    });

  return { probe, enclose };
};

/** For the status: what stands between the agents and the bot. */
export const describeIsolation = (isolation: Isolation): string => {
  switch (isolation.state) {
    case 'bwrap':
      return 'bubblewrap';
    case 'none':
      return `none: ${isolation.reason}`;
    case 'refused':
      return `refused: ${isolation.problem}`;
  }
};
