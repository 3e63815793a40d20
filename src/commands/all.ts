import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { MessageLog, PublicKey } from '@nostr-dm-agent/nostr';
import type { WalletCommandDeps } from '../money/purse.ts';
import type { Routstr } from '../money/routstr.ts';
import type { SessionDesk } from '../runs/desk.ts';
import type { RunQueue } from '../runs/queue.ts';
import type { InviteStore } from '../store/invites.ts';
import type { Owners } from '../store/owners.ts';
import type { RunStore } from '../store/runs.ts';
import type { SettingsStore } from '../store/settings.ts';
import { type BotState, botCommands } from './bot.ts';
import { type ConnectionCommandDeps, connectionCommands } from './connections.ts';
import { goOnCommands } from './go-on.ts';
import { withHelp } from './help.ts';
import { type InviteCommandDeps, inviteCommands } from './invite.ts';
import { limitCommand } from './limit.ts';
import { type ModelCommandDeps, modelCommands } from './models.ts';
import { type OwnerCommandDeps, ownerCommands } from './owners.ts';
import type { ProviderCommandDeps } from './provider/choices.ts';
import { providerCommands } from './provider/commands.ts';
import { quickCommand } from './provider/quick.ts';
import { queueCommands } from './queue.ts';
import type { Registry } from './registry.ts';
import { sessionCommands } from './sessions.ts';
import { spendCommand } from './spend.ts';
import { taskCommands } from './tasks.ts';
import { walletCommands } from './wallet/commands.ts';

export type CommandDeps = {
  /** The bot's own key, who is no owner. */
  readonly bot: PublicKey;
  readonly state: BotState;
  readonly owners: Owners;
  readonly invites: InviteStore;
  /** Takes what else is kept for an owner who is removed. Inside the transaction that removes him. */
  readonly ownerRemoved: OwnerCommandDeps['ownerRemoved'];
  readonly randomBytes: InviteCommandDeps['randomBytes'];
  readonly desk: SessionDesk;
  readonly queue: RunQueue;
  readonly runs: RunStore;
  readonly settings: SettingsStore;
  readonly messages: Pick<MessageLog, 'missed'>;
  readonly models: ModelCommandDeps['models'];
  readonly purse: WalletCommandDeps['purse'];
  readonly routstr: Routstr;
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
    ...taskCommands(deps.desk),
    quickCommand(deps),
    ...sessionCommands(deps),
    ...modelCommands(deps),
    ...queueCommands({
      ...deps,
      waitsForMoney: ({ id, provider }) => provider === 'routstr' && deps.routstr.provider().held(id),
    }),
    ...goOnCommands(deps),
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
