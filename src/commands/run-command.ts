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

/** Does what commands are for, each message exactly once. */
export type CommandRunner = {
  /** @throws SQLITE_BUSY when another program holds the database; nothing is begun then */
  readonly run: (message: StoredMessage, owner: Owner, match: Match) => void;
  /** A message whose command an earlier life of the bot had begun and not answered. */
  readonly resume: (message: StoredMessage, owner: Owner | undefined, match: Match | undefined) => void;
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
  /** In one transaction with everything that comes of it. */
  const once = (message: StoredMessage, act: () => void): void =>
    atomically(() => {
      if (!messages.begin(message.seq)) return;
      act();
      messages.finish(message.seq);
    });

  const follow = (call: Call, message: StoredMessage, command: Command & Lasting): void => {
    const limit = AbortSignal.any([ending.signal, AbortSignal.timeout(deps.commandTimeoutMs)]);
    const work = async () => {
      let outcome: Outcome;
      try {
        outcome = await command.run(call, limit);
      } catch (cause) {
        // The bot is being stopped: the message stays `acting`, and the next start says or repeats it.
        if (ending.signal.aborted) return;
        outcome = fault(command, cause);
      }
      const answer = () =>
        atomically(() => {
          apply(message, outcome);
          messages.finish(message.seq);
        });
      await whenFree(answer, ending.signal);
    };
    const done: Promise<void> = work()
      .catch((cause: unknown) =>
        log.error({ cause, command: command.path }, 'a command could not be answered'),
      )
      .finally(() => underWay.delete(done));
    underWay.add(done);
  };

  return {
    run: (message, owner, match) => {
      if (!match.found) {
        once(message, () => reply(message, redact(unknownCommand(match.asked, match.nearest))));
        return;
      }
      const { command, argument } = match;
      const call: Call = { owner, message, argument, resumed: false };
      if (command.role === 'admin' && owner.role !== 'admin') {
        once(message, () => reply(message, describeForbidden(command)));
      } else if (command.kind === 'lasting') {
        if (messages.begin(message.seq)) follow(call, message, command);
      } else {
        try {
          once(message, () => apply(message, command.run(call)));
        } catch (cause) {
          if (isBusy(cause)) throw cause;
          once(message, () => reply(message, fault(command, cause)));
        }
      }
    },
    resume: (message, owner, match) => {
      if (owner !== undefined && match?.found) {
        const { command, argument } = match;
        if (
          command.kind === 'lasting' &&
          command.repeatable &&
          (command.role === 'member' || owner.role === 'admin')
        ) {
          follow({ owner, message, argument, resumed: true }, message, command);
          return;
        }
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
