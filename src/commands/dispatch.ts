import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import { withoutTokens } from '@nostr-dm-agent/kit/token-text';
import type { MessageLog, PublicKey, StoredMessage } from '@nostr-dm-agent/nostr';
import type { Admission } from '../access/admission.ts';
import type { Owner } from '../config/config.ts';
import { holdsSealed, withoutQuotedSeals } from '../keys/keys-in-messages.ts';
import { deleteAdvice } from '../replies/connection-replies.ts';
import { plural, shorten } from '../replies/format.ts';
import type { CurrentSessions } from '../runs/current-sessions.ts';
import type { Messenger } from '../runs/messenger.ts';
import type { RunQueue } from '../runs/run-queue.ts';
import type { Owners } from '../store/owners-table.ts';
import type { SessionStore } from '../store/sessions-table.ts';
import { beginsWithBudget, notABudget, overMemberBudget, splitBudget, taskMissing } from './budget-suffix.ts';
import type { Call, Command, Outcome } from './command.ts';
import { describeCommandError, describeForbidden, isExpected } from './command-errors.ts';
import type { Match, Registry } from './command-registry.ts';
import { unknownCommand } from './help-command.ts';
import { createMissedList } from './missed-messages.ts';
import { recipientOf } from './recipient.ts';

export type DispatchDeps = {
  readonly registry: Registry;
  readonly messages: MessageLog;
  readonly owners: Owners;
  readonly currentSessions: CurrentSessions;
  readonly sessions: SessionStore;
  readonly queue: RunQueue;
  readonly messenger: Messenger;
  /** Lets strangers in who have a code. */
  readonly door: Pick<Admission, 'admit' | 'remark'>;
  readonly atomically: (change: () => void) => void;
  /** The command that a plain message of this owner stands for; undefined: it is a task. */
  readonly shorthand: (owner: PublicKey, text: string) => string | undefined;
  /** The most that a member may give one run. */
  readonly memberBudget: () => Sat;
  /** Takes secrets out of what a message is quoted with. */
  readonly redact: (text: string) => string;
  /** Older messages are listed, not acted on. */
  readonly catchupMs: number;
  /** How long more of them are waited for before they are told in one message. */
  readonly gatherMs: number;
  readonly commandTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Logger;
};

const isCommand = (text: string): boolean => /^\s*[!！]/.test(text) && !beginsWithBudget(text);

/** Acts on stored messages, each exactly once: a command is answered, a task is put in the queue. */
export type Dispatcher = {
  /** Takes a message that has just been stored. Before `start` it only waits in the database. */
  readonly accept: (message: StoredMessage) => void;
  /** Begins to act, first on what was stored before. */
  readonly start: () => void;
  /** Waits for commands under way to be answered. */
  readonly close: () => Promise<void>;
};

