import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Config } from '../../config/config.ts';
import { pick } from '../jail/environment.ts';
import { readBotConfig } from '../opencode-config.ts';
import { type ConnectedHost, createAgentHost, type HostTimes, usualTimes } from './agent-host.ts';
import type { HostFacts, HostState } from './host-facts.ts';
import { openMeterRelay } from './meter-relay.ts';
import { hostedPlace, placeText } from './place.ts';
import { chooseHost } from './placement.ts';
import { publicConfiguration } from './public-configuration.ts';
import { sshVariables } from './ssh-command.ts';

/** Where a session's next task can be worked on. */
export type Placement =
  /** `directory`: with one host, or none. */
  | { readonly state: 'there'; readonly directory: string }
  /** Not now: each of its hosts is away, or drained. */
  | { readonly state: 'waits'; readonly hosts: readonly HostFacts[] };

export type AgentHosts = {
  readonly list: () => readonly HostFacts[];
  readonly find: (name: string) => ConnectedHost | undefined;
  /** @param directory of several hosts any will do: what has begun names one */
  readonly place: (directory: string) => Placement;
  /** A run goes there: it counts from now on. @returns it does not count any more */
  readonly enter: (directory: string) => () => void;
  /** No task begins there from now on; those under way go on. False: there is no such host. */
  readonly drain: (name: string, drained: boolean) => boolean;
  /** Something changed: whoever waits looks again. @returns ends it */
  readonly onChange: (look: () => void) => () => void;
  readonly close: () => Promise<void>;
};

/** Which hosts are drained, kept for the next start. */
export type DrainedStore = {
  readonly read: () => readonly string[];
  readonly write: (names: readonly string[]) => void;
};

type Settings = Pick<
  Config,
  'agentHosts' | 'home' | 'ambient' | 'trustWorkspace' | 'agentNetwork' | 'git' | 'warm' | 'identity'
>;

/** `BOT_HOME/hosts`: `known_hosts`, and `id_ed25519` where the bot has a key of its own. */
export const sshFilesOf = (home: string) => {
  const folder = join(home, 'hosts');
  const identity = join(folder, 'id_ed25519');
  return {
    folder,
    knownHosts: join(folder, 'known_hosts'),
    identity: existsSync(identity) ? identity : undefined,
  };
};

/** Connects to every host of `BOT_AGENT_HOSTS`, and stays connected. undefined: there are none. */
export const openAgentHosts = async (
  config: Settings,
  deps: {
    readonly drained: DrainedStore;
    readonly log: Logger;
    readonly random: () => number;
    readonly now: () => number;
    readonly times?: HostTimes;
  },
): Promise<AgentHosts | undefined> => {
  if (config.agentHosts.length === 0) return undefined;
  mkdirSync(sshFilesOf(config.home).folder, { recursive: true, mode: 0o700 });
  const relay = await openMeterRelay();
  const looking = new Set<() => void>();
  let drained: ReadonlySet<string> = new Set(deps.drained.read());
  const changed = (): void => {
    for (const look of looking) look();
  };
  const setup = {
    ssh: () => sshFilesOf(config.home),
    program: 'ssh',
    environment: { HOME: homedir(), ...pick(config.ambient, sshVariables) },
    mark: createHash('sha256').update(config.identity.publicKey).digest('hex').slice(0, 16),
    relay: relay.path,
    hello: async () => ({
      version: 1 as const,
      configuration: publicConfiguration((await readBotConfig(config.home)).bot),
      trustWorkspace: config.trustWorkspace,
      network: config.agentNetwork === 'none' ? ('none' as const) : ('internet' as const),
      author: { name: config.git.name ?? null, email: config.git.email ?? null },
      warm: config.warm,
      pingMs: (deps.times ?? usualTimes).pingMs,
    }),
  };
  const hosts = new Map<string, ConnectedHost>();
  for (const host of config.agentHosts)
    hosts.set(
      host.name,
      createAgentHost(host, {
        ...{ setup, times: deps.times ?? usualTimes, leadTo: relay.leadTo, onChange: changed },
        ...{ log: deps.log, random: deps.random, now: deps.now },
      }),
    );

  /** Runs that are there, or on their way. */
  const entered = new Map<string, number>();
  const count = (name: string, by: 1 | -1): void => {
    entered.set(name, (entered.get(name) ?? 0) + by);
    changed();
  };
  const factsOf = (name: string): HostFacts => {
    const host = hosts.get(name);
    const gone: HostState = {
      state: 'away',
      why: 'other',
      detail: 'BOT_AGENT_HOSTS does not name it',
      since: 0,
    };
    return {
      name,
      state: host?.state() ?? gone,
      drained: drained.has(name),
      running: entered.get(name) ?? 0,
    };
  };

  return {
    list: () => [...hosts.keys()].map(factsOf),
    find: (name) => hosts.get(name),
    place: (directory) => {
      const place = hostedPlace(directory);
      if (place === undefined) return { state: 'there', directory };
      const facts = place.hosts.map(factsOf);
      const chosen = chooseHost(facts);
      if (chosen === undefined) return { state: 'waits', hosts: facts };
      return { state: 'there', directory: placeText({ hosts: [chosen.name], path: place.path }) };
    },
    enter: (directory) => {
      const name = hostedPlace(directory)?.hosts[0];
      if (name === undefined) return () => undefined;
      count(name, 1);
      return () => count(name, -1);
    },
    drain: (name, wanted) => {
      if (!hosts.has(name)) return false;
      const names = new Set(drained);
      if (wanted) names.add(name);
      else names.delete(name);
      deps.drained.write([...names]);
      drained = names;
      if (!wanted) hosts.get(name)?.tryNow();
      changed();
      return true;
    },
    onChange: (look) => {
      looking.add(look);
      return () => looking.delete(look);
    },
    close: async () => {
      await Promise.all([...hosts.values()].map((host) => host.close()));
      relay.close();
    },
  };
};
