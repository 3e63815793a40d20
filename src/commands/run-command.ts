import { whenFree } from '@nostr-dm-agent/kit/sqlite';
import type { MessageLog, StoredMessage } from '@nostr-dm-agent/nostr';
import type { Owner } from '../config/config.ts';
import { shorten } from '../replies/format.ts';
import { cutOffCommand } from '../replies/meaning-replies.ts';
import { type AnswerDeps, createCommandAnswers, mayUse } from './answer-command.ts';
import type { Call, Command, Lasting } from './command.ts';
import type { Match } from './command-registry.ts';
import type { Orders } from './orders.ts';
import { createReply } from './reply.ts';

/** Does what commands are for, each message exactly once. */
export type CommandRunner = {
  readonly run: (message: StoredMessage, owner: Owner, orders: Orders) => void;
  /** A message whose commands an earlier life of the bot had begun and not answered. */
  readonly resume: (message: StoredMessage, owner: Owner | undefined, orders: Orders | undefined) => void;
  /** Ends what is under way; what it was for stays stored. */
  readonly close: () => Promise<void>;
};

export type CommandRunnerDeps = AnswerDeps & {
  readonly messages: Pick<MessageLog, 'begin' | 'finish' | 'answered' | 'answeredOf'>;
  /** What its sender is now: what comes later in a message is for whom they are then. */
  readonly ownerOf: (message: StoredMessage) => Owner | undefined;
};

export function createCommandRunner(deps: CommandRunnerDeps): CommandRunner {
  const { messages, messenger, ownerOf, atomically, redact, log } = deps;
  const answers = createCommandAnswers(deps);
  const reply = createReply(messenger);
  const ending = new AbortController();
  const underWay = new Set<Promise<void>>();

  /** Inside the transaction of the last answer: nothing of the message is left to do. */
  const finish = (message: StoredMessage, { note }: Orders): void => {
    if (note !== undefined) reply(message, redact(note));
    messages.finish(message.seq);
  };
  /** One after the other, each answered by itself, in one transaction with the word that it is: none is answered twice. */
  const follow = (message: StoredMessage, orders: Orders, from: number, resumed: boolean): void => {
    const work = async () => {
      for (const [index, match] of orders.commands.entries()) {
        if (index < from) continue;
        const owner = ownerOf(message);
        if (owner === undefined) {
          // Removed by what came before, or meanwhile: a stranger gets silence.
          await whenFree(() => messages.finish(message.seq), ending.signal);
          return;
        }
        const then = () => {
          if (index === orders.commands.length - 1) finish(message, orders);
          else messages.answered(message.seq, index + 1);
        };
        if (isLasting(match) && mayUse(match.command, owner)) {
          const call: Call = { owner, message, argument: match.argument, resumed: resumed && index === from };
          const outcome = await answers.outcomeOf(call, match.command, ending.signal);
          // The bot is being stopped: the message stays `acting`.
          if (outcome === undefined) return;
          await whenFree(() => answers.store(message, outcome, then), ending.signal);
        } else await whenFree(() => answers.now(message, owner, match, then), ending.signal);
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
        if (messages.begin(message.seq)) follow(message, orders, 0, false);
        return;
      }
      atomically(() => {
        if (!messages.begin(message.seq)) return;
        answers.now(message, owner, first, () => finish(message, orders));
      });
    },
    resume: (message, owner, orders) => {
      // What waits for nothing outside was done with its answer, or not at all; what came after it was not begun.
      const from = messages.answeredOf(message.seq);
      const next = orders?.commands[from];
      const mayFollow = next !== undefined && (!isLasting(next) || next.command.repeatable);
      if (owner !== undefined && orders !== undefined && mayFollow) {
        follow(message, orders, from, true);
        return;
      }
      atomically(() => {
        reply(message, cutOffCommand(shorten(redact(message.text), 60)));
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
