import { fileURLToPath } from 'node:url';
import { type LandlockPlan, landlockVariable } from './inside/landlock.ts';
import type { Built, CellContext } from './launch.ts';
import { networkMode, networkPlan } from './launch-bubblewrap.ts';
import { environmentOf, furnish, plainPlaces, settleGit } from './launch-plain.ts';
import { openLoopbackNetwork } from './network.ts';
import { realPath } from './path-rules.ts';
import { systemPaths } from './system.ts';
import type { LaunchRequest } from './types.ts';
import { hasWorkspaceCode, refuseWorkspaceCode } from './workspace-code.ts';

const landlockFile = fileURLToPath(new URL('./inside/landlock.ts', import.meta.url));
const devices = ['null', 'zero', 'full', 'random', 'urandom'].map((name) => `/dev/${name}`);
const accounts = ['passwd', 'group', 'nsswitch.conf', 'hosts'].map((name) => `/etc/${name}`);

export const launchLandlock = async (context: CellContext, request: LaunchRequest): Promise<Built> => {
  const { settings, cell, folder } = context;
  if (request.hideCode) await refuseWorkspaceCode(context.cell.workspace);
  await furnish(context, request);
  const mode = networkMode(context, request);
  const network = await openLoopbackNetwork(networkPlan(context, request.endpoints, mode));
  const places = plainPlaces(folder);
  const shown = [
    ...settings.paths,
    ...request.homeFiles.map(({ from, writable }) => ({ path: realPath(from), writable })),
    ...[cell.workspace, ...context.also].map((path) => ({ path, writable: cell.writable })),
    ...(cell.store === undefined ? [] : [{ path: cell.store, writable: true }]),
    ...[places.home, places.temporary].map((path) => ({ path, writable: true })),
    ...[places.bin, places.texts, request.file, ...settings.tools].map((path) => ({ path, writable: false })),
  ];
  const plan: LandlockPlan = {
    cwd: request.startIn === 'home' ? places.home : cell.workspace,
    readable: [
      ...systemPaths(),
      ...accounts,
      ...['/proc', '/sys/devices/system/cpu'],
      ...shown.filter(({ writable }) => !writable).map(({ path }) => realPath(path)),
    ],
    writable: shown.filter(({ writable }) => writable).map(({ path }) => path),
    devices,
    ports: network.ports,
  };
  return {
    launch: {
      file: process.execPath,
      args: ['--smol', landlockFile, request.file, ...request.args],
      cwd: '/',
      environment: {
        ...environmentOf(context, { proxy: network.proxy, narrow: true }),
        ...request.environment,
        [landlockVariable]: JSON.stringify(plan),
      },
      fds: [],
    },
    closeNetwork: network.close,
    ...(request.hideCode ? { hasCode: () => hasWorkspaceCode(cell.workspace) } : {}),
    freeNames: () => undefined,
    settleGit: await settleGit(context),
  };
};
