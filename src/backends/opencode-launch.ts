import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { opencodeEnvironment, userFolders } from './agent-environment.ts';
import {
  type BackendDeps,
  type BackendSettings,
  isFolder,
  nobody,
  openNowhere,
  openOwnerFolder,
  openOwnerStore,
} from './agent-folders.ts';
import type { ApprovalRule } from './approval.ts';
import type { BackendHealth, Mode, RunPayment } from './backend.ts';
import { type Endpoint, endpointsOf } from './jail/endpoints.ts';
import type { Cell, Launch, LaunchRequest, Wall } from './jail/types.ts';
import { asNotStarted, NotStartedError } from './not-started.ts';
import { findOpencode, startPlace } from './opencode-binary.ts';
import {
  composeConfig,
  needsCatalogue,
  readBotConfig,
  readUserConfig,
  type UserConfig,
  workspaceInstructions,
} from './opencode-config.ts';
import { createGitIdentity, ownLogin, pretendInstalled } from './opencode-login.ts';
import { opencodeVariables } from './opencode-variables.ts';
import { SpawnError } from './processes.ts';
import { runShortCommand } from './short-command.ts';
import { refuseAsks } from './warm/approval-rules.ts';
import {
  instructionsName,
  type Material,
  type ServerPlan,
  type ServerRequest,
  serverRequest,
} from './warm/server-request.ts';
import { cleanSnapshots } from './warm/snapshot-guard.ts';

const versionTimeoutMs = 20_000;
const shortTimeoutMs = 30_000;
/** Linux refuses a longer variable (MAX_ARG_STRLEN is 128 KiB). */
const longestVariable = 100_000;

type FoundOpencode =
  | { readonly state: 'found'; readonly path: string; readonly version: string }
  | Extract<BackendHealth, { state: 'missing' }>;

/** One call of opencode: what it is told, where, and who pays. */
type Invocation = {
  readonly runId: string;
  readonly owner: string;
  readonly workspace: string;
  readonly payment: RunPayment;
  readonly mode: Mode;
  readonly model: string | undefined;
  /** What has to be asked before it is done. */
  readonly approvals?: ApprovalRule;
  /** May depend on the model that the run comes to: the one that was asked for, else the default of who pays. */
  readonly args: readonly string[] | ((model: string | undefined) => readonly string[]);
};

/** A call that can be started; whoever starts it closes the cell. */
type Prepared = {
  readonly command: Launch;
  readonly cell: Cell;
  readonly model: string | undefined;
  /** Of opencode. */
  readonly version: string;
  /** The workspace's instructions that are too long to be read to their end. */
  readonly cutInstructions: string | undefined;
};

/** A server that can be started; whoever starts it closes the cell. */
export type PreparedServer = ServerRequest & {
  readonly command: Launch;
  readonly cell: Cell;
  /** What serves a run that asks for no model. */
  readonly model: string | undefined;
  readonly version: string;
  /** Where it keeps what was there before each task. */
  readonly snapshots: string;
};

/** Tokens stand where opencode looks for its logins at each call; a key is given to its server. */
const loginText = ({ login }: RunPayment): Readonly<Record<string, string>> =>
  login?.auth.type !== 'oauth'
    ? {}
    : { '.local/share/opencode/auth.json': JSON.stringify({ [login.provider]: login.auth }) };

/** Of a folder's path, as the name of another folder. */
const nameOf = (path: string): string => createHash('sha256').update(path).digest('hex').slice(0, 16);

/** What tells that a program has been replaced; empty when it is gone. */
const stampOf = (path: string): string => {
  const entry = statSync(path, { throwIfNoEntry: false });
  return entry === undefined ? '' : `${entry.ino} ${entry.size} ${entry.mtimeMs}`;
};

