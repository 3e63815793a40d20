/**
 * The bot's program on an agent host, run by the Bun that opencode is made with: it starts opencode's servers there, in the
 * same jail as on the bot's own machine, and does with them what is asked by standard input. It has no key and no money;
 * when its input ends, or nothing is heard of the bot, all that it started ends with it.
 */
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, loadavg } from 'node:os';
import { join } from 'node:path';
import { every } from '@nostr-dm-agent/kit/timers';
import type { Door } from '@nostr-dm-agent/routstr';
import type { BackendSettings } from '../agent-folders.ts';
import type { Backend, RunObserver, StandingPayment } from '../backend.ts';
import { findOnPath } from '../executables.ts';
import { createJail } from '../jail/index.ts';
import type { Jail } from '../jail/types.ts';
import { endRun } from '../leftovers.ts';
import { readLines } from '../lines.ts';
import { NotStartedError } from '../not-started.ts';
import { createOpencode } from '../opencode.ts';
import { configPath, isObject, type Json } from '../opencode-config.ts';
import { runShellCommand } from '../shell-command.ts';
import { freeBytes } from '../warm/server-pool.ts';
import { createDriverLog } from './driver-log.ts';
import { createHostWorkspaces } from './host-workspaces.ts';
import { createPeer, type Peer } from './peer.ts';
import { createRemoteDoors, type RemoteDoors } from './remote-doors.ts';
import * as wire from './wire.ts';

/** Names this program to a later life of the bot's: only one is at work for it. */
export const driverVariable = 'NOSTR_DM_AGENT_HOST';
/** So many pings may fail to come. */
const missedPings = 4;
const longestLine = 64 * 1024 * 1024;

const log = createDriverLog();

type Work = {
  readonly backend: Backend;
  readonly jail: Jail;
  readonly workspaces: ReturnType<typeof createHostWorkspaces>;
  /** As it was found at the start. */
  readonly found: Pick<wire.HostReport, 'opencode' | 'wall' | 'ended'>;
  readonly pingMs: number;
};

const ambientHere = (): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && entry[0] !== driverVariable && entry[0] !== 'BUN_BE_BUN',
    ),
  );

/** Lays out what the bot's opencode would be, on this host. @param place the bot's own folder here */
const begin = async (place: string, given: unknown): Promise<Work> => {
  const told = wire.hello.parse(given);
  const home = join(place, 'home');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const ambient = ambientHere();
  const userHome = ambient.HOME ?? homedir();
  const draft = join(home, 'opencode.json.new');
  await writeFile(draft, JSON.stringify(told.configuration), { mode: 0o600 });
  await rename(draft, configPath(home));
  // Sockets of connections that are gone.
  for (const name of await readdir(place))
    if (/^m-\w+\.sock$/.test(name) && join(place, name) !== told.meter)
      await rm(join(place, name), { force: true });
  const search = await findOnPath(['rg'], ambient.PATH);
  const jail = createJail({
    ...{ isolation: 'bwrap', network: told.network, paths: [], workspaces: [], home, own: [place] },
    ...{ ambient, userHome, author: told.author, tools: search === undefined ? [] : [search] },
    sockets: new Map([[wire.meterPort, told.meter]]),
  });
  const settings: BackendSettings = {
    ...{ home, ambient, trustWorkspace: told.trustWorkspace, opencodeBin: process.execPath },
    // What is made here can't be sent from here.
    ...{ agents: [], cursorBin: undefined, fileServers: [] },
  };
  const backend = createOpencode(settings, { log, jail, warm: { ...told.warm, only: true } });
  // Those of a life whose end nobody saw: its program first, which would start others.
  const marker = `${driverVariable}=${process.env[driverVariable]}`;
  const older = await endRun({ runId: 'driver', marker, graceMs: 2000 });
  const servers = (await backend.endLeftServers?.(AbortSignal.timeout(20_000))) ?? 0;
  const workspaces = createHostWorkspaces({ folder: told.folder, userHome, own: [place] });
  const signal = AbortSignal.timeout(60_000);
  const [health, wall] = [await backend.health(signal), await jail.wall(signal)];
  const problem = wall.kind === 'bwrap' ? undefined : wall.problems[0];
  const found = {
    opencode: { version: health.state === 'missing' ? '' : health.version, tested: health.state === 'ok' },
    wall: wall.kind === 'bwrap' ? undefined : `${problem?.problem ?? 'other'}: ${problem?.detail ?? ''}`,
    ended: older + servers,
  };
  return { backend, jail, workspaces, found, pingMs: told.pingMs };
};

