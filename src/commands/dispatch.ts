import { isBusy } from '@nostr-dm-agent/kit/sqlite';
import { after } from '@nostr-dm-agent/kit/timers';
import type { StoredMessage } from '@nostr-dm-agent/nostr';
import type { Owner } from '../config/config.ts';
import { noAddressText } from '../replies/file-replies.ts';
import { createFileActions } from './act-on-files.ts';
import { createReactionActions } from './act-on-reaction.ts';
import { createTextActions } from './act-on-text.ts';
import type { DispatchDeps } from './dispatch-deps.ts';
import { holdMessages } from './held-messages.ts';
import { createMissedList, isLate } from './missed-messages.ts';
import { ordersIn } from './orders.ts';
import { createReply } from './reply.ts';
import { createCommandRunner } from './run-command.ts';
import { createTwins } from './twins.ts';

/** Acts on stored messages, each exactly once: a command is answered, a task is put in the queue. */
export type Dispatcher = {
  /** Takes a message that has just been stored. Before `start` it only waits in the database. */
  readonly accept: (message: StoredMessage) => void;
  /**
   * Begins to act, first on what was stored before. `keyIsKnown`: the bot's key was used before this home was made, so that
   * no message from before it is acted on.
   */
  readonly start: (keyIsKnown?: boolean) => void;
  /** Acts on what had to wait because nothing might be begun. What an earlier life had begun is none of that. */
  readonly goOn: () => void;
  /** Waits for commands under way to be answered. */
  readonly close: () => Promise<void>;
};

/** Between two looks whether another program still holds the database. */
const busyPauseMs = 1000;

export function createDispatcher(deps: DispatchDeps): Dispatcher {
  const { meaningOf, match, tasks, admission, triggers, messenger, limits, clock, log } = deps;
  const { owners, atomically } = deps.stores;
  const { messages, hold, release } = holdMessages(deps.messages, deps.mayBegin ?? (() => true));
  const ownerOf = (message: StoredMessage): Owner | undefined => ownerAmong(owners, message);
  const withLimits = { ...deps, ...limits, messages, ownerOf, atomically };
  const commands = createCommandRunner(withLimits);
  const missed = createMissedList(withLimits);
  const reply = createReply(messenger);
  const ending = new AbortController();
  const twins = createTwins({ ...deps, ...limits, signal: ending.signal });
  const upSince = clock.now();
  let started = false;
  let graceMs: number | undefined;
  const isTooLate = (message: StoredMessage): boolean =>
    isLate(message, { now: clock.now(), upSince, graceMs, ...limits });

  /** Acts on a message in one transaction with everything that comes of it. */
  const once = (message: StoredMessage, act: () => void): void =>
    atomically(() => {
      if (!messages.begin(message.seq)) return;
      act();
      messages.finish(message.seq);
    });

  const act = (message: StoredMessage): void => {
    const owner = ownerOf(message);
    if (owner === undefined) {
      const trigger = triggers?.of(message.sender);
      once(message, () => {
        if (trigger !== undefined) triggers?.act(trigger, message, isTooLate(message));
        // Their code lets them in; or they were removed after their message was stored: a stranger gets silence.
        else admission.admit(message);
      });
      return;
    }
    if (files.take(message)) return;
    const { kind } = message;
    if (kind === 4 || kind === 14) {
      twins.meet(message, {
        act: () => files.whenThere(message, () => guarded(message, (same) => texts.act(same, owner))),
        drop: () => once(message, () => {}),
      });
    } else if (kind === 5) once(message, () => void tasks.callOff(message.sender, message.references));
    else if (kind === 7) once(message, () => reactions.act(message));
    else once(message, () => reply(message, noAddressText));
  };

  const texts = createTextActions({ ...deps, messages, once, commands, missed, isTooLate });
  const reactions = createReactionActions(deps);
  const files = createFileActions({ ...deps, ownerOf, once, reply, isTooLate, texts });

  /** What an earlier life of the bot had begun. */
  const resume = (message: StoredMessage): void =>
    commands.resume(message, ownerOf(message), ordersIn(meaningOf(message.text), match));

  const take = (message: StoredMessage): void => {
    // What it needs is not even made ready.
    if (hold(message)) return;
    if (ownerOf(message) !== undefined) deps.signOfLife?.(message.sender);
    guarded(message, act);
  };

  const guarded = (message: StoredMessage, work: (message: StoredMessage) => void): void => {
    try {
      work(message);
    } catch (cause) {
      log.error({ cause, message: message.id }, 'a message could not be acted on; it stays stored');
      // Nothing was begun: it is acted on when the other program is done with the database.
      const again = { name: 'a message that waits', log, signal: ending.signal };
      if (isBusy(cause)) after(busyPauseMs, again, () => guarded(message, work));
    }
  };

  return {
    accept: (message) => {
      if (started) take(message);
    },
    goOn: () => {
      if (started) release().forEach(take);
    },
    start: (keyIsKnown = false) => {
      started = true;
      graceMs = keyIsKnown ? 0 : undefined;
      for (const { state, ...message } of messages.open())
        guarded(message, state === 'acting' ? resume : act);
      files.start();
    },
    close: async () => {
      started = false;
      missed.close();
      ending.abort();
      await files.close();
      await commands.close();
    },
  };
}

function ownerAmong(
  owners: DispatchDeps['stores']['owners'],
  { sender: publicKey }: StoredMessage,
): Owner | undefined {
  const role = owners.roleOf(publicKey);
  return role && { publicKey, role };
}
