import type { Logger } from '@nostr-dm-agent/kit/log';
import { createAgentJail } from '../backends/agent-jail.ts';
import { createBackends } from '../backends/all-backends.ts';
import type { Backend, BackendHealth } from '../backends/backend.ts';
import type { Wall } from '../backends/jail/types.ts';
import type { Config } from '../config/config.ts';
import { mendWall, wallLine } from '../replies/wall-replies.ts';
import type { Finding } from './finding.ts';

/** The backend that the configuration names must be there; the others may. */
export async function checkBackends(
  config: Config,
  envFile: string,
  log: Logger,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const jail = createAgentJail(config, [envFile]);
  return lookAtBackends(
    createBackends(config, { log, jail }),
    config.backend,
    await jail.wall(signal),
    signal,
  );
}

/** The same with backends that are there. */
export async function lookAtBackends(
  backends: ReadonlyMap<string, Pick<Backend, 'name' | 'health'>>,
  wanted: string,
  wall: Wall,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const findings = [...backends.values()].map(async ({ name, health }) =>
    finding(name, name === wanted, await health(signal)),
  );
  return [wallFinding(wall), ...(await Promise.all(findings))];
}

function finding(name: string, wanted: boolean, health: BackendHealth): Finding {
  const subject = `backend ${name}`;
  switch (health.state) {
    case 'ok':
      return { subject, state: 'ok', fact: `${health.version} at ${health.path}` };
    case 'untested':
      return {
        subject,
        state: 'warning',
        fact: `${health.version} at ${health.path}; tested is ${health.tested}`,
        remedy:
          name === 'opencode'
            ? `install opencode ${health.tested}: no server of another version is kept ready, so a task takes seconds to begin, and nothing can be asked or undone`
            : `if it misbehaves, install ${name} ${health.tested}`,
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

/** What keeps agents from the bot's keys: without anything a bot is not well. */
function wallFinding(wall: Wall): Finding {
  const found = { subject: 'wall', fact: wallLine(wall) };
  switch (wall.kind) {
    case 'bwrap':
      return { ...found, state: 'ok' };
    case 'landlock':
      return { ...found, state: 'warning', remedy: mendWall(wall.problems) ?? 'install bubblewrap' };
    case 'none':
      return wall.chosen
        ? { ...found, state: 'warning', remedy: 'take BOT_ISOLATION=none away' }
        : { ...found, state: 'broken', remedy: mendWall(wall.problems) ?? 'run the bot on Linux' };
    case 'refused':
      return { ...found, state: 'broken', remedy: mendWall(wall.problems) ?? 'set BOT_ISOLATION=auto' };
  }
}