const reportOf = async ({ backend, found }: Work): Promise<wire.HostReport> => {
  const kept = backend.kept?.();
  return {
    version: wire.protocolVersion,
    ...found,
    load: loadavg()[0] ?? 0,
    processors: Math.max(1, navigator.hardwareConcurrency),
    free: await freeBytes(),
    servers: kept?.state === 'kept' ? kept.servers : 0,
  };
};

/** In the template, the door's own; as JSON, whatever they hold. */
const fill = (template: unknown, door: Pick<Door, 'baseUrl' | 'key'> | undefined): unknown => {
  if (typeof template === 'string')
    return template.replaceAll('{url}', door?.baseUrl ?? '').replaceAll('{key}', door?.key ?? '');
  if (Array.isArray(template)) return template.map((each) => fill(each, door));
  if (!isObject(template)) return template;
  return Object.fromEntries(Object.entries(template).map(([name, value]) => [name, fill(value, door)]));
};
const filled = (template: Readonly<Record<string, unknown>>, door: Door | undefined): Json => {
  const made = fill(template, door);
  return isObject(made) ? made : {};
};

const standingOf = ({ ref, payer, payment }: wire.WireStanding, doors: RemoteDoors): StandingPayment => ({
  payer,
  payment: (door) => ({
    credentials: 'provided',
    variables: Object.fromEntries(
      Object.entries(filled(payment.variables, door)).map(([name, value]) => [name, String(value)]),
    ),
    configuration: filled(payment.configuration, door),
  }),
  openDoor: (server) => doors.open(ref, server),
});

/** What a run says, as the bot hears it. */
const observerOf = (runId: string, peer: Pick<Peer, 'tell' | 'call'>): RunObserver => ({
  onSpawn: () => peer.tell('spawned', { runId }),
  onEvent: (event) => peer.tell('event', { runId, event }),
  onActivity: () => peer.tell('activity', { runId }),
  onAnswer: (result) => peer.tell('answered', { runId, result }),
  onApproval: async (approval, signal) =>
    wire.verdict.parse(await peer.call('approval', { runId, approval }, signal)),
  onQuestion: async (questions, signal) =>
    wire.answersGiven.parse(await peer.call('question', { runId, questions }, signal)),
});

