import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { serviceName } from '../setup/service-unit.ts';
import { run } from './run-program.ts';

/** The bot of an installation, as a service that systemd keeps going. */
export type RunningService = {
  readonly name: string;
  /** Whose service manager that is. */
  readonly kind: 'user' | 'system';
  /** Not one that fails, and is tried again and again. */
  readonly wasUp: boolean;
  /** @returns whether it has stopped */
  readonly stop: (signal: AbortSignal) => Promise<boolean>;
  /** @returns whether it has begun, which says nothing of how long */
  readonly start: () => Promise<boolean>;
  /** Whether it is the same process all the while. @throws the signal's reason */
  readonly staysUp: (ms: number, signal: AbortSignal) => Promise<boolean>;
};

/** A service does not do what it is told to. Nothing was changed. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly kind: RunningService['kind'];
  constructor(service: RunningService) {
    super(`${service.name} could not be stopped`);
    this.kind = service.kind;
  }
}

/** `systemctl stop` waits for `TimeoutStopSec`, 90 s. */
export const stopMs = 120_000;
const lookMs = 10_000;
const pauseMs = 500;

/**
 * The user's, else the machine's, that runs the program in this folder or waits to try again; undefined: neither does, or there is
 * no systemd. A bot of another installation is left alone.
 */
export async function findService(folder: string, signal: AbortSignal): Promise<RunningService | undefined> {
  const name = `${serviceName}.service`;
  for (const kind of ['user', 'system'] as const) {
    const systemctl = async (args: readonly string[], ms: number, until: AbortSignal) => {
      const scope = kind === 'user' ? ['--user'] : [];
      try {
        return await run(['systemctl', ...scope, '--no-ask-password', ...args, name], '/', ms, until);
      } catch (error) {
        until.throwIfAborted();
        // No such program.
        if (error instanceof Error) return undefined;
        throw error;
      }
    };
    const look = async (until: AbortSignal) => {
      const ran = await systemctl(['show', `--property=${properties.join()}`], lookMs, until);
      return ran?.code === 0 ? readState(ran.stdout) : undefined;
    };
    const told = async (verb: string, until: AbortSignal): Promise<boolean> =>
      (await systemctl(['--quiet', verb], stopMs, until))?.code === 0;
    const found = await look(signal);
    if (found === undefined || !goesOn.includes(found.active) || !isOf(folder, found)) continue;
    return {
      ...{ name, kind, wasUp: found.active === 'active' },
      stop: (until) => told('stop', until),
      // Also after Ctrl-C.
      start: () => told('start', AbortSignal.timeout(stopMs)),
      staysUp: async (ms, until) => {
        const first = await look(until);
        for (const end = performance.now() + ms; ; ) {
          const now = await look(until);
          if (first === undefined || now?.active !== 'active' || now.pid !== first.pid) return false;
          if (performance.now() >= end) return true;
          await Bun.sleep(Math.min(pauseMs, ms));
        }
      },
    };
  }
  return undefined;
}

const properties = ['ActiveState', 'MainPID', 'WorkingDirectory', 'ExecStart'] as const;
/** `activating`: also while it waits to be tried again. */
const goesOn = ['active', 'activating', 'reloading', 'deactivating'];

type State = {
  readonly active: string;
  readonly pid: string;
  readonly directory: string;
  readonly command: string;
};

/** What `systemctl show` prints: `name=value`, each in a line. */
function readState(said: string): State {
  const property = (name: (typeof properties)[number]): string =>
    said
      .split('\n')
      .find((line) => line.startsWith(`${name}=`))
      ?.slice(name.length + 1)
      .trim() ?? '';
  return {
    active: property('ActiveState'),
    pid: property('MainPID'),
    // `!` before it: it may be missing (systemd.exec(5)).
    directory: property('WorkingDirectory').replace(/^!/, ''),
    command: property('ExecStart'),
  };
}

/** As `setup --service` writes it, or one of somebody's own that begins in that folder. */
const isOf = (folder: string, { directory, command }: State): boolean =>
  [folder, realpathSync(folder)].some(
    (place) => directory === place || command.includes(` ${join(place, 'src/index.ts')} `),
  );
