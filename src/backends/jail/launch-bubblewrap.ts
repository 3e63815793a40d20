import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { planBubblewrap, type Shown } from './bubblewrap.ts';
import type { Endpoint } from './endpoints.ts';
import { homeLinks, jailEnvironment } from './environment.ts';
import { type InitPlan, planVariable } from './inside/init.ts';
import type { Built, CellContext } from './launch.ts';
import { limits } from './limits.ts';
import { type Network, openNetwork } from './network.ts';
import { realPath } from './path-rules.ts';
import { entryAt } from './pins.ts';
import { inside, liesIn } from './places.ts';
import { showProgram } from './programs.ts';
import { serverSocket } from './server-socket.ts';
import type { LaunchRequest, Wall } from './types.ts';

const initFile = fileURLToPath(new URL('./inside/init.ts', import.meta.url));
const initInside = join(inside.own, 'init.ts');
const bunInside = join(inside.bin, 'bun');

/** On an agent host the Bun that this runs on is opencode's own, which is one when it is told so. */
const asBun = process.env.BUN_BE_BUN === undefined ? {} : { BUN_BE_BUN: '1' };

const readOnly = (from: string, to: string): Shown => ({ from: realPath(from), to, writable: false });

/** The same place is shown once: what was named first. */
const once = (all: readonly Shown[]): readonly Shown[] => {
  const places = new Set<string>();
  return all.filter(({ to }) => !places.has(to) && places.add(to));
};

/** Whether the operator handed over what SSH needs. */
const handsOverSsh = ({ settings }: CellContext): boolean =>
  settings.paths.some(({ path }) => /\/\.ssh(?:\/|$)/.test(path)) ||
  settings.paths.some(({ path }) => path === settings.ambient.SSH_AUTH_SOCK);

export const networkMode = (
  { settings: { network } }: CellContext,
  { offline }: LaunchRequest,
): 'internet' | 'none' => (network === 'none' || offline === true ? 'none' : 'internet');

export const networkPlan = (
  context: CellContext,
  endpoints: readonly Endpoint[],
  mode: 'internet' | 'none',
) => ({
  mode,
  endpoints,
  ssh: handsOverSsh(context),
  environment: context.settings.ambient,
  sockets: context.settings.sockets,
});

const sshCommand = (context: CellContext, proxy: string | undefined): string | undefined =>
  proxy !== undefined && handsOverSsh(context)
    ? `ssh -o ProxyCommand='${bunInside} ${join(inside.own, 'connect.ts')} ${new URL(proxy).port} %h %p'`
    : undefined;

const shownIn = (context: CellContext, request: LaunchRequest): readonly Shown[] => {
  const { settings, folder, cell } = context;
  return [
    readOnly(process.execPath, bunInside),
    readOnly(initFile, initInside),
    readOnly(join(initFile, '../connect.ts'), join(inside.own, 'connect.ts')),
    ...settings.tools.map((tool) => readOnly(tool, join(inside.bin, basename(tool)))),
    ...context.also.map((path) => ({ from: path, to: path, writable: cell.writable })),
    ...settings.paths.map(({ path, writable }) => ({ from: path, to: path, writable })),
    ...request.homeFiles.map(({ from, at, writable }) => ({
      from: realPath(from),
      to: join(inside.home, at),
      writable,
    })),
    ...(cell.store === undefined ? [] : [{ from: cell.store, to: inside.store, writable: true }]),
    { from: join(folder, 'in'), to: inside.sockets, writable: false },
    ...(request.serve === undefined ? [] : [{ from: join(folder, 'out'), to: inside.out, writable: true }]),
  ];
};

/**
 * Other workspaces that this jail can write to, because they lie in its own or in what `BOT_AGENT_PATHS` shows. Each is
 * a mount of its own: it can't be moved away with what covers its code.
 */
const workspacesWithin = ({ settings, cell }: CellContext): readonly string[] => {
  const folders = [
    ...(cell.writable ? [cell.workspace] : []),
    ...settings.paths.flatMap(({ path, writable }) => (writable ? [path] : [])),
  ];
  return settings.workspaces.filter(
    (other) =>
      other !== cell.workspace &&
      folders.some((folder) => liesIn(other, folder)) &&
      entryAt(other)?.isDirectory() === true,
  );
};

/** Builds the line for one program in a jail of bubblewrap's, and opens what it can reach. */
export const launchBubblewrap = async (
  context: CellContext,
  { path: bwrap, unnamed }: Extract<Wall, { kind: 'bwrap' }>,
  request: LaunchRequest,
): Promise<Built> => {
  const { settings, folder, cell, rules } = context;
  const { ambient } = settings;
  for (const name of ['in', 'out']) await mkdir(join(folder, name), { recursive: true, mode: 0o700 });
  const program = await showProgram(request.file, ambient.PATH ?? '', rules);
  const network: Network | undefined =
    settings.network === 'host' && request.offline !== true
      ? undefined
      : await openNetwork(
          join(folder, 'in'),
          networkPlan(context, request.endpoints, networkMode(context, request)),
        );
  const within = request.hideCode ? workspacesWithin(context) : [];
  const hidden = request.hideCode ? [cell.workspace, ...within] : [];
  const reserved: (() => void)[] = [];
  const freeNames = (): void => {
    for (const free of reserved) free();
  };
  try {
    for (const folder of hidden) reserved.push(context.names.reserve(folder));
    const line = await planBubblewrap({
      unnamed,
      workspace: cell.workspace,
      writable: cell.writable,
      remade: cell.remade,
      codeHiddenIn: hidden,
      shown: once([
        ...program.shown,
        ...shownIn(context, request),
        ...within.map((path) => ({ from: path, to: path, writable: true })),
      ]),
      texts: request.texts,
      homeTexts: request.homeTexts,
      closed: (request.closed ?? []).map((at) => join(inside.home, at)),
      links: homeLinks(settings.paths, settings.userHome),
      network: network === undefined ? 'host' : 'own',
      identity: request.identity,
      own: rules.own,
      runFolder: folder,
      sizes: { temporary: limits.scratchBytes, home: limits.scratchBytes, shared: limits.sharedBytes },
    });
    const plan: InitPlan = {
      cwd: request.startIn === 'home' ? inside.home : cell.workspace,
      forward: network?.forward ?? [],
      serve:
        request.serve === undefined
          ? undefined
          : { port: request.serve, unix: join(inside.out, serverSocket) },
      covered: line.covered,
      processes: context.group?.bounds.includes('processes') ? undefined : limits.processes,
      secrets: request.secrets ?? [],
    };
    const environment = jailEnvironment({
      ambient,
      home: inside.home,
      temporary: inside.temporary,
      workspace: cell.workspace,
      bin: inside.bin,
      paths: settings.paths,
      narrow: true,
      gitSettings: undefined,
      proxy: network?.proxy,
      author: settings.author,
      sshCommand: sshCommand(context, network?.proxy),
    });
    return {
      launch: {
        file: bwrap,
        args: [...line.args, '--', bunInside, '--smol', initInside, program.file, ...request.args],
        cwd: '/',
        environment: {
          ...environment,
          ...request.environment,
          ...asBun,
          [planVariable]: JSON.stringify(plan),
        },
        fds: line.fds,
      },
      closeNetwork: async () => network?.close(),
      freeNames,
      settleGit: line.settleGit,
    };
  } catch (error) {
    freeNames();
    await network?.close();
    throw error;
  }
};
