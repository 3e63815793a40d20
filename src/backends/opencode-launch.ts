import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import {
  type AgentFolders,
  baseEnvironment,
  nobody,
  opencodeEnvironment,
  userFolders,
  writableFolders,
} from './agent-environment.ts';
import {
  type BackendDeps,
  type BackendSettings,
  closeFolders,
  createWalls,
  isFolder,
  openFolders,
} from './agent-folders.ts';
import type { AgentFailure, AgentFailureKind, BackendHealth, Mode, RunPayment } from './backend.ts';
import { toDetail } from './cover-secrets.ts';
import type { Isolation } from './isolation.ts';
import { findOpencode } from './opencode-binary.ts';
import {
  composeConfig,
  readBotConfig,
  readUserConfig,
  type UserConfig,
  workspaceInstructions,
} from './opencode-config.ts';
import { opencodeVariables } from './opencode-variables.ts';
import { type Command, SpawnError } from './processes.ts';
import { runShortCommand } from './short-command.ts';
import { findWorkspaceCode, type WorkspaceCode } from './workspace-code.ts';

const versionTimeoutMs = 20_000;
const shortTimeoutMs = 30_000;
/** Linux refuses a longer variable (MAX_ARG_STRLEN is 128 KiB). */
const longestVariable = 100_000;
const noCode: WorkspaceCode = { paths: [], example: undefined };

export type FoundOpencode =
  | { readonly state: 'found'; readonly path: string; readonly version: string }
  | Extract<BackendHealth, { state: 'missing' }>;

/** Why an agent cannot even be started. */
export class NotStartedError extends Error {
  override readonly name = 'NotStartedError';
  readonly failure: AgentFailure;
  constructor(kind: AgentFailureKind, detail: string, cause?: unknown) {
    super(detail, { cause });
    this.failure = { kind, detail: toDetail(detail), status: undefined };
  }
}

/** One call of opencode: what it is told and in which surroundings. */
export type Invocation = {
  readonly runId: string;
  readonly folders: AgentFolders;
  readonly workspace: string;
  readonly payment: RunPayment;
  readonly mode: Mode;
  readonly model: string | undefined;
  /** May depend on the model that the run comes to: the one that was asked for, else the default of who pays. */
  readonly args: readonly string[] | ((model: string | undefined) => readonly string[]);
};

const pluginPackage = '@opencode-ai/plugin';

/**
 * opencode installs its plugin package from the npm registry into every configuration folder, at every start, unless
 * it finds this. A folder of our own holds no plugins, and nothing is fetched that the task did not ask for.
 */
const pretendInstalled = async (config: string): Promise<void> => {
  const folder = join(config, 'opencode');
  await mkdir(join(folder, 'node_modules'), { recursive: true, mode: 0o700 });
  const lock = { packages: { '': { dependencies: { [pluginPackage]: '*' } } } };
  await writeFile(join(folder, 'package-lock.json'), JSON.stringify(lock));
};

