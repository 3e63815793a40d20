import type { Command } from '../command.ts';
import { autoTopUpCommand } from './auto-top-up-command.ts';
import { confirmCommand } from './confirm-command.ts';
import { incomingCommands } from './incoming-commands.ts';
import { mintsCommands } from './mints-commands.ts';
import { outgoingCommands } from './outgoing-commands.ts';
import { overviewCommands } from './overview-commands.ts';
import { upkeepCommands } from './upkeep-commands.ts';
import type { WalletCommandDeps } from './wallet-command-deps.ts';

/** The `!wallet` family. */
export const walletCommands = (deps: WalletCommandDeps): readonly Command[] => [
  ...overviewCommands(deps),
  ...incomingCommands(deps),
  ...outgoingCommands(deps),
  confirmCommand(deps),
  ...upkeepCommands(deps),
  autoTopUpCommand(deps),
  ...mintsCommands(deps),
];
