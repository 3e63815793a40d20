import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { EventId, MessageLog, PublicKey, StoredMessage } from '@nostr-dm-agent/nostr';
import { keptForMs } from '../files/incoming-files.ts';
import { isPicture } from '../files/sniff-type.ts';
import { filesNote } from '../replies/file-replies.ts';
import { dictatedNote } from '../replies/voice-replies.ts';
import type { Asks } from '../runs/asks.ts';
import type { CurrentSessions } from '../runs/current-sessions.ts';
import { type Messenger, replyTo } from '../runs/messenger.ts';
import type { Session } from '../runs/run.ts';
import type { RunQueue } from '../runs/run-queue.ts';
import type { Owners } from '../store/owners-table.ts';
import type { RunStore } from '../store/runs-table.ts';
import type { SharedFileStore } from '../store/shared-files-table.ts';
import { createAcknowledgements } from './acknowledgements.ts';
import { beginsWithBudget, notABudget, overMemberBudget, splitBudget, taskMissing } from './budget-suffix.ts';
import type { OrderedTask } from './command.ts';
import type { RefersTo } from './meaning/small-talk.ts';
import { createReply } from './reply.ts';
import { withTwins } from './twin-messages.ts';

/** Puts tasks into the queue. Both are to be part of the transaction that acts on the message. */
export type TaskOrders = {
  /** A task, or the reply why it is none that can be run. */
  readonly order: (message: StoredMessage, asked: OrderedTask) => void;
  /**
   * Whether words that mean something before them can mean the session's: anything that the agent was told in it, or
   * (`last`) its answer to the message just before.
   */
  readonly continues: (message: StoredMessage, refersTo: RefersTo) => boolean;
  /** Ends the tasks that these messages of an owner asked for, or takes them off the queue. Returns how many. */
  readonly callOff: (owner: PublicKey, messages: readonly EventId[]) => number;
};

export function createTaskOrders(deps: {
  readonly owners: Pick<Owners, 'roleOf'>;
  readonly currentSessions: CurrentSessions;
  readonly queue: RunQueue;
  readonly runs: Pick<RunStore, 'ofSession'>;
  readonly messages: Pick<MessageLog, 'history' | 'near' | 'byId'>;
  readonly asks: Pick<Asks, 'open'>;
  readonly sharedFiles: Pick<SharedFileStore, 'waiting' | 'take'>;
  readonly clock: Clock;
  readonly messenger: Messenger;
  /** Why a task of this session can't be begun yet, for its owner; undefined: it can. */
  readonly waitsFor: (session: Session) => string | undefined;
  /** The most that a member may give one run. */
  readonly memberBudget: () => Sat;
  readonly log: Logger;
}): TaskOrders {
  const { owners, currentSessions, queue, runs, messages, messenger } = deps;
  const acknowledgements = createAcknowledgements({
    ...deps,
    isAsked: (owner) => deps.asks.open(owner).some(({ about }) => about.kind === 'approval'),
    aheadOf: ({ sender, id }) => {
      const [run] = queue.openOf(sender, [id]);
      return run?.state === 'queued' ? queue.openIn(run.session, run.seq) : undefined;
    },
  });
  const reply = createReply(messenger);
  const waitingIn = (owner: PublicKey, directory: string) =>
    deps.sharedFiles
      .waiting(owner, deps.clock.now() - keptForMs)
      .filter((file) => file.directory === directory);

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
      const ahead = queue.openIn(session.id);
      const waits = queue.mustWait(session.id);
      const files = asked.job === undefined ? waitingIn(sender, session.directory) : [];
      const shown = files.filter(({ mime }) => isPicture(mime)).map(({ path }) => path);
      const pictures = [...new Set([...(asked.pictures ?? []), ...shown])];
      // One that is done again names its own already.
      const unnamed = files.filter(({ path }) => !found.task.includes(path));
      const run = queue.enqueue({
        owner: sender,
        session: session.id,
        message: id,
        messageKind: kind,
        protocol,
        fallbackRelays: [relay],
        task: [found.task, unnamed.length > 0 && filesNote(unnamed), asked.isSpoken === true && dictatedNote]
          .filter((part) => part !== false)
          .join(''),
        ...(pictures.length > 0 && { pictures }),
        mode: asked.mode ?? session.mode,
        model: asked.model ?? currentSessions.choices(sender).model,
        budget: found.budget,
        ...(asked.job && { job: asked.job }),
      });
      for (const file of files) deps.sharedFiles.take(file, run.id);
      // What begins at once says so itself.
      if (waits) messenger.react(replyTo(message), { id, author: sender, kind }, '⏸');
      const away = deps.waitsFor(session);
      if (away !== undefined) reply(message, away);
      else if (ahead > 0) acknowledgements.waits(message);
    },
    continues: ({ sender, seq }, refersTo) => {
      const session = currentSessions.current(sender);
      if (session === undefined) return false;
      const [latest] = runs.ofSession(session.id, 1);
      if (refersTo === 'session') {
        return session.backendSession !== undefined || (latest !== undefined && latest.state !== 'done');
      }
      // Of the two last messages, this one and the one before it.
      const before = messages.history(sender, 20).findLast((each) => each.seq < seq);
      return latest?.outcome === 'answered' && latest.message === before?.id;
    },
    callOff: (owner, ids) => {
      const meant = withTwins(messages, owner, ids);
      return queue.openOf(owner, meant).filter((run) => queue.drop(run.id) || queue.stop(run.id)).length;
    },
  };
}