/** Finds opencode and makes the commands that start it: environment, configuration, jail. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions that share the program that was found
export const createLauncher = (settings: BackendSettings, deps: BackendDeps) => {
  const { home, ambient, trustWorkspace } = settings;
  const { jail } = deps;
  let binary: Extract<FoundOpencode, { state: 'found' }> | undefined;
  let stamp = '';
  const gitIdentity = createGitIdentity(ambient);

  /** Of the program itself, before there is a wall: it is not told anything. */
  const tryVersion = async (path: string, signal: AbortSignal): Promise<string | undefined> => {
    const runId = crypto.randomUUID();
    const cell = await jail.open(
      { kind: 'none', chosen: true, problems: [] },
      { runId, workspace: await openNowhere(home), writable: false, store: undefined },
    );
    try {
      const command = await cell.launch({
        ...{ file: path, args: ['--version'], environment: {}, endpoints: [], homeFiles: [], homeTexts: {} },
        ...{ texts: {}, hideCode: false, identity: undefined, serve: undefined, startIn: 'home' },
      });
      const { output } = await runShortCommand(command, { runId, timeoutMs: versionTimeoutMs }, signal);
      return /^\d+\.\d+\.\d+\S*$/m.exec(output)?.[0];
    } catch (error) {
      if (error instanceof SpawnError) return undefined;
      throw error;
    } finally {
      await cell.close();
    }
  };

  /** The first binary that runs on this machine; known for as long as it is the same file. */
  const find = async (signal: AbortSignal): Promise<FoundOpencode> => {
    if (binary !== undefined && stampOf(binary.path) === stamp) return binary;
    binary = undefined;
    const found = await findOpencode(settings.opencodeBin, ambient.PATH);
    if (found.state === 'missing') return found;
    for (const path of found.candidates) {
      const version = await tryVersion(path, signal);
      signal.throwIfAborted();
      if (version === undefined) continue;
      binary = { state: 'found', path, version };
      stamp = stampOf(path);
      return binary;
    }
    return {
      state: 'missing',
      looked: found.candidates,
      problem: 'opencode is there but does not run on this machine',
    };
  };

  const environmentOf = (
    { runId, payment }: Pick<Invocation, 'runId' | 'payment'>,
    cell: Cell,
    user: UserConfig,
  ) => {
    const { credentials, variables } = payment;
    const ownVariables = [...opencodeVariables, ...user.variables];
    return opencodeEnvironment({
      ...{ ambient, cell, runId, credentials, variables, ownVariables, trustWorkspace },
    });
  };

  /** What one opencode gets to know, whether it works for one task or for many. */
  const materialOf = async (
    invocation: Pick<Invocation, 'runId' | 'owner' | 'payment'> & { readonly model?: string | undefined },
    modes: readonly [Mode, ...Mode[]],
    cell: Cell,
    instructions: readonly string[],
  ): Promise<Material> => {
    const { payment } = invocation;
    const own = payment.credentials === 'own';
    const [user, configurations, homeFiles, identity] = await Promise.all([
      readUserConfig(userFolders(ambient).config),
      readBotConfig(home),
      own ? ownLogin(ambient) : [],
      own ? gitIdentity() : undefined,
    ]);
    const environment = environmentOf(invocation, cell, user);
    const configuration = composeConfig({
      ...configurations,
      ...{ payment, modes, model: invocation.model, environment, trustWorkspace, instructions },
      handsOver: settings.fileServers.length > 0,
    });
    const fallback = own ? (configuration.model ?? user.model) : configuration.model;
    const endpoints: readonly Endpoint[] = [configuration, ...(own ? user.files : [])].flatMap((config) =>
      endpointsOf(config, environment),
    );
    const model = invocation.model ?? (typeof fallback === 'string' ? fallback : undefined);
    // `models` lists what the catalogue has.
    const bare = !own && invocation.owner !== nobody && !needsCatalogue(configuration, model);
    return {
      environment: {
        ...environment,
        ...(bare ? { OPENCODE_MODELS_PATH: cell.textPath('no-models.json') } : {}),
      },
      texts: bare ? { 'no-models.json': '{}' } : {},
      ...{ configuration, endpoints, homeFiles, identity, model },
      homeTexts: own ? {} : { ...pretendInstalled, ...loginText(payment) },
      hideCode: !trustWorkspace,
    };
  };

  const requestOf = async (
    invocation: Invocation,
    file: string,
    cell: Cell,
  ): Promise<{
    readonly request: LaunchRequest;
    readonly model: string | undefined;
    readonly cutInstructions: string | undefined;
  }> => {
    const { mode, workspace } = invocation;
    const guide = trustWorkspace ? undefined : workspaceInstructions(workspace);
    const instructions = guide === undefined ? [] : [cell.textPath(guide.name)];
    const { environment, configuration, model, ...material } = await materialOf(
      invocation,
      [mode],
      cell,
      instructions,
    );
    const asks = invocation.approvals ?? 'off';
    // Nobody can be asked: what would have to be is refused, and the agent goes on without it.
    const text = JSON.stringify(asks === 'off' ? configuration : refuseAsks(configuration, mode, asks));
    const long = text.length > longestVariable;
    const request: LaunchRequest = {
      ...material,
      file,
      args: typeof invocation.args === 'function' ? invocation.args(model) : invocation.args,
      environment: {
        ...environment,
        ...(long ? { OPENCODE_CONFIG: cell.textPath('run.json') } : { OPENCODE_CONFIG_CONTENT: text }),
      },
      texts: {
        ...material.texts,
        ...(guide === undefined ? {} : { [guide.name]: guide.text }),
        ...(long ? { 'run.json': text } : {}),
      },
      serve: undefined,
      startIn: startPlace(file, workspace),
    };
    return { request, model, cutInstructions: guide?.cut === true ? guide.name : undefined };
  };

  /** @throws NotStartedError when something that it needs is not there */
  const prepare = async (invocation: Invocation, signal: AbortSignal): Promise<Prepared> => {
    const { workspace, runId, mode, owner } = invocation;
    const found = await find(signal);
    if (found.state === 'missing') throw new NotStartedError('backend_missing', found.problem);
    const wall = await jail.wall(signal);
    if (wall.kind === 'refused') throw new NotStartedError('no_wall', '');
    if (!(await isFolder(workspace))) throw new NotStartedError('workspace_gone', workspace);
    const store = owner === nobody ? undefined : await openOwnerStore(home, owner);
    let cell: Cell | undefined;
    try {
      cell = await jail.open(wall, { runId, workspace, writable: mode === 'agent', store });
      const { request, ...facts } = await requestOf(invocation, found.path, cell);
      return { command: await cell.launch(request), cell, version: found.version, ...facts };
    } catch (error) {
      await cell?.close();
      throw asNotStarted(error);
    }
  };

  /** A server that works for many runs. @throws NotStartedError when something that it needs is not there */
  const prepareServer = async (plan: ServerPlan, signal: AbortSignal): Promise<PreparedServer> => {
    const { workspace, owner, id: runId, modes } = plan;
    const found = await find(signal);
    if (found.state === 'missing') throw new NotStartedError('backend_missing', found.problem);
    const wall = await jail.wall(signal);
    if (wall.kind !== 'bwrap' && wall.kind !== 'none') throw new NotStartedError('no_wall', '');
    if (!(await isFolder(workspace))) throw new NotStartedError('workspace_gone', workspace);
    const store = await openOwnerStore(home, owner);
    let cell: Cell | undefined;
    try {
      cell = await jail.open(wall, { runId, workspace, writable: modes[0] === 'agent', store });
      const instructions = trustWorkspace ? [] : [await cell.hand(instructionsName, '')];
      const material = await materialOf({ ...plan, runId }, modes, cell, instructions);
      const snapshots = await openOwnerFolder(home, owner, join('snapshots', nameOf(workspace)));
      await cleanSnapshots(snapshots, workspace, join(home, 'jail', 'trash'));
      const request = serverRequest(plan, material, { file: found.path, cell, home, snapshots });
      const command = await cell.launch({ ...request, startIn: startPlace(found.path, workspace) });
      return { command, cell, version: found.version, model: material.model, snapshots, ...request };
    } catch (error) {
      await cell?.close();
      throw asNotStarted(error);
    }
  };

  /**
   * A server on which somebody logs in to a provider: no agent works on it, and what it keeps lies in `folder` alone.
   * @throws NotStartedError when something that it needs is not there
   */
  const prepareLogin = async (
    plan: ServerPlan,
    folder: string,
    signal: AbortSignal,
  ): Promise<PreparedServer> => {
    const { workspace, id: runId } = plan;
    const found = await find(signal);
    if (found.state === 'missing') throw new NotStartedError('backend_missing', found.problem);
    const wall = await jail.wall(signal);
    if (wall.kind === 'refused') throw new NotStartedError('no_wall', '');
    const cell = await jail.open(wall, { runId, workspace, writable: false, store: undefined });
    try {
      const material = await materialOf({ ...plan, runId, owner: nobody }, plan.modes, cell, []);
      const request = serverRequest(plan, material, { file: found.path, cell, home, snapshots: folder });
      const homeFiles = [{ from: folder, at: '.local/share/opencode', writable: true }];
      const command = await cell.launch({ ...request, homeFiles });
      return { command, cell, version: found.version, model: undefined, snapshots: folder, ...request };
    } catch (error) {
      await cell.close();
      throw asNotStarted(error);
    }
  };

  /** Runs one of opencode's short commands in the jail that a run would have. */
  const ask = async (asking: Omit<Invocation, 'runId'>, signal: AbortSignal): Promise<string> => {
    const runId = crypto.randomUUID();
    const { command, cell } = await prepare({ ...asking, runId }, signal);
    try {
      return (await runShortCommand(command, { runId, timeoutMs: shortTimeoutMs }, signal)).output;
    } finally {
      await cell.close();
    }
  };

  /** Looks again for the binary and the wall: either may have been installed meanwhile. */
  const look = async (
    signal: AbortSignal,
  ): Promise<{ readonly found: FoundOpencode; readonly wall: Wall }> => {
    binary = undefined;
    const [found, wall] = await Promise.all([find(signal), jail.wall(signal, true)]);
    return { found, wall };
  };

  return { prepare, prepareServer, prepareLogin, ask, look, find };
};
export type Launcher = ReturnType<typeof createLauncher>;
