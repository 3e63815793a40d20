/** A folder on agent hosts: on one, or on any of several, each of which has it under this path. */
export type HostedPlace = {
  readonly hosts: readonly [string, ...string[]];
  /** Absolute, or below the host's own folder of workspaces. */
  readonly path: string;
};

/** A host's name, as in `BOT_AGENT_HOSTS`. */
export const hostName = /^[a-z][a-z0-9-]{0,30}$/;

/**
 * Where a workspace's directory lies when it is on agent hosts (`build:/srv/api`, `build+gpu:api`); undefined: on this
 * machine. A directory of this machine is absolute, so it is never taken for one.
 */
export const hostedPlace = (directory: string): HostedPlace | undefined => {
  const [, names, path] = /^([a-z][a-z0-9+-]*):(.+)$/s.exec(directory) ?? [];
  if (names === undefined || path === undefined) return undefined;
  const [first = '', ...others] = names.split('+');
  return { hosts: [first, ...others], path };
};

/** On agent hosts, whatever they are called by then. */
export const isHosted = (directory: string): boolean => !directory.startsWith('/');

export const placeText = ({ hosts, path }: HostedPlace): string => `${hosts.join('+')}:${path}`;
