import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { PublicKey, StoredMessage } from '@nostr-dm-agent/nostr';
import { plural } from '../replies/format.ts';
import type { CurrentSessions } from '../runs/current-sessions.ts';
import { type Messenger, replyTo } from '../runs/messenger.ts';
import type { RunQueue } from '../runs/run-queue.ts';
import type { Owners } from '../store/owners-table.ts';
import { beginsWithBudget, notABudget, overMemberBudget, splitBudget, taskMissing } from './budget-suffix.ts';
import type { OrderedTask } from './command.ts';
import { createReply } from './reply.ts';

/** Puts tasks into the queue. Both are to be part of the transaction that acts on the message. */
export type TaskOrders = {
  /** A task, or the reply why it is none that can be run. */
  readonly order: (message: StoredMessage, asked: OrderedTask) => void;
  /** Takes the tasks off the queue whose messages their sender has deleted (NIP-09). */
  readonly dropDeleted: (deletion: StoredMessage) => void;
};

export function createTaskOrders(deps: {
  readonly owners: Pick<Owners, 'roleOf'>;
  readonly currentSessions: CurrentSessions;
  readonly queue: RunQueue;
  readonly messenger: Messenger;
  /** The most that a member may give one run. */
  readonly memberBudget: () => Sat;
}): TaskOrders {
  const { owners, currentSessions, queue, messenger } = deps;
  const reply = createReply(messenger);

  /** The task without the budget at its end, or why it is not run. */
  const read = (owner: PublicKey, { task: text, budget: given }: OrderedTask) => {
    const found = given === undefined ? splitBudget(text) : { task: text, budget: given };
    if (!('task' in found)) return { refusal: notABudget(found.found) };
    const { task, budget } = found;
    if (task.trim() === '' || beginsWithBudget(task)) return { refusal: taskMissing };
    const most = deps.memberBudget();
    if (budget !== undefined && budget > most && owners.roleOf(owner) !== 'admin') {
      return { refusal: overMemberBudget(budget, most) };
    }
    return { task, budget };
  };

  return {
    order: (message, asked) => {
      const { sender, id, kind, protocol, relay } = message;
      const found = read(sender, asked);
      if ('refusal' in found) {
        reply(message, found.refusal);
        return;
      }
      const session = currentSessions.forTask(sender, found.task);
      const ahead = queue.list().filter((run) => run.session === session.id).length;
      const waits = queue.mustWait(session.id);
      queue.enqueue({
        owner: sender,
        session: session.id,
        message: id,
        messageKind: kind,
        protocol,
        fallbackRelays: [relay],
        task: found.task,
        mode: asked.mode ?? session.mode,
        model: asked.model ?? currentSessions.choices(sender).model,
        budget: found.budget,
      });
      // What begins at once says so itself.
      if (waits) messenger.react(replyTo(message), { id, author: sender, kind }, '⏸');
      if (ahead > 0) {
        reply(
          message,
          `Queued behind ${plural(ahead, 'task')} of this session. !queue shows them, !new begins another session.`,
        );
      }
    },
    dropDeleted: ({ sender, references }) => {
      const deleted = queue.list().filter((run) => run.owner === sender && references.includes(run.message));
      for (const run of deleted) queue.drop(run.id);
    },
  };
}
