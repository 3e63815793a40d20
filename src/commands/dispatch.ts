import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { isBusy } from '@nostr-dm-agent/kit/sqlite';
import { after } from '@nostr-dm-agent/kit/timers';
import type { MessageLog, StoredMessage } from '@nostr-dm-agent/nostr';
import type { Admission } from '../access/admission.ts';
import type { Owner } from '../config/config.ts';
import { noFiles } from '../replies/meaning-replies.ts';
import { ownerName } from '../replies/owner-name.ts';
import type { Messenger } from '../runs/messenger.ts';
import type { Confirmations } from '../store/confirmations-table.ts';
import type { Stores } from '../store/open-stores.ts';
import type { Match } from './command-registry.ts';
import type { Meaning } from './meaning/meaning.ts';
import { createMissedList, isLate } from './missed-messages.ts';
import type { TaskOrders } from './order-task.ts';
import { ordersIn, replyTo } from './orders.ts';
import { createReply } from './reply.ts';
import { createCommandRunner } from './run-command.ts';

export type DispatchDeps = {
  readonly meaningOf: (text: string) => Meaning;
  /** The command that a text begins with. */
  readonly match: (text: string) => Match;
  readonly confirmations: Pick<Confirmations, 'waiting'>;
  readonly tasks: TaskOrders;
  /** Lets strangers in who have a code. */
  readonly admission: Pick<Admission, 'admit' | 'noteOnCode'>;
  readonly messages: MessageLog;
  readonly messenger: Messenger;
  readonly stores: Pick<Stores, 'owners' | 'atomically'>;
  /** Takes secrets out of what a message is quoted with. */
  readonly redact: (text: string) => string;
  readonly limits: {
    /** Older messages are listed, not acted on. */
    readonly catchupMs: number;
    /** Unix ms: so are those from before. */
    readonly homeMadeAt: number;
    /** How long more of them are waited for before they are told in one message. */
    readonly gatherMs: number;
    readonly commandTimeoutMs: number;
  };
  readonly clock: Clock;
  readonly log: Logger;
};

/** Acts on stored messages, each exactly once: a command is answered, a task is put in the queue. */
export type Dispatcher = {
  /** Takes a message that has just been stored. Before `start` it only waits in the database. */
  readonly accept: (message: StoredMessage) => void;
  /**
   * Begins to act, first on what was stored before. `keyIsKnown`: the bot's key was used before this home was made, so that
   * no message from before it is acted on.
   */
  readonly start: (keyIsKnown?: boolean) => void;
  /** Waits for commands under way to be answered. */
  readonly close: () => Promise<void>;
};

/** Between two looks whether another program still holds the database. */
const busyPauseMs = 1000;

export function createDispatcher(deps: DispatchDeps): Dispatcher {
  const { meaningOf, match, tasks, admission, messages, messenger, limits, clock, log } = deps;
  const { owners, atomically } = deps.stores;
  const commands = createCommandRunner({ ...deps, ...limits, atomically });
  const missed = createMissedList({ ...deps, ...limits, atomically });
  const reply = createReply(messenger);
  const ending = new AbortController();
  const upSince = clock.now();
  let started = false;
  let graceMs: number | undefined;

  const ownerOf = ({ sender: publicKey }: StoredMessage): Owner | undefined => {
    const role = owners.roleOf(publicKey);
    return role && { publicKey, role };
  };
  /** Acts on a message in one transaction with everything that comes of it. */
  const once = (message: StoredMessage, act: () => void): void =>
    atomically(() => {
      if (!messages.begin(message.seq)) return;
      act();
      messages.finish(message.seq);
    });
  const replyOnce = (message: StoredMessage, text: string): void => once(message, () => reply(message, text));

  const actOnText = (message: StoredMessage, owner: Owner): void => {
    const meaning = meaningOf(message.text);
    const orders = ordersIn(meaning, match);
    const timeless = orders?.commands.every((each) => each.found && each.command.timeless === true) === true;
    const late = isLate(message, { now: clock.now(), upSince, graceMs, ...limits });
    const answer =
      replyTo(meaning, deps.confirmations.waiting(owner.publicKey)) ?? admission.noteOnCode(message.text);
    if (late && !timeless && (orders !== undefined || meaning.kind === 'task')) missed.add(message);
    else if (orders !== undefined) commands.run(message, owner, orders);
    else if (answer !== undefined) {
      replyOnce(message, answer);
      log.info({ from: ownerName(owner.publicKey), as: meaning.kind }, 'message answered');
    } else once(message, () => tasks.order(message, { task: message.text }));
  };

  const act = (message: StoredMessage): void => {
    const owner = ownerOf(message);
    if (owner === undefined) {
      // Their code lets them in; or they were removed after their message was stored: a stranger gets silence.
      once(message, () => admission.admit(message));
      return;
    }
    switch (message.kind) {
      case 4:
      case 14:
        actOnText(message, owner);
        break;
      case 5:
        once(message, () => tasks.dropDeleted(message));
        break;
      case 7:
        once(message, () => {});
        break;
      case 15:
        replyOnce(message, noFiles);
    }
  };

  /** What an earlier life of the bot had begun. */
  const resume = (message: StoredMessage): void =>
    commands.resume(message, ownerOf(message), ordersIn(meaningOf(message.text), match));

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
      if (started) guarded(message, act);
    },
    start: (keyIsKnown = false) => {
      started = true;
      graceMs = keyIsKnown ? 0 : undefined;
      for (const { state, ...message } of messages.open()) {
        guarded(message, state === 'acting' ? resume : act);
      }
    },
    close: async () => {
      started = false;
      missed.close();
      ending.abort();
      await commands.close();
    },
  };
}
