import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { userFolders } from '../agent-environment.ts';
import { type BackendDeps, type BackendSettings, isFolder, openOwnerFolder } from '../agent-folders.ts';
import type { AgentRequest, RunPayment } from '../backend.ts';
import { findOnPath, isExecutable } from '../executables.ts';
import { endpointsOf } from '../jail/endpoints.ts';
import type { Cell, Launch, LaunchRequest } from '../jail/types.ts';
import { markerVariable } from '../leftovers.ts';
import { asNotStarted, NotStartedError } from '../not-started.ts';
import type { AgentProgram } from './agent-program.ts';
import { type AgentSetting, type PaidAccess, presets } from './presets.ts';

export type AcpLaunch = {
  readonly command: Launch;
  readonly cell: Cell;
  /** What it must be told after `initialize`. */
  readonly authenticate: string | undefined;
};
export type FoundProgram =
  | { readonly state: 'found'; readonly path: string; readonly arguments: readonly string[] }
  | { readonly state: 'missing'; readonly looked: readonly string[]; readonly problem: string };

/** Where the agent's program is. Nothing is installed: who has not is told how. */
export async function findAgent(
  program: AgentProgram,
  ambient: Readonly<Record<string, string>>,
): Promise<FoundProgram> {
  const preset = program.preset === undefined ? undefined : presets[program.preset];
  const [first = '', ...others] = program.preset === undefined ? program.command : [];
  const names = preset?.programs ?? [first];
  if (first.startsWith('/')) {
    return (await isExecutable(first))
      ? { state: 'found', path: first, arguments: others }
      : { state: 'missing', looked: [first], problem: `${first} is no executable file` };
  }
  const local = `${userFolders(ambient).home}/.local/bin`;
  const found = await findOnPath(names, `${ambient.PATH ?? ''}:${local}`);
  if (found !== undefined) return { state: 'found', path: found, arguments: preset?.arguments ?? others };
  const how = preset === undefined ? '' : `; on the host: ${preset.install}`;
  return {
    state: 'missing',
    looked: ['PATH', local],
    problem: `${names.join(' or ')} is not installed${how}`,
  };
}

const paidConfiguration = z.object({
  provider: z.object({ routstr: z.object({ options: z.object({ baseURL: z.string() }) }) }),
});

/** The run's own way to the meter; undefined: its user's own account pays. @throws NotStartedError somebody else pays in another way */
function paidAccess(payment: RunPayment, model: string | undefined): PaidAccess | undefined {
  if (payment.credentials === 'own') return undefined;
  const configuration = paidConfiguration.safeParse(payment.configuration);
  const key = payment.variables.ROUTSTR_API_KEY;
  if (!configuration.success || key === undefined)
    throw new NotStartedError(
      'bad_configuration',
      'this agent is paid by the wallet or by its own login: !provider set routstr or !provider set local',
    );
  return {
    baseUrl: configuration.data.provider.routstr.options.baseURL,
    key,
    model: model?.replace(/^routstr\//, ''),
  };
}

/** Makes the command that starts the agent, in a jail of its own. @throws NotStartedError */
export async function launchAgent(
  program: AgentProgram,
  request: Pick<AgentRequest, 'runId' | 'owner' | 'workspace' | 'mode' | 'payment' | 'model' | 'approvals'>,
  { settings, deps }: { readonly settings: BackendSettings; readonly deps: BackendDeps },
  signal: AbortSignal,
): Promise<AcpLaunch> {
  const { runId, workspace, mode, payment, model, owner } = request;
  const found = await findAgent(program, settings.ambient);
  if (found.state === 'missing') throw new NotStartedError('backend_missing', found.problem);
  const paid = paidAccess(payment, model);
  const wall = await deps.jail.wall(signal);
  if (wall.kind === 'refused') throw new NotStartedError('no_wall', '');
  if (!(await isFolder(workspace))) throw new NotStartedError('workspace_gone', workspace);
  let cell: Cell | undefined;
  try {
    cell = await deps.jail.open(wall, { runId, workspace, writable: mode === 'agent', store: undefined });
    const asks = mode === 'agent' && (request.approvals ?? 'off') !== 'off';
    const setting = settingOf(program, paid, asks, settings);
    const command = await cell.launch({
      file: found.path,
      args: [...found.arguments, ...setting.arguments],
      environment: {
        ...(paid === undefined ? ownVariables(program, settings.ambient) : {}),
        ...setting.environment,
        [markerVariable]: runId,
      },
      endpoints: endpointsOf(payment.configuration, payment.variables),
      homeFiles: (await homeFiles(program, owner, paid === undefined, settings)).filter(
        ({ at }) => !(at in setting.homeTexts),
      ),
      homeTexts: setting.homeTexts,
      texts: {},
      hideCode: !settings.trustWorkspace,
      identity: undefined,
      serve: undefined,
      startIn: 'workspace',
    });
    return { command, cell, authenticate: setting.authenticate };
  } catch (error) {
    await cell?.close();
    throw asNotStarted(error);
  }
}

/** An agent that nobody knows is told in the variables that most of them read. */
function settingOf(
  { preset }: AgentProgram,
  paid: PaidAccess | undefined,
  asks: boolean,
  { ambient }: BackendSettings,
): AgentSetting {
  if (preset !== undefined && paid !== undefined) return presets[preset].paid(paid, asks);
  if (preset !== undefined) {
    const read = (path: string): string => {
      const file = join(userFolders(ambient).home, path);
      return existsSync(file) ? readFileSync(file, 'utf8') : '';
    };
    try {
      return presets[preset].own(asks, read);
    } catch (cause) {
      throw new NotStartedError('bad_configuration', 'its own settings can’t be read', cause);
    }
  }
  if (paid === undefined) return { arguments: [], environment: {}, homeTexts: {} };
  const { baseUrl, key, model } = paid;
  const environment = {
    ...{ OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: key, ANTHROPIC_AUTH_TOKEN: key },
    ANTHROPIC_BASE_URL: baseUrl.replace(/\/v1$/, ''),
    ...(model === undefined ? {} : { OPENAI_MODEL: model, ANTHROPIC_MODEL: model }),
  };
  return { arguments: [], environment, homeTexts: {} };
}

const ownVariables = (
  { preset }: AgentProgram,
  ambient: Readonly<Record<string, string>>,
): Record<string, string> =>
  Object.fromEntries(
    (preset === undefined ? [] : presets[preset].ownVariables).flatMap((name) => {
      const value = ambient[name];
      return value === undefined || value === '' ? [] : [[name, value]];
    }),
  );

/** Its conversations, which are the owner's own and outlast the run; its user's login, where that pays. */
async function homeFiles(
  { name, preset }: AgentProgram,
  owner: string,
  own: boolean,
  { home, ambient }: BackendSettings,
): Promise<LaunchRequest['homeFiles']> {
  if (preset === undefined) return [];
  const { keeps, ownFiles } = presets[preset];
  const userHome = userFolders(ambient).home;
  const login = (own ? ownFiles : [])
    .map((path) => ({ from: join(userHome, path), at: path, writable: false }))
    .filter(({ from }) => existsSync(from));
  const kept = await Promise.all(
    keeps.map(async (at, index) => ({
      from: await openOwnerFolder(home, owner, `acp-${name}-${index}`),
      at,
      writable: true,
    })),
  );
  return [...login, ...kept];
}
