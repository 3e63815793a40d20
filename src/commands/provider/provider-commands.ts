import type { Command } from '../command.ts';
import type { CommandDeps } from '../command-deps.ts';
import { budgetCommands } from './budget-commands.ts';
import { nodeAccountCommands } from './node-account-commands.ts';
import { nodeCommands } from './node-commands.ts';
import { nodeModelCommands } from './node-model-commands.ts';
import { providerStatusCommands } from './provider-status-commands.ts';
import { setProviderCommand } from './set-provider-command.ts';

/** The `!provider` family, without what connects providers by key. */
export const providerCommands = (deps: CommandDeps): readonly Command[] => [
  ...providerStatusCommands(deps),
  setProviderCommand(deps),
  ...budgetCommands(deps),
  ...nodeAccountCommands(deps),
  ...nodeModelCommands(deps),
  ...nodeCommands(deps),
];
