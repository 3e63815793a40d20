import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { BackendName, Model } from '../backends/backend.ts';
import type { RoutstrAccess } from '../money/routstr-access.ts';
import { plural, shorten } from '../replies/format.ts';
import { servedFor } from '../replies/provider-replies.ts';
import type { CurrentSessions } from '../runs/current-sessions.ts';
import { type Command, UsageError } from './command.ts';

const listed = 30;
/** No id of a model has more characters. */
const longest = 200;

export type ModelTextDeps = {
  readonly currentSessions: CurrentSessions;
  readonly routstr: Pick<RoutstrAccess, 'modelOf' | 'knownModels'>;
  /** Who pays for the next task of this owner: his choice, else the bot's. */
  readonly chosenBy: (owner: PublicKey) => string;
  /** The providers beside `local` and `routstr` that an owner may choose. */
  readonly connected: (owner: PublicKey) => readonly { readonly name: string }[];
};

export type ModelCommandDeps = ModelTextDeps & {
  /** Models that the owner's next task could use. */
  readonly models: (owner: PublicKey, backend: BackendName, signal: AbortSignal) => Promise<readonly Model[]>;
};

/** Who pays for the owner's next task, as far as the backend leaves the choice. */
const providerFor = ({ currentSessions, chosenBy }: ModelTextDeps, owner: PublicKey): string | undefined =>
  currentSessions.choices(owner).backend === 'opencode'
    ? (currentSessions.current(owner)?.provider ?? chosenBy(owner))
    : undefined;

/** Whether a node serves the owner's next task. */
const isPaid = (deps: ModelTextDeps, owner: PublicKey): boolean => providerFor(deps, owner) === 'routstr';

/** The model that the owner's next task is worked on with. */
export function modelText(deps: ModelTextDeps, owner: PublicKey): string {
  const { model, backend } = deps.currentSessions.choices(owner);
  const served = isPaid(deps, owner) ? deps.routstr.modelOf(model) : undefined;
  if (served !== undefined) return `${served.id}${servedFor(served.id, model)}`;
  const payer = deps.connected(owner).find(({ name }) => name === providerFor(deps, owner))?.name;
  // A connected provider is not asked for models of another one.
  if (payer !== undefined && !model?.startsWith(`${payer}/`)) return `the default of ${payer}`;
  return model ?? `the default of ${backend}`;
}

/** `!model`, `!models`. */
export function modelCommands(deps: ModelCommandDeps): readonly Command[] {
  const { currentSessions, models, routstr } = deps;
  /** Of a model that was just chosen, when the node serves something else, or is not known to have it. */
  const remarks = (owner: PublicKey, chosen: string): readonly string[] => {
    if (!isPaid(deps, owner)) return [];
    const served = routstr.modelOf(chosen);
    if (served === undefined)
      return ['⚠ The node is not known to have it: !provider models lists its models.'];
    return servedFor(served.id, chosen) === ''
      ? []
      : [`The node serves ${served.id} for it; !provider models lists its models.`];
  };
  const available = async (owner: PublicKey, backend: BackendName, signal: AbortSignal) => {
    const ofNode = isPaid(deps, owner) ? routstr.knownModels() : undefined;
    if (ofNode === undefined) return { from: backend, all: await models(owner, backend, signal), more: '' };
    const all = ofNode.usable.map(({ id, name }) => ({ id: `routstr/${id}`, name }));
    return { from: 'the node', all, more: ' !provider models shows prices.' };
  };
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
          return {
            reply: `Model: ${modelText(deps, publicKey)}.\n!models lists them, !model <id> sets one.`,
          };
        }
        if (argument.toLowerCase() === 'reset') {
          currentSessions.setModel(publicKey, undefined);
          return { reply: `Model: ${modelText(deps, publicKey)}.` };
        }
        if (argument.length > longest || !/^[\w.:@~+-]+(\/[\w.:@~+-]+)*$/.test(argument)) {
          throw new UsageError(`“${shorten(argument, 60)}” is not the id of a model; !models lists them.`);
        }
        currentSessions.setModel(publicKey, argument);
        return {
          reply: [`Model: ${argument}. It holds from now on.`, ...remarks(publicKey, argument)].join('\n'),
        };
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
        const { backend } = currentSessions.choices(owner.publicKey);
        const { from, all, more } = await available(owner.publicKey, backend, signal);
        const words = argument.toLowerCase().split(/\s+/);
        const found = all.filter(({ id, name }) =>
          words.every((word) => `${id} ${name}`.toLowerCase().includes(word)),
        );
        if (found.length === 0) {
          const none =
            argument === ''
              ? `No model of ${from} is known.`
              : `No model of ${from} matches “${shorten(argument, 60)}”. !models lists all.`;
          return { reply: none };
        }
        const rest = found.length - listed;
        return {
          reply: [
            ...found.slice(0, listed).map(({ id }) => id),
            ...(rest > 0 ? [`… and ${rest} more: !models <filter>`] : []),
            `${plural(found.length, 'model')}. !model <id> sets one.${more}`,
          ].join('\n'),
        };
      },
    },
  ];
}
