import type { StoredMessage } from '@nostr-dm-agent/nostr';
import type { Owner } from '../config/config.ts';
import { ownerName } from '../replies/owner-name.ts';
import { autoReplyText } from '../replies/queue-replies.ts';
import { QUIET_MS } from './auto-reply-brake.ts';
import type { DispatchDeps } from './dispatch-deps.ts';
import type { MissedList } from './missed-messages.ts';
import { ordersIn, replyTo } from './orders.ts';
import { answerIn } from './read-answer.ts';
import { createReply } from './reply.ts';
import type { CommandRunner } from './run-command.ts';
import { twinOf } from './twin-messages.ts';

/** What a text stands for is done: commands, money, an answer, a task. */
export function createTextActions(
  deps: Pick<
    DispatchDeps,
    | 'meaningOf'
    | 'match'
    | 'brake'
    | 'confirmations'
    | 'admission'
    | 'tasks'
    | 'asks'
    | 'messages'
    | 'messenger'
    | 'stores'
    | 'log'
  > & {
    /** One transaction with everything that comes of a message. */
    readonly once: (message: StoredMessage, act: () => void) => void;
    readonly commands: Pick<CommandRunner, 'run'>;
    readonly missed: Pick<MissedList, 'add'>;
    readonly isTooLate: (message: StoredMessage) => boolean;
  },
) {
  const { meaningOf, match, confirmations, admission, tasks, messages, once, commands, missed, log } = deps;
  const reply = createReply(deps.messenger);

  /** Whether it is one of those that a client writes by itself: it is kept, and said once that they are not acted on. */
  const isBraked = (message: StoredMessage): boolean => {
    const heard = deps.brake?.hears(message.sender, message.text) ?? 'off';
    if (heard === 'off') return false;
    log.warn({ message: message.id, sender: message.sender }, 'a client seems to answer by itself');
    deps.stores.atomically(() => {
      messages.miss(message.seq);
      if (heard === 'began') reply(message, autoReplyText(QUIET_MS));
    });
    return true;
  };

  return {
    /** @param isSpoken a model wrote down what they said */
    act: (message: StoredMessage, owner: Owner, isSpoken = false): void => {
      const twin = twinOf(messages, message);
      if (messages.isDeleted(message) || (twin && messages.isDeleted(twin))) {
        once(message, () =>
          log.info({ from: ownerName(owner.publicKey) }, 'message deleted before it was acted on'),
        );
        return;
      }
      const codeWaits = confirmations.waiting(owner.publicKey);
      const read = meaningOf(message.text);
      const meaning = read.kind === 'called-off' && !codeWaits ? read.instead : read;
      const orders = answerIn(meaning, message, deps.asks, match) ?? ordersIn(meaning, match);
      if (orders !== undefined) deps.brake?.ordered(message.sender);
      else if (isBraked(message)) return;
      const timeless =
        orders?.commands.every((each) => each.found && each.command.timeless === true) === true;
      const answer =
        replyTo(meaning, { codeWaits, continues: (fragment) => tasks.continues(message, fragment) }) ??
        admission.noteOnCode(message.text);
      const isOrder = orders !== undefined || answer === undefined;
      if (isOrder && !timeless && deps.isTooLate(message)) missed.add(message);
      else if (orders !== undefined) commands.run(message, owner, orders);
      else if (answer !== undefined) {
        once(message, () => reply(message, answer));
        log.info({ from: ownerName(owner.publicKey), as: meaning.kind }, 'message answered');
      } else once(message, () => tasks.order(message, { task: message.text, isSpoken }));
    },
  };
}