/** Finds opencode and makes the commands that start it: environment, configuration, walls. */
export const createLauncher = (settings: BackendSettings, deps: BackendDeps) => {
  const { home, ambient, trustWorkspace } = settings;
  const walls = createWalls(settings, deps.hiddenPaths ?? []);
  let binary: Extract<FoundOpencode, { state: 'found' }> | undefined;

  const tryVersion = async (path: string, signal: AbortSignal): Promise<string | undefined> => {
    const runId = crypto.randomUUID();
    const folders = await openFolders(home, runId, nobody);
    const { temporary } = folders;
    const environment = baseEnvironment({ ambient, workspace: home, home: folders.home, temporary, runId });
    try {
      const command: Command = { file: path, args: ['--version'], cwd: folders.home, environment };
      const { output } = await runShortCommand(command, { runId, timeoutMs: versionTimeoutMs }, signal);
      return /^\d+\.\d+\.\d+\S*$/m.exec(output)?.[0];
    } catch (error) {
      if (error instanceof SpawnError) return undefined;
      throw error;
    } finally {
      await closeFolders(home, runId);
    }
  };

  /** The first binary that runs on this machine; known once it was found. */
  const find = async (signal: AbortSignal): Promise<FoundOpencode> => {
    if (binary !== undefined) return binary;
    const found = await findOpencode(settings.opencodeBin, ambient.PATH);
    if (found.state === 'missing') return found;
    for (const path of found.candidates) {
      const version = await tryVersion(path, signal);
      signal.throwIfAborted();
      if (version === undefined) continue;
      binary = { state: 'found', path, version };
      return binary;
    }
    return {
      state: 'missing',
      looked: found.candidates,
      problem: 'opencode is there but does not run on this machine',
    };
  };

  const environmentOf = (invocation: Invocation, user: UserConfig): Record<string, string> => {
    const { runId, folders, workspace, payment } = invocation;
    const { credentials, variables } = payment;
    const ownVariables = [...opencodeVariables, ...user.variables];
    return opencodeEnvironment({
      ...{ ambient, workspace, folders, runId, credentials, variables, ownVariables, trustWorkspace },
    });
  };

  const configurationOf = async (
    invocation: Invocation,
    environment: Readonly<Record<string, string>>,
  ): Promise<Record<string, unknown>> => {
    const { payment, mode, model, workspace } = invocation;
    const instructions = trustWorkspace ? [] : await workspaceInstructions(workspace);
    const files = await readBotConfig(home);
    return composeConfig({ ...files, payment, mode, model, environment, instructions, trustWorkspace });
  };

  /** What opencode may change: its login is renewed in the user's folders, but the configuration stays as it is. */
  const openPaths = async ({ workspace, folders, payment }: Invocation) => {
    const mine = [workspace, ...writableFolders(folders)];
    if (payment.credentials === 'provided') return { writable: mine, scratch: [] };
    const { data, state, cache, config } = userFolders(ambient);
    const users = [data, state, cache, config].map((folder) => join(folder, 'opencode'));
    for (const folder of users) await mkdir(folder, { recursive: true, mode: 0o700 });
    return { writable: [...mine, ...users.slice(0, 3)], scratch: users.slice(3) };
  };

  /** @throws NotStartedError when something that it needs is not there */
  const prepare = async (
    invocation: Invocation,
    signal: AbortSignal,
  ): Promise<{ readonly command: Command; readonly model: string | undefined }> => {
    const { workspace, folders, payment } = invocation;
    const found = await find(signal);
    if (found.state === 'missing') throw new NotStartedError('backend_missing', found.problem);
    const isolation = await walls.probe(signal);
    if (isolation.state === 'refused')
      throw new NotStartedError('bad_configuration', `BOT_ISOLATION=bwrap: ${isolation.problem}`);
    if (!(await isFolder(workspace)))
      throw new NotStartedError('bad_configuration', `the workspace ${workspace} is not there`);
    const code = trustWorkspace ? noCode : await findWorkspaceCode(workspace);
    if (isolation.state === 'none' && code.example !== undefined)
      throw new NotStartedError('workspace_code', relative(workspace, code.example));
    if (payment.credentials === 'provided') await pretendInstalled(folders.config);
    const user = await readUserConfig(userFolders(ambient).config);
    const environment = environmentOf(invocation, user);
    const configuration = await configurationOf(invocation, environment);
    const text = JSON.stringify(configuration);
    const handedOver: Record<string, string> = {};
    if (text.length <= longestVariable) handedOver.OPENCODE_CONFIG_CONTENT = text;
    else {
      handedOver.OPENCODE_CONFIG = join(folders.config, 'run.json');
      await writeFile(handedOver.OPENCODE_CONFIG, text, { mode: 0o600 });
    }
    const fallback =
      payment.credentials === 'own' ? (configuration.model ?? user.model) : configuration.model;
    const model = invocation.model ?? (typeof fallback === 'string' ? fallback : undefined);
    const args = typeof invocation.args === 'function' ? invocation.args(model) : invocation.args;
    const command = await walls.enclose(
      isolation,
      { file: found.path, args, cwd: workspace, environment: { ...environment, ...handedOver } },
      { ...(await openPaths(invocation)), hidden: code.paths },
    );
    return { command, model };
  };

  /** Runs one of opencode's short commands in the surroundings that a run would have. */
  const ask = async (
    { owner, ...asking }: Omit<Invocation, 'runId' | 'folders'> & { readonly owner: string },
    signal: AbortSignal,
  ): Promise<string> => {
    const runId = crypto.randomUUID();
    const folders = await openFolders(home, runId, owner);
    try {
      const { command } = await prepare({ ...asking, runId, folders }, signal);
      const { output } = await runShortCommand(command, { runId, timeoutMs: shortTimeoutMs }, signal);
      return output;
    } finally {
      await closeFolders(home, runId);
    }
  };

  /** Looks again for the binary and the isolation: either may have been installed meanwhile. */
  const look = async (
    signal: AbortSignal,
  ): Promise<{ readonly found: FoundOpencode; readonly isolation: Isolation }> => {
    binary = undefined;
    const [found, isolation] = await Promise.all([find(signal), walls.probe(signal, true)]);
    return { found, isolation };
  };

  return { prepare, ask, look };
};
