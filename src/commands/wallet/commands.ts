import type { WalletCommandDeps } from '../../money/purse.ts';
import type { Command } from '../types.ts';
import { confirmCommand } from './confirm.ts';
import { incomingCommands } from './incoming.ts';
import { outgoingCommands } from './outgoing.ts';
import { overviewCommands } from './overview.ts';
import { upkeepCommands } from './upkeep.ts';

/** The `!wallet` family. */
export function walletCommands(deps: WalletCommandDeps): readonly Command[] {
  const commands: readonly Command[] = [
    ...overviewCommands(deps, () => commands.map(({ path }) => path)),
    ...incomingCommands(deps),
    ...outgoingCommands(deps),
    confirmCommand(deps),
    ...upkeepCommands(deps),
  ];
  return commands;
}
