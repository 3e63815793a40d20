import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { isBusy } from '@nostr-dm-agent/kit/sqlite';
import { withoutTokens } from '@nostr-dm-agent/kit/token-text';
import type { PublicKey, StoredMessage } from '@nostr-dm-agent/nostr';
import type { Owner } from '../config/config.ts';
import { ownerName } from '../replies/owner-name.ts';
import { type Messenger, replyTo } from '../runs/messenger.ts';
import type { Call, Command, Lasting, Outcome } from './command.ts';
import { describeCommandError, describeForbidden, isExpected, outcomeOf } from './command-errors.ts';
import type { Match } from './command-registry.ts';
import { unknownCommand } from './help-command.ts';
import type { TaskOrders } from './order-task.ts';
import { createReply } from './reply.ts';

export type AnswerDeps = {
  readonly tasks: Pick<TaskOrders, 'order'>;
  readonly messenger: Messenger;
  readonly atomically: (change: () => void) => void;
  /** Takes secrets out of what a message is quoted with. */
  readonly redact: (text: string) => string;
  readonly commandTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Logger;
};

/** Runs one command and stores its reply, both together with what is to follow (`then`). */
export type CommandAnswers = {
  /** One that waits for nothing outside. @throws when another program holds the database */
  readonly now: (message: StoredMessage, owner: Owner, match: Match, then: () => void) => void;
  /** What comes of one that waits for something outside. undefined: the bot was being stopped before it was done. */
  readonly outcomeOf: (
    call: Call,
    command: Command & Lasting,
    ending: AbortSignal,
  ) => Promise<Outcome | undefined>;
  readonly store: (message: StoredMessage, outcome: Outcome, then: () => void) => void;
};

export function createCommandAnswers(deps: AnswerDeps): CommandAnswers {
  const { tasks, messenger, atomically, redact, clock, log } = deps;
  const reply = createReply(messenger);

  const apply = (message: StoredMessage, outcome: Outcome): void => {
    if (typeof outcome === 'string') {
      reply(message, withoutTokens(outcome, '[token]'));
    } else if ('task' in outcome) {
      tasks.order(message, outcome);
    } else {
      outcome.commit?.();
      const { whole, beside = [] } = outcome;
      const said = (text: string) => (outcome.holdsToken === true ? text : withoutTokens(text, '[token]'));
      const file = typeof whole === 'object' ? { ...whole, text: said(whole.text) } : whole;
      reply(message, said(outcome.reply), { whole: file, beside });
      for (const text of outcome.also ?? []) messenger.send(replyTo(message), text);
    }
  };
  const store = (message: StoredMessage, outcome: Outcome, then: () => void): void =>
    atomically(() => {
      apply(message, outcome);
      then();
    });
  /** One line for each command: who, which, and what came of it; never what it was given, which may be a secret. */
  const note = (from: PublicKey, path: string, outcome: string, startedAt: number): void =>
    log.info({ from: ownerName(from), command: path, outcome, ms: clock.now() - startedAt }, 'command');
  const fault = (command: Command, cause: unknown): string => {
    if (!isExpected(cause)) log.error({ cause, command: command.path }, 'a command failed');
    return redact(describeCommandError(command, cause, clock.now()));
  };

  return {
    now: (message, owner, match, then) => {
      const say = (text: string) =>
        atomically(() => {
          reply(message, text);
          then();
        });
      if (!match.found) {
        say(redact(unknownCommand(match.asked, match.nearest)));
        note(owner.publicKey, '?', 'unknown', clock.now());
        return;
      }
      const { command, argument } = match;
      if (command.role === 'admin' && owner.role !== 'admin') {
        say(describeForbidden(command));
        note(owner.publicKey, command.path, 'forbidden', clock.now());
        return;
      }
      if (command.kind === 'lasting') throw new RangeError(`!${command.path} takes its time`);
      try {
        // One transaction for what it changes and for what is said of it.
        const startedAt = clock.now();
        atomically(() => store(message, command.run({ owner, message, argument, resumed: false }), then));
        note(owner.publicKey, command.path, 'done', startedAt);
      } catch (cause) {
        if (isBusy(cause)) throw cause;
        say(fault(command, cause));
        note(owner.publicKey, command.path, outcomeOf(cause), clock.now());
      }
    },
    outcomeOf: async (call, command, ending) => {
      const limit = AbortSignal.any([ending, AbortSignal.timeout(deps.commandTimeoutMs)]);
      const startedAt = clock.now();
      const { publicKey } = call.owner;
      try {
        const outcome = await command.run(call, limit);
        note(publicKey, command.path, 'done', startedAt);
        return outcome;
      } catch (cause) {
        if (ending.aborted) return undefined;
        note(publicKey, command.path, outcomeOf(cause), startedAt);
        return fault(command, cause);
      }
    },
    store,
  };
}

export const mayUse = (command: Command, owner: Owner): boolean =>
  command.role === 'member' || owner.role === 'admin';
