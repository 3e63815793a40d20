import { askCommands } from './ask-commands.ts';
import { botCommands } from './bot-commands.ts';
import { changeCommands } from './change-commands.ts';
import type { CommandDeps } from './command-deps.ts';
import type { Registry } from './command-registry.ts';
import { connectionCommands } from './connection-commands.ts';
import { continueCommands } from './continue-commands.ts';
import { conversationCommands } from './conversation-commands.ts';
import { doctorCommand } from './doctor-command.ts';
import { getCommand } from './get-command.ts';
import { withHelp } from './help-command.ts';
import { hostCommands } from './host-commands.ts';
import { inviteCommands } from './invite-commands.ts';
import { limitCommand } from './limit-command.ts';
import { logCommand } from './log-command.ts';
import { modelCommands } from './model-commands.ts';
import { ownerCommands } from './owner-commands.ts';
import { pageCommand } from './page-command.ts';
import { providerCommands } from './provider/provider-commands.ts';
import { quickCommand } from './provider/quick-command.ts';
import { queueCommands } from './queue-commands.ts';
import { scheduleCommands } from './schedule-commands.ts';
import { sessionCommands } from './session-commands.ts';
import { settingsCommand } from './settings-command.ts';
import { shCommand } from './sh-command.ts';
import { spendCommand } from './spend-command.ts';
import { streamCommand } from './stream-command.ts';
import { namedTaskCommands } from './task-command.ts';
import { taskCommands } from './task-commands.ts';
import { walletCommands } from './wallet/wallet-commands.ts';
import { worktreeCommands } from './worktree-commands.ts';

/** Every command of the bot, in the order of the help. */
export const createCommands = (deps: CommandDeps): Registry =>
  withHelp([
    ...taskCommands(deps),
    ...askCommands(deps),
    streamCommand(deps),
    ...changeCommands(deps),
    getCommand(deps),
    shCommand(deps),
    quickCommand(deps),
    ...sessionCommands(deps),
    ...worktreeCommands(deps),
    ...conversationCommands(deps),
    ...modelCommands(deps),
    ...queueCommands(deps),
    ...continueCommands(deps),
    ...scheduleCommands(deps),
    ...namedTaskCommands(deps),
    ...walletCommands(deps),
    ...providerCommands(deps),
    ...connectionCommands(deps),
    ...botCommands(deps),
    ...hostCommands(deps),
    pageCommand(deps),
    doctorCommand(deps),
    logCommand(deps),
    settingsCommand(deps),
    ...ownerCommands(deps),
    ...inviteCommands(deps),
    limitCommand(deps),
    spendCommand(deps),
  ]);
