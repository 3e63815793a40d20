import type { Command } from '../types.ts';
import { accountCommands } from './account.ts';
import { capCommands } from './caps.ts';
import type { ProviderCommandDeps } from './choices.ts';
import { modelListCommands } from './models.ts';
import { nodeCommands } from './nodes.ts';
import { setCommand } from './set.ts';
import { statusCommands } from './status.ts';

/** The `!provider` family. */
export function providerCommands(deps: ProviderCommandDeps): readonly Command[] {
  const commands: readonly Command[] = [
    ...statusCommands(deps, () => [
      ...commands.map(({ path }) => path),
      'provider connect',
      'provider disconnect',
      'provider list',
    ]),
    setCommand(deps),
    ...capCommands(deps),
    ...accountCommands(deps),
    ...modelListCommands(deps),
    ...nodeCommands({
      nodes: deps.nodes,
      routstr: deps.routstr,
      modelOf: ({ owner }) => {
        const { model } = deps.desk.choices(owner.publicKey);
        return deps.routstr.modelOf(model)?.id ?? model;
      },
    }),
  ];
  return commands;
}
