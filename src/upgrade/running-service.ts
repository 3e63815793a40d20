import { serviceName } from '../setup/service-unit.ts';
import { run } from './run-program.ts';

/** The bot, as a service that systemd runs at this moment. */
export type RunningService = {
  readonly name: string;
  /** @returns whether it has stopped */
  readonly stop: () => Promise<boolean>;
  readonly start: () => Promise<boolean>;
};

const stopMs = 120_000;

/** The user's, else the machine's; undefined: neither is active, or there is no systemd. */
export async function findService(signal: AbortSignal): Promise<RunningService | undefined> {
  const unit = `${serviceName}.service`;
  for (const scope of [['--user'], []]) {
    const systemctl = async (verb: string, until: AbortSignal): Promise<boolean> => {
      try {
        return (await run(['systemctl', ...scope, '--quiet', verb, unit], '/', stopMs, until)).code === 0;
      } catch {
        // No such program.
        return false;
      }
    };
    if (!(await systemctl('is-active', signal))) continue;
    return {
      name: unit,
      stop: () => systemctl('stop', signal),
      start: () => systemctl('start', AbortSignal.timeout(stopMs)),
    };
  }
  return undefined;
}
