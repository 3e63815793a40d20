import { cheapestSmallModel, type UsableModel } from '@nostr-dm-agent/routstr';
import { NodeAwayError } from '../../money/node-models.ts';
import type { RoutstrAccess } from '../../money/routstr-access.ts';
import { nodeName } from '../../replies/provider-replies.ts';
import { questionRefusal, quickReply } from '../../replies/quick-replies.ts';
import { type Command, RefusalError, UsageError } from '../command.ts';
import type { CommandDeps } from '../command-deps.ts';
import { inTime } from './in-time.ts';

/** Longer ones are for a session. */
const longest = 20_000;

/** `!quick <question>`: one model call without an agent. */
export const quickCommand = ({ money, currentSessions }: CommandDeps): Command => ({
  path: 'quick',
  parameters: '<question>',
  takesTask: true,
  family: 'Tasks',
  summary: 'one question to the model, without an agent; paid from the wallet',
  detail:
    'It knows nothing of the session and sees no files. Your model answers if it is a routstr one, else a cheap one of the node; whichever provider is set.',
  examples: ['!quick What does HTTP 425 mean?'],
  role: 'member',
  kind: 'lasting',
  // Not asked again: the message's id is the payment's, and what became of it is said.
  repeatable: true,
  run: async ({ owner, message, argument, resumed }, signal) => {
    if (argument === '') throw new UsageError('The question is missing.');
    if (argument.length > longest) {
      throw new UsageError(
        `The question is too long for !quick (${longest.toLocaleString('en-US')} characters).`,
      );
    }
    await money.wallet.settled(signal);
    const provider = money.routstr.provider();
    const key = message.id;
    if (resumed) throw new RefusalError(questionRefusal(provider.pastQuestion(key)));
    const { model: chosen } = currentSessions.choices(owner.publicKey);
    const model = await modelFor(money.routstr, chosen, signal);
    // As for a run: a member spends no more than a budget at once.
    const most = owner.role === 'admin' ? {} : { most: money.routstr.budget() };
    const request = { key, owner: owner.publicKey, question: argument, model, ...most };
    const result = await inTime(
      signal,
      provider.quick(request, signal),
      'No answer in time. What the question did not cost comes back by itself, and you are told.',
    );
    return quickReply(result);
  },
});

/** The owner's own if the node has it; else a cheap one. */
async function modelFor(
  routstr: RoutstrAccess,
  chosen: string | undefined,
  signal: AbortSignal,
): Promise<UsableModel> {
  const { node, usable } = await routstr.models(signal).catch((error: unknown) => {
    if (!(error instanceof NodeAwayError)) throw error;
    throw new RefusalError(`The node ${nodeName(error.node)} does not answer, and its prices are not known.`);
  });
  const own = chosen?.startsWith('routstr/') ? routstr.modelOf(chosen) : undefined;
  const model = own ?? cheapestSmallModel(usable);
  if (model !== undefined) return model;
  throw new RefusalError(`The node ${nodeName(node)} has no model that can answer.`);
}
