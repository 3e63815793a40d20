import type { BackendName, Model } from '../backends/types.ts';
import type { PublicKey } from '../nostr/types.ts';
import { plural } from '../replies/format.ts';
import type { SessionDesk } from '../runs/desk.ts';
import { type Command, UsageError } from './types.ts';

const listed = 30;

export type ModelCommandDeps = {
  readonly desk: SessionDesk;
  /** Models that the owner's next task could use. */
  readonly models: (owner: PublicKey, backend: BackendName, signal: AbortSignal) => Promise<readonly Model[]>;
};

/** `!model`, `!models`. */
export function modelCommands({ desk, models }: ModelCommandDeps): readonly Command[] {
  return [
    {
      path: 'model',
      parameters: '[id|reset]',
      family: 'Sessions',
      summary: 'show or set the model',
      detail: 'The id is one of !models. reset goes back to the default.',
      examples: ['!model', '!model anthropic/claude-sonnet-4', '!model reset'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner, argument }) => {
        const { publicKey } = owner;
        if (argument === '') {
          const { model, backend } = desk.choices(publicKey);
          return {
            reply: `Model: ${model ?? `the default of ${backend}`}.\n!models lists them, !model <id> sets one.`,
          };
        }
        if (argument.toLowerCase() === 'reset') {
          desk.setModel(publicKey, undefined);
          const { model, backend } = desk.choices(publicKey);
          return { reply: `Model: ${model ?? `the default of ${backend}`}.` };
        }
        if (!/^[\w.:@~+-]+(\/[\w.:@~+-]+)*$/.test(argument)) {
          throw new UsageError(`“${argument}” is not the id of a model; !models lists them.`);
        }
        desk.setModel(publicKey, argument);
        return { reply: `Model: ${argument}. It holds from now on.` };
      },
    },
    {
      path: 'models',
      parameters: '[filter]',
      family: 'Sessions',
      summary: 'models that can be chosen',
      examples: ['!models', '!models sonnet'],
      role: 'member',
      kind: 'lasting',
      repeatable: true,
      run: async ({ owner, argument }, signal) => {
        const { backend } = desk.choices(owner.publicKey);
        const all = await models(owner.publicKey, backend, signal);
        const words = argument.toLowerCase().split(/\s+/);
        const found = all.filter(({ id, name }) =>
          words.every((word) => `${id} ${name}`.toLowerCase().includes(word)),
        );
        if (found.length === 0) {
          const none =
            argument === '' ? `${backend} knows no model.` : `No model of ${backend} matches “${argument}”.`;
          return { reply: `${none} !models lists all.` };
        }
        const rest = found.length - listed;
        return {
          reply: [
            ...found.slice(0, listed).map(({ id }) => id),
            ...(rest > 0 ? [`… and ${rest} more: !models <filter>`] : []),
            `${plural(found.length, 'model')}. !model <id> sets one.`,
          ].join('\n'),
        };
      },
    },
  ];
}
