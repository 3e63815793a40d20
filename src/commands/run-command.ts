import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { isBusy, whenFree } from '@nostr-dm-agent/kit/sqlite';
import { withoutTokens } from '@nostr-dm-agent/kit/token-text';
import type { MessageLog, StoredMessage } from '@nostr-dm-agent/nostr';
import type { Owner } from '../config/config.ts';
import { shorten } from '../replies/format.ts';
import { type Messenger, replyTo } from '../runs/messenger.ts';
import type { Call, Command, Lasting, Outcome } from './command.ts';
import { describeCommandError, describeForbidden, isExpected } from './command-errors.ts';
import type { Match } from './command-registry.ts';
import { unknownCommand } from './help-command.ts';
import type { TaskOrders } from './order-task.ts';
import { createReply } from './reply.ts';

/** What one message asks for, in order; `note`: said after the last answer. */
export type Orders = { readonly commands: readonly Match[]; readonly note: string | undefined };

/** Does what commands are for, each message exactly once. */
export type CommandRunner = {
  readonly run: (message: StoredMessage, owner: Owner, orders: Orders) => void;
  /** A message whose commands an earlier life of the bot had begun and not answered. */
  readonly resume: (message: StoredMessage, owner: Owner | undefined, orders: Orders | undefined) => void;
  /** Ends what is under way; what it was for stays stored. */
  readonly close: () => Promise<void>;
};

export type CommandRunnerDeps = {
  readonly messages: Pick<MessageLog, 'begin' | 'finish'>;
  readonly tasks: Pick<TaskOrders, 'order'>;
  readonly messenger: Messenger;
  readonly atomically: (change: () => void) => void;
  /** Takes secrets out of what a message is quoted with. */
  readonly redact: (text: string) => string;
  readonly commandTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Logger;
};

export function createCommandRunner(deps: CommandRunnerDeps): CommandRunner {
  const { messages, tasks, messenger, atomically, redact, clock, log } = deps;
  const reply = createReply(messenger);
  const ending = new AbortController();
  const underWay = new Set<Promise<void>>();

  const apply = (message: StoredMessage, outcome: Outcome): void => {
    if (typeof outcome === 'string') {
      reply(message, withoutTokens(outcome, '[token]'));
    } else if ('task' in outcome) {
      tasks.order(message, outcome);
    } else {
      outcome.commit?.();
      reply(message, outcome.holdsToken === true ? outcome.reply : withoutTokens(outcome.reply, '[token]'));
      for (const text of outcome.also ?? []) messenger.send(replyTo(message), text);
    }
  };
  const fault = (command: Command, cause: unknown): string => {
    if (!isExpected(cause)) log.error({ cause, command: command.path }, 'a command failed');
    return redact(describeCommandError(command, cause, clock.now()));
  };
  /** Inside the transaction of the last answer: nothing of the message is left to do. */
  const finish = (message: StoredMessage, { note }: Orders): void => {
    if (note !== undefined) reply(message, redact(note));
    messages.finish(message.seq);
  };
  const mayUse = ({ role }: Command, owner: Owner): boolean => role === 'member' || owner.role === 'admin';

  /** One that waits for nothing outside, in one transaction with its answer and with what is to follow. */
  const answerNow = (message: StoredMessage, owner: Owner, match: Match, then: () => void): void => {
    const say = (text: string) =>
      atomically(() => {
        reply(message, text);
        then();
      });
    if (!match.found) {
      say(redact(unknownCommand(match.asked, match.nearest)));
      return;
    }
    const { command, argument } = match;
    if (command.role === 'admin' && owner.role !== 'admin') {
      say(describeForbidden(command));
      return;
    }
    if (command.kind === 'lasting') throw new RangeError(`!${command.path} takes its time`);
    try {
      atomically(() => {
        apply(message, command.run({ owner, message, argument, resumed: false }));
        then();
      });
    } catch (cause) {
      if (isBusy(cause)) throw cause;
      say(fault(command, cause));
    }
  };
  /** False: the bot is being stopped, and the message stays `acting`. */
  const answerInTime = async (
    message: StoredMessage,
    call: Call,
    command: Command & Lasting,
    then: () => void,
  ): Promise<boolean> => {
    const limit = AbortSignal.any([ending.signal, AbortSignal.timeout(deps.commandTimeoutMs)]);
    let outcome: Outcome;
    try {
      outcome = await command.run(call, limit);
    } catch (cause) {
      if (ending.signal.aborted) return false;
      outcome = fault(command, cause);
    }
    const answer = () =>
      atomically(() => {
        apply(message, outcome);
        then();
      });
    await whenFree(answer, ending.signal);
    return true;
  };

  /** One after the other, each answered by itself. */
  const follow = (message: StoredMessage, owner: Owner, orders: Orders, resumed: boolean): void => {
    const work = async () => {
      for (const [index, match] of orders.commands.entries()) {
        const then = () => {
          if (index === orders.commands.length - 1) finish(message, orders);
        };
        if (isLasting(match) && mayUse(match.command, owner)) {
          const call: Call = { owner, message, argument: match.argument, resumed };
          if (!(await answerInTime(message, call, match.command, then))) return;
        } else await whenFree(() => answerNow(message, owner, match, then), ending.signal);
      }
    };
    const done: Promise<void> = work()
      .catch((cause: unknown) => log.error({ cause, message: message.id }, 'a command could not be answered'))
      .finally(() => underWay.delete(done));
    underWay.add(done);
  };

  return {
    run: (message, owner, orders) => {
      const [first, ...others] = orders.commands;
      if (first === undefined) return;
      const waits = isLasting(first) && mayUse(first.command, owner);
      if (others.length > 0 || waits) {
        if (messages.begin(message.seq)) follow(message, owner, orders, false);
        return;
      }
      atomically(() => {
        if (!messages.begin(message.seq)) return;
        answerNow(message, owner, first, () => finish(message, orders));
      });
    },
    resume: (message, owner, orders) => {
      const repeatable = (match: Match): boolean =>
        isLasting(match) && match.command.repeatable && owner !== undefined && mayUse(match.command, owner);
      if (owner !== undefined && orders?.commands.every(repeatable)) {
        follow(message, owner, orders, true);
        return;
      }
      atomically(() => {
        const quoted = shorten(redact(message.text), 60);
        reply(
          message,
          `The bot was restarted while it worked on “${quoted}”. See what came of it, then send it again if you still want it.`,
        );
        messages.finish(message.seq);
      });
    },
    close: async () => {
      ending.abort();
      await Promise.all(underWay);
    },
  };
}

const isLasting = (match: Match): match is Match & { found: true; command: Command & Lasting } =>
  match.found && match.command.kind === 'lasting';
