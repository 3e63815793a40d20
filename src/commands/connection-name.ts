import type { CommandDeps } from './command-deps.ts';

/** The connection that is meant: by its name, or by the address that announced it. */
export function connectionName({ connections }: Pick<CommandDeps, 'connections'>, argument: string): string {
  const address = connections.announcer(argument);
  return address !== undefined && 'id' in address ? address.id : argument.toLowerCase();
}
