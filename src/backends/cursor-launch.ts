import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cursorEnvironment, userFolders } from './agent-environment.ts';
import {
  type BackendDeps,
  type BackendSettings,
  isFolder,
  nobody,
  openNowhere,
  openOwnerFolder,
} from './agent-folders.ts';
import type { AgentFailure, AgentFailureKind, AgentRequest, BackendHealth } from './backend.ts';
import { toDetail } from './cover-secrets.ts';
import { findOnPath, isExecutable } from './executables.ts';
import type { Cell, Launch, LaunchRequest } from './jail/types.ts';
import { asNotStarted, NotStartedError } from './not-started.ts';
import { SpawnError } from './processes.ts';
import { runShortCommand } from './short-command.ts';

const shortTimeoutMs = 30_000;
const names = ['cursor-agent', 'agent'];

export const failureOf = (kind: AgentFailureKind, detail: string): AgentFailure => ({
  kind,
  detail: toDetail(detail) || undefined,
  status: undefined,
});

/** Finds Cursor's agent and makes the commands that start it: environment, login, jail. */
export const createCursorLauncher = (settings: BackendSettings, { jail }: Pick<BackendDeps, 'jail'>) => {
  const { home, ambient } = settings;

  const find = async (): Promise<string | Extract<BackendHealth, { state: 'missing' }>> => {
    const configured = settings.cursorBin;
    if (configured !== undefined)
      return (await isExecutable(configured))
        ? configured
        : {
            state: 'missing',
            looked: [configured],
            problem: `CURSOR_BIN is ${configured}, which is no executable file`,
          };
    const local = `${userFolders(ambient).home}/.local/bin`;
    const found = await findOnPath(names, `${ambient.PATH ?? ''}:${local}`);
    return found ?? { state: 'missing', looked: ['PATH', local], problem: "Cursor's agent is not installed" };
  };

  /** The user's login and settings, and the owner's own conversations. Nothing that the user's Cursor runs later. */
  const cursorFiles = async (owner: string): Promise<LaunchRequest['homeFiles']> => {
    const { home: userHome, config } = userFolders(ambient);
    const files = [
      { from: join(config, 'cursor/auth.json'), at: '.config/cursor/auth.json', writable: true },
      { from: join(userHome, '.cursor/cli-config.json'), at: '.cursor/cli-config.json', writable: false },
    ].filter(({ from }) => existsSync(from));
    if (owner === nobody) return files;
    return [
      ...files,
      { from: await openOwnerFolder(home, owner, 'cursor'), at: '.cursor/chats', writable: true },
    ];
  };

  const prepare = async (
    options: Pick<AgentRequest, 'runId' | 'owner' | 'workspace' | 'payment' | 'mode'> & {
      readonly args: readonly string[];
    },
    signal: AbortSignal,
  ): Promise<{ readonly command: Launch; readonly cell: Cell } | AgentFailure> => {
    const { runId, owner, workspace, payment, mode, args } = options;
    if (payment.credentials === 'provided')
      return failureOf(
        'bad_configuration',
        'the backend cursor works on its own account only: !provider set local',
      );
    const file = await find();
    if (typeof file !== 'string') return failureOf('backend_missing', file.problem);
    const wall = await jail.wall(signal);
    if (wall.kind === 'refused') return failureOf('no_wall', '');
    if (!(await isFolder(workspace))) return failureOf('workspace_gone', workspace);
    let cell: Cell | undefined;
    try {
      cell = await jail.open(wall, { runId, workspace, writable: mode === 'agent', store: undefined });
      const command = await cell.launch({
        ...{ file, args, endpoints: [], homeTexts: {}, texts: {} },
        ...{
          hideCode: !settings.trustWorkspace,
          identity: undefined,
          serve: undefined,
          startIn: 'workspace',
        },
        environment: cursorEnvironment({ ambient, cell, runId, variables: payment.variables }),
        homeFiles: await cursorFiles(owner),
      });
      return { command, cell };
    } catch (error) {
      await cell?.close();
      const reason = asNotStarted(error);
      if (reason instanceof NotStartedError) return reason.failure;
      throw reason;
    }
  };

  /** Runs one of its short commands on the user's account. Undefined when it cannot be started. */
  const ask = async (args: readonly string[], signal: AbortSignal): Promise<string | undefined> => {
    const runId = crypto.randomUUID();
    const workspace = await openNowhere(home);
    const payment = { credentials: 'own', variables: {}, configuration: {} } as const;
    const prepared = await prepare({ runId, owner: nobody, workspace, payment, mode: 'ask', args }, signal);
    if ('kind' in prepared) return undefined;
    try {
      return (await runShortCommand(prepared.command, { runId, timeoutMs: shortTimeoutMs }, signal)).output;
    } catch (error) {
      if (error instanceof SpawnError) return undefined;
      throw error;
    } finally {
      await prepared.cell.close();
    }
  };

  return { find, prepare, ask };
};
