import type { Command } from '../command.ts';
import { capCommands } from './budget-commands.ts';
import { nodeAccountCommands } from './node-account-commands.ts';
import { nodeCommands } from './node-commands.ts';
import { modelListCommands } from './node-model-commands.ts';
import { statusCommands } from './provider-status-commands.ts';
import type { ProviderCommandDeps } from './run-means.ts';
import { setCommand } from './set-provider-command.ts';

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
    ...nodeAccountCommands(deps),
    ...modelListCommands(deps),
    ...nodeCommands({
      nodes: deps.nodes,
      routstr: deps.routstr,
      modelOf: ({ owner }) => {
        const { model } = deps.currentSessions.choices(owner.publicKey);
        return deps.routstr.modelOf(model)?.id ?? model;
      },
    }),
  ];
  return commands;
}