export function createDispatcher(deps: DispatchDeps): Dispatcher {
  const {
    registry,
    messages,
    owners,
    currentSessions,
    sessions,
    queue,
    messenger,
    atomically,
    clock,
    log,
    redact,
  } = deps;
  const controller = new AbortController();
  const lasting = new Set<Promise<void>>();
  const missed = createMissedList(deps);
  let started = false;

  /** Whatever came of a message with a key, its sender is told to delete it, and reads nothing of it. */
  const reply = (message: StoredMessage, text: string) => {
    const hadKey = holdsSealed(message.text);
    const said = hadKey ? withoutQuotedSeals(text) : text;
    const advice = hadKey && !said.includes(deleteAdvice) ? `\n\n${deleteAdvice}` : '';
    messenger.send(recipientOf(message), `${said}${advice}`);
  };

  /** Acts on a message in one transaction with everything that comes of it. */
  const once = (message: StoredMessage, act: () => void) =>
    atomically(() => {
      if (!messages.begin(message.seq)) return;
      act();
      messages.finish(message.seq);
    });

  /** The task without the budget at its end, or why it is not run. */
  const orderOf = (owner: PublicKey, { task: text, budget: given }: Extract<Outcome, { task: string }>) => {
    const read = given === undefined ? splitBudget(text) : { state: 'plain', task: text, budget: given };
    if (!('task' in read)) return { refusal: notABudget(read.found) };
    const { task, budget } = read;
    if (task.trim() === '' || beginsWithBudget(task)) return { refusal: taskMissing };
    const most = deps.memberBudget();
    if (budget !== undefined && budget > most && owners.roleOf(owner) !== 'admin') {
      return { refusal: overMemberBudget(budget, most) };
    }
    return { task, budget };
  };

  const putInQueue = (message: StoredMessage, asked: Extract<Outcome, { task: string }>) => {
    const ordered = orderOf(message.sender, asked);
    if ('refusal' in ordered) {
      reply(message, ordered.refusal);
      return;
    }
    const { task, budget } = ordered;
    const session = currentSessions.ensure(message.sender);
    if (session.title === '') sessions.update(session.id, { title: shorten(task, 80) });
    sessions.update(session.id, { usedAt: clock.now() });
    const ahead = queue.list().filter((run) => run.session === session.id).length;
    queue.enqueue({
      owner: message.sender,
      session: session.id,
      message: message.id,
      messageKind: message.kind,
      protocol: message.protocol,
      fallbackRelays: [message.relay],
      task,
      mode: asked.mode ?? session.mode,
      model: asked.model ?? currentSessions.choices(message.sender).model,
      budget,
    });
    const target = { id: message.id, author: message.sender, kind: message.kind };
    messenger.react(recipientOf(message), target, '👀');
    if (ahead > 0) {
      reply(
        message,
        `Queued behind ${plural(ahead, 'task')} of this session. !queue shows them, !new begins another session.`,
      );
    }
  };

  const apply = (message: StoredMessage, outcome: Outcome) => {
    if ('task' in outcome) {
      putInQueue(message, outcome);
      return;
    }
    outcome.commit?.();
    reply(message, outcome.holdsToken === true ? outcome.reply : withoutTokens(outcome.reply, '[token]'));
    for (const text of outcome.also ?? []) messenger.send(recipientOf(message), text);
  };

  const fault = (command: Command, cause: unknown): string => {
    if (!isExpected(cause)) log.error({ cause, command: command.path }, 'a command failed');
    return redact(describeCommandError(command, cause, clock.now()));
  };

  /** What a message is as a command; undefined when it is none. */
  const commandIn = (message: StoredMessage): Match | undefined => {
    const text = isCommand(message.text) ? message.text : deps.shorthand(message.sender, message.text);
    return text === undefined ? undefined : registry.match(text);
  };

  const actOnCommand = (message: StoredMessage, owner: Owner, match: Match) => {
    if (!match.found) {
      once(message, () => reply(message, redact(unknownCommand(match.asked, match.nearest))));
      return;
    }
    const { command, argument } = match;
    if (command.role === 'admin' && owner.role !== 'admin') {
      once(message, () => reply(message, describeForbidden(command)));
      return;
    }
    const call: Call = { owner, message, argument, resumed: false };
    if (command.kind === 'immediate') {
      try {
        once(message, () => apply(message, command.run(call)));
      } catch (cause) {
        once(message, () => reply(message, fault(command, cause)));
      }
      return;
    }
    if (!messages.begin(message.seq)) return;
    follow(call, message, command);
  };

  const follow = (call: Call, message: StoredMessage, command: Extract<Command, { kind: 'lasting' }>) => {
    const limit = AbortSignal.any([controller.signal, AbortSignal.timeout(deps.commandTimeoutMs)]);
    const work = async () => {
      let outcome: Outcome;
      try {
        outcome = await command.run(call, limit);
      } catch (cause) {
        // The bot is being stopped: the message stays `acting`, and the next start says or repeats it.
        if (controller.signal.aborted) return;
        outcome = { reply: fault(command, cause) };
      }
      atomically(() => {
        apply(message, outcome);
        messages.finish(message.seq);
      });
    };
    const done: Promise<void> = work()
      .catch((cause: unknown) =>
        log.error({ cause, command: command.path }, 'a command could not be answered'),
      )
      .finally(() => lasting.delete(done));
    lasting.add(done);
  };

  const dropDeleted = (message: StoredMessage) => {
    const deleted = queue
      .list()
      .filter((run) => run.owner === message.sender && message.references.includes(run.message));
    for (const run of deleted) queue.drop(run.id);
  };

  const act = (message: StoredMessage) => {
    const role = owners.roleOf(message.sender);
    if (role === undefined) {
      // His code lets him in; or he was removed after his message was stored: a stranger gets silence.
      once(message, () => deps.door.admit(message));
      return;
    }
    switch (message.kind) {
      case 7:
        once(message, () => {});
        return;
      case 5:
        once(message, () => dropDeleted(message));
        return;
      case 15:
        once(message, () =>
          reply(message, 'I cannot open files yet. Send the text of the task, or a link to the file.'),
        );
        return;
      case 4:
      case 14:
        break;
    }
    if (message.text.trim() === '') {
      once(message, () => reply(message, 'That message was empty. Send a task, or !help.'));
      return;
    }
    const command = commandIn(message);
    const remark = command === undefined ? deps.door.remark(message.text) : undefined;
    if (remark !== undefined) {
      once(message, () => reply(message, remark));
      return;
    }
    const timeless = command?.found === true && command.command.timeless === true;
    if (!timeless && clock.now() - message.createdAt * 1000 > deps.catchupMs) missed.add(message);
    else if (command !== undefined) actOnCommand(message, { publicKey: message.sender, role }, command);
    else once(message, () => putInQueue(message, { task: message.text }));
  };

  const guarded = (message: StoredMessage) => {
    try {
      act(message);
    } catch (cause) {
      log.error({ cause, message: message.id }, 'a message could not be acted on; it stays stored');
    }
  };

  /** A command that an earlier life of the bot had begun and not answered. */
  const resume = (message: StoredMessage) => {
    const match = commandIn(message);
    const role = owners.roleOf(message.sender);
    if (role !== undefined && match?.found === true) {
      const { command, argument } = match;
      if (
        command.kind === 'lasting' &&
        command.repeatable &&
        (command.role === 'member' || role === 'admin')
      ) {
        follow(
          { owner: { publicKey: message.sender, role }, message, argument, resumed: true },
          message,
          command,
        );
        return;
      }
    }
    atomically(() => {
      reply(
        message,
        `The bot was restarted while it worked on “${shorten(redact(message.text), 60)}”. See what came of it, then send it again if you still want it.`,
      );
      messages.finish(message.seq);
    });
  };

  return {
    accept: (message) => {
      if (started) guarded(message);
    },
    start: () => {
      started = true;
      for (const { state, ...message } of messages.open()) {
        if (state === 'acting') resume(message);
        else guarded(message);
      }
    },
    close: async () => {
      started = false;
      missed.tell();
      controller.abort();
      await Promise.all(lasting);
    },
  };
}