/** What the bot may ask. */
const callsOf = (work: () => Work, doors: RemoteDoors, peer: () => Peer) => {
  const run = async (body: unknown, signal: AbortSignal): Promise<unknown> => {
    const order = wire.runOrder.parse(body);
    const { backend, workspaces } = work();
    const workspace = await workspaces.find(order.workspace);
    return backend.run(
      {
        ...order,
        workspace,
        payment: { credentials: 'provided', variables: {}, configuration: {} },
        standing: standingOf(order.standing, doors),
      },
      observerOf(order.runId, peer()),
      signal,
    );
  };
  const desk = async (body: unknown, signal: AbortSignal): Promise<unknown> => {
    const { what, prompts = [''], title = '', ...of } = wire.deskOrder.parse(body);
    const { backend, workspaces } = work();
    const { desk } = backend;
    if (desk === undefined) throw new Error('there is no desk');
    const place = {
      ...of,
      workspace: await workspaces.find(of.workspace),
      standing: standingOf(of.standing, doors),
    };
    switch (what) {
      case 'diff':
        return desk.diff(place, prompts, signal);
      case 'undo':
        return desk.undo(place, prompts, signal);
      case 'redo':
        return desk.redo(place, signal);
      case 'todos':
        return desk.todos(place, signal);
      case 'fork':
        return desk.fork(place, signal);
      case 'rename':
        return desk.rename(place, title, signal);
    }
  };
  const shell = async (body: unknown, signal: AbortSignal): Promise<unknown> => {
    const order = wire.shellOrder.parse(body);
    const { jail, workspaces } = work();
    const wall = await jail.wall(signal);
    if (wall.kind !== 'bwrap') throw new NotStartedError('no_wall', '');
    return runShellCommand(
      jail,
      wall,
      { workspace: await workspaces.find(order.workspace), line: order.line },
      signal,
    );
  };
  /** What could not even be begun is an answer, too. */
  const orFailure =
    (handler: (body: unknown, signal: AbortSignal) => Promise<unknown>) =>
    async (body: unknown, signal: AbortSignal): Promise<unknown> => {
      try {
        return await handler(body, signal);
      } catch (error) {
        if (error instanceof NotStartedError) return { failure: error.failure };
        throw error;
      }
    };
  return {
    run: orFailure(run),
    shell: orFailure(shell),
    desk,
    tell: async (body: unknown, signal: AbortSignal): Promise<unknown> => {
      const { runId, text } = wire.tellOrder.parse(body);
      return work().backend.tell?.(runId, text, signal) ?? false;
    },
  };
};

const main = async (): Promise<void> => {
  const place = process.cwd();
  let work: Work | undefined;
  let heardAt = performance.now();
  const isThere = (): Work => {
    if (work === undefined) throw new Error('nothing was said yet');
    return work;
  };
  const over = Promise.withResolvers<string>();
  const doors: RemoteDoors = createRemoteDoors(
    (...told) => peer.tell(...told),
    (...asked) => peer.call(...asked),
  );
  const peer: Peer = createPeer((line) => process.stdout.write(`${line}\n`), {
    calls: {
      ...callsOf(isThere, doors, () => peer),
      hello: async (body) => {
        const begun = await begin(place, body);
        work = begun;
        every(begun.pingMs, { name: 'the bot is heard of', log }, async () => {
          if (performance.now() - heardAt > begun.pingMs * missedPings)
            over.resolve('nothing is heard of the bot');
        });
        return reportOf(begun);
      },
      ping: async () => reportOf(isThere()),
    },
    tells: {
      warm: (body) => {
        const { workspace, standing, ...order } = wire.warmOrder.parse(body);
        const { backend, workspaces } = isThere();
        workspaces.find(workspace).then(
          (found) => backend.warm?.({ ...order, workspace: found, standing: standingOf(standing, doors) }),
          (cause: unknown) => log.debug({ cause }, 'nothing was made ready'),
        );
      },
      called: doors.called,
    },
    onNonsense: (what) => log.warn({ what }, 'the bot said what is not understood'),
  });
  const listen = async (): Promise<void> => {
    for await (const line of readLines(process.stdin, longestLine)) {
      heardAt = performance.now();
      if (line.type === 'line' && line.text !== '') peer.take(line.text);
    }
    over.resolve('the connection ended');
  };
  listen().catch((error: unknown) => over.resolve(String(error)));
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    process.on(signal, () => over.resolve(signal));
  // Nobody reads any more: that is what ends it, not an error of its own.
  process.stdout.on('error', () => over.resolve('nobody listens'));
  peer.tell('here', { version: wire.protocolVersion, place });
  const why = await over.promise;
  log.info({ why }, 'the end');
  peer.close();
  await Promise.race([work?.backend.close?.(), Bun.sleep(8000)]);
  process.exit(0);
};

await main();
