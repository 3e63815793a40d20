import { cheapestSmallModel, type UsableModel } from '@nostr-dm-agent/routstr';
import { NodeAwayError, type RoutstrAccess } from '../../money/routstr-access.ts';
import type { WalletAccess } from '../../money/wallet-access.ts';
import { nodeName } from '../../replies/provider-replies.ts';
import { questionRefusal, quickReply } from '../../replies/quick-replies.ts';
import type { CurrentSessions } from '../../runs/current-sessions.ts';
import { type Command, RefusalError, UsageError } from '../command.ts';
import { inTime } from './in-time.ts';

export type QuickCommandDeps = {
  readonly routstr: Pick<RoutstrAccess, 'provider' | 'models' | 'modelOf' | 'budget'>;
  readonly purse: Pick<WalletAccess, 'settled'>;
  readonly currentSessions: Pick<CurrentSessions, 'choices'>;
};

/** Longer ones are for a session. */
const longest = 20_000;

/** `!quick <question>`: one model call without an agent. */
export function quickCommand({ routstr, purse, currentSessions }: QuickCommandDeps): Command {
  /** The owner's own if the node has it; else a cheap one. */
  async function modelFor(chosen: string | undefined, signal: AbortSignal): Promise<UsableModel> {
    const { node, usable } = await routstr.models(signal).catch((error: unknown) => {
      if (!(error instanceof NodeAwayError)) throw error;
      throw new RefusalError(
        `The node ${nodeName(error.node)} does not answer, and its prices are not known.`,
      );
    });
    const own = chosen?.startsWith('routstr/') ? routstr.modelOf(chosen) : undefined;
    const model = own ?? cheapestSmallModel(usable);
    if (model === undefined)
      throw new RefusalError(`The node ${nodeName(node)} has no model that can answer.`);
    return model;
  }

  return {
    path: 'quick',
    parameters: '<question>',
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
      await purse.settled(signal);
      const provider = routstr.provider();
      const key = message.id;
      if (resumed) throw new RefusalError(questionRefusal(provider.pastQuestion(key)));
      const model = await modelFor(currentSessions.choices(owner.publicKey).model, signal);
      // As for a run: a member spends no more than a budget at once.
      const most = owner.role === 'admin' ? {} : { most: routstr.budget() };
      const request = { key, owner: owner.publicKey, question: argument, model, ...most };
      const result = await inTime(
        signal,
        provider.quick(request, signal),
        'No answer in time. What the question did not cost comes back by itself, and you are told.',
      );
      return { reply: quickReply(result) };
    },
  };
}
