import type { Logger } from '@nostr-dm-agent/kit/log';
import { createBackends } from '../backends/all-backends.ts';
import type { BackendHealth } from '../backends/backend.ts';
import type { Config } from '../config/config.ts';
import type { Finding } from './finding.ts';

/** The backend that the configuration names must be there; the others may. */
export async function checkBackends(
  config: Config,
  log: Logger,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const backends = [...createBackends(config, { log }).values()];
  const findings = await Promise.all(
    backends.map(async ({ name, health }) => finding(name, name === config.backend, await health(signal))),
  );
  return findings;
}

function finding(name: string, wanted: boolean, health: BackendHealth): Finding {
  const subject = `backend ${name}`;
  switch (health.state) {
    case 'ok':
      return { subject, state: 'ok', fact: `${health.version} at ${health.path}${walls(health.isolation)}` };
    case 'untested':
      return {
        subject,
        state: 'warning',
        fact: `${health.version} at ${health.path}${walls(health.isolation)}; tested is ${health.tested}`,
        remedy: `if it misbehaves, install ${name} ${health.tested}`,
      };
    case 'missing':
      return {
        subject,
        state: wanted ? 'broken' : 'ok',
        fact: wanted ? health.problem : 'not installed, and not used',
        ...(wanted ? { remedy: `install it, or say where it is (${name.toUpperCase()}_BIN)` } : {}),
      };
  }
}

const walls = (isolation: string | undefined) => (isolation === undefined ? '' : `, isolation ${isolation}`);
