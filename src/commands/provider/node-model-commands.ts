import { NodeAwayError } from '../../money/node-models.ts';
import { shorten } from '../../replies/format.ts';
import { modelsText, syncText } from '../../replies/model-list-replies.ts';
import { nodeName } from '../../replies/provider-replies.ts';
import { type Command, RefusalError } from '../command.ts';
import type { CommandDeps } from '../command-deps.ts';

/** `!provider models`, `!provider sync-models`. */
export const nodeModelCommands = ({ money, currentSessions, clock }: CommandDeps): readonly Command[] => [
  {
    path: 'provider models',
    parameters: '[filter]',
    family: 'Provider',
    summary: 'the node’s models, with what a task costs in sat',
    detail:
      'Of each: what a small task costs (ten model calls), the least budget that a run needs, and how much it can read at once. !model routstr/<id> chooses one.',
    examples: ['!provider models', '!provider models sonnet'],
    role: 'member',
    kind: 'lasting',
    repeatable: true,
    run: async ({ owner, argument }, signal) => {
      const models = await orRefusal(() => money.routstr.models(signal));
      const current = money.routstr.modelOf(currentSessions.choices(owner.publicKey).model)?.id;
      return modelsText(models, shorten(argument, 60), current, clock.now());
    },
  },
  {
    path: 'provider sync-models',
    family: 'Provider',
    summary: 'fetch the node’s models and prices into opencode.json',
    detail:
      'Only the routstr block of BOT_HOME/opencode.json is touched, and small_model when it is not set or gone. It is done once a day by itself.',
    role: 'admin',
    instead:
      'It is done by itself once a day; !provider models shows what there is. An admin can do it at once.',
    kind: 'lasting',
    repeatable: true,
    run: async (_, signal) => syncText(await orRefusal(() => money.routstr.syncModels(signal)), clock.now()),
  },
];

/** What stands in the way, said as a refusal. */
async function orRefusal<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NodeAwayError) {
      throw new RefusalError(
        `${nodeName(error.node)} does not show its models, and none of them are on disk: ${shorten(error.detail, 160)}. Try again later; !provider status shows the rest.`,
      );
    }
    // Loaded with the provider, not with the commands.
    const { OpencodeConfigBusyError, OpencodeConfigError } = await import('@nostr-dm-agent/routstr/open');
    if (error instanceof OpencodeConfigError) {
      throw new RefusalError(
        `BOT_HOME/opencode.json cannot be read, so nothing was written: ${error.problem}${error.line === undefined ? '' : ` in line ${error.line}`}. Whoever runs the bot can fix it.`,
      );
    }
    if (error instanceof OpencodeConfigBusyError) {
      throw new RefusalError(
        'BOT_HOME/opencode.json is being written by somebody else, so nothing was written. Try again.',
      );
    }
    throw error;
  }
}
