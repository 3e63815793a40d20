import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { MessageLog, PublicKey } from '@nostr-dm-agent/nostr';
import type { RoutstrAccess } from '../money/routstr-access.ts';
import type { WalletCommandDeps } from '../money/wallet-access.ts';
import type { CurrentSessions } from '../runs/current-sessions.ts';
import type { RunQueue } from '../runs/run-queue.ts';
import type { InviteStore } from '../store/invites-table.ts';
import type { Owners } from '../store/owners-table.ts';
import type { RunStore } from '../store/runs-table.ts';
import type { SettingsStore } from '../store/settings-table.ts';
import { type BotState, botCommands } from './bot-commands.ts';
import type { Registry } from './command-registry.ts';
import { type ConnectionCommandDeps, connectionCommands } from './connection-commands.ts';
import { type ContinueDeps, continueCommands } from './continue-commands.ts';
import { withHelp } from './help-command.ts';
import { type InviteCommandDeps, inviteCommands } from './invite-commands.ts';
import { limitCommand } from './limit-command.ts';
import { type ModelCommandDeps, modelCommands } from './model-commands.ts';
import { type OwnerCommandDeps, ownerCommands } from './owner-commands.ts';
import { providerCommands } from './provider/provider-commands.ts';
import { quickCommand } from './provider/quick-command.ts';
import type { ProviderCommandDeps } from './provider/run-means.ts';
import { queueCommands } from './queue-commands.ts';
import { sessionCommands } from './session-commands.ts';
import { spendCommand } from './spend-command.ts';
import { taskCommands } from './task-commands.ts';
import { walletCommands } from './wallet/wallet-commands.ts';

export type CommandDeps = {
  /** The bot's own key, who is no owner. */
  readonly bot: PublicKey;
  readonly state: BotState;
  readonly owners: Owners;
  readonly invites: InviteStore;
  /** Takes what else is kept for an owner who is removed. Inside the transaction that removes him. */
  readonly ownerRemoved: OwnerCommandDeps['ownerRemoved'];
  readonly randomBytes: InviteCommandDeps['randomBytes'];
  readonly currentSessions: CurrentSessions;
  readonly queue: RunQueue;
  readonly runs: RunStore;
  readonly rests: ContinueDeps['rests'];
  readonly settings: SettingsStore;
  readonly messages: Pick<MessageLog, 'missed'>;
  readonly models: ModelCommandDeps['models'];
  readonly purse: WalletCommandDeps['purse'];
  readonly routstr: RoutstrAccess;
  readonly nodes: ProviderCommandDeps['nodes'];
  readonly chosenBy: ProviderCommandDeps['chosenBy'];
  readonly connected: ProviderCommandDeps['connected'];
  readonly connections: ConnectionCommandDeps;
  readonly confirmations: WalletCommandDeps['confirmations'];
  readonly accounts: WalletCommandDeps['accounts'];
  readonly clock: Clock;
};

/** Every command of the bot, in the order of the help. */
export function createCommands(deps: CommandDeps): Registry {
  return withHelp([
    ...taskCommands(deps.currentSessions),
    quickCommand(deps),
    ...sessionCommands(deps),
    ...modelCommands(deps),
    ...queueCommands({
      ...deps,
      waitsForMoney: ({ id, provider }) => provider === 'routstr' && deps.routstr.provider().held(id),
    }),
    ...continueCommands(deps),
    ...walletCommands(deps),
    ...providerCommands(deps),
    ...connectionCommands(deps),
    ...botCommands(deps),
    ...ownerCommands(deps),
    ...inviteCommands(deps),
    limitCommand(deps),
    spendCommand(deps),
  ]);
}
