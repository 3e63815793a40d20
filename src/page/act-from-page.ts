import { untilAborted } from '@nostr-dm-agent/kit/abort';
import { unixSeconds } from '@nostr-dm-agent/kit/clock';
import type { EventId, StoredMessage } from '@nostr-dm-agent/nostr';
import type { PageSource, Visitor } from '@nostr-dm-agent/page';
import { type AnswerDeps, createCommandAnswers, mayUse } from '../commands/answer-command.ts';
import type { Registry } from '../commands/command-registry.ts';
import { notTheOneToAct, tasksByMessage } from '../replies/page-replies.ts';
import type { Messenger } from '../runs/messenger.ts';

export type ActDeps = Omit<AnswerDeps, 'tasks'> & {
  readonly registry: Pick<Registry, 'match'>;
  /** Where an owner is answered who has named no relays. */
  readonly relay: StoredMessage['relay'] | undefined;
  readonly randomBytes: (count: number) => Uint8Array;
  /** Whether this bot is the one to act; may ask first. @throws the signal's reason */
  readonly mayBegin: (signal: AbortSignal) => Promise<boolean>;
};

/** Those that only look, or end something, whatever is said after them: they do no harm where two bots with one key do them. */
const harmless: ReadonlySet<string> = new Set([
  ...['stop', 'no', 'queue', 'queue drop', 'schedule drop'],
  ...['status', 'doctor', 'log', 'settings', 'hosts', 'help', 'ping', 'version'],
]);

/**
 * The page's buttons: each is a command, done by the same code and under the same rules as one that came by message; its
 * replies are shown instead of sent. One whose page is closed meanwhile goes on, and is answered by message.
 */
export function createActFromPage(deps: ActDeps): {
  readonly act: PageSource['act'];
  /** Ends what is under way. */
  readonly close: () => Promise<void>;
} {
  const ending = new AbortController();
  const underWay = new Set<Promise<unknown>>();
  const act: PageSource['act'] = async (visitor, { command, about }, signal) => {
    const match = deps.registry.match(command);
    if (!(match.found && harmless.has(match.command.path)) && !(await deps.mayBegin(signal)))
      return [notTheOneToAct];
    const said: string[] = [];
    const messenger: Messenger = {
      send: (to, text, ...more) => {
        if (signal.aborted) return deps.messenger.send(to, text, ...more);
        said.push(text);
        return [];
      },
      react: () => undefined,
    };
    const tasks = { order: () => void said.push(tasksByMessage) };
    const answers = createCommandAnswers({ ...deps, messenger, tasks });
    const message = messageOf(visitor, command, about, deps);
    const work = async (): Promise<readonly string[]> => {
      if (match.found && match.command.kind === 'lasting' && mayUse(match.command, visitor)) {
        const call = { owner: visitor, message, argument: match.argument, resumed: false };
        const outcome = await answers.outcomeOf(call, match.command, ending.signal);
        if (outcome !== undefined) answers.store(message, outcome, () => undefined);
      } else answers.now(message, visitor, match, () => undefined);
      return said;
    };
    const done = work();
    const over = done
      .catch((cause: unknown) => deps.log.error({ cause }, 'a command of the page could not be answered'))
      .finally(() => underWay.delete(over));
    underWay.add(over);
    return untilAborted(done, signal);
  };
  return {
    act,
    close: async () => {
      ending.abort();
      await Promise.all(underWay);
    },
  };
}

/** As if it had been sent; it is in no log of messages, so nothing does it again. */
function messageOf(
  { publicKey }: Visitor,
  text: string,
  about: string | undefined,
  { relay, randomBytes, clock }: ActDeps,
): StoredMessage {
  if (relay === undefined) throw new RangeError('a bot without a relay');
  return {
    seq: 0,
    id: Buffer.from(randomBytes(32)).toString('hex') as EventId,
    sender: publicKey,
    protocol: 'nip17',
    kind: 14,
    text,
    references: about === undefined ? [] : [about as EventId],
    createdAt: unixSeconds(clock),
    receivedAt: clock.now(),
    relay,
  };
}
