import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { BackendName } from '../backends/backend.ts';
import { lines, plural, shorten } from '../replies/format.ts';
import { servedFor } from '../replies/provider-replies.ts';
import { type Command, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

const listed = 30;
/** No id of a model has more characters. */
const longest = 200;

/** Who pays for the owner's next task, as far as the backend leaves the choice. */
const providerOf = ({ currentSessions, providers }: CommandDeps, owner: PublicKey): string | undefined =>
  currentSessions.choices(owner).backend === 'opencode'
    ? (currentSessions.current(owner)?.provider ?? providers.chosenBy(owner))
    : undefined;

/** Whether a node serves the owner's next task. */
const isPaid = (deps: CommandDeps, owner: PublicKey): boolean => providerOf(deps, owner) === 'routstr';

/** The model that the owner's next task is worked on with. */
export function modelText(deps: CommandDeps, owner: PublicKey): string {
  const { model, backend } = deps.currentSessions.choices(owner);
  const served = isPaid(deps, owner) ? deps.money.routstr.modelOf(model) : undefined;
  if (served !== undefined) return `${served.id}${servedFor(served.id, model)}`;
  const provider = deps.providers.connected(owner).find(({ name }) => name === providerOf(deps, owner))?.name;
  // A connected provider is not asked for models of another one.
  if (provider !== undefined && !model?.startsWith(`${provider}/`)) return `the default of ${provider}`;
  return model ?? `the default of ${backend}`;
}

/** `!model`, `!models`. */
export const modelCommands = (deps: CommandDeps): readonly Command[] => [
  {
    path: 'model',
    parameters: '[id|reset]',
    family: 'Sessions',
    summary: 'show or set the model',
    detail: 'The id is one of !models. reset goes back to the default.',
    examples: ['!model', '!model anthropic/claude-sonnet-4', '!model reset'],
    role: 'member',
    kind: 'immediate',
    run: ({ owner: { publicKey }, argument }) => {
      const { currentSessions } = deps;
      if (argument === '') {
        return `Model: ${modelText(deps, publicKey)}.\n!models lists them, !model <id> sets one.`;
      }
      if (argument.toLowerCase() === 'reset') {
        currentSessions.setModel(publicKey, undefined);
        return `Model: ${modelText(deps, publicKey)}.`;
      }
      if (argument.length > longest || !/^[\w.:@~+-]+(\/[\w.:@~+-]+)*$/.test(argument)) {
        throw new UsageError(`“${shorten(argument, 60)}” is not the id of a model; !models lists them.`);
      }
      currentSessions.setModel(publicKey, argument);
      return lines(`Model: ${argument}. It holds from now on.`, noteOnChoice(deps, publicKey, argument));
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
      const { backend } = deps.currentSessions.choices(owner.publicKey);
      const { from, all, more } = await available(deps, owner.publicKey, backend, signal);
      const words = argument.toLowerCase().split(/\s+/);
      const found = all.filter(({ id, name }) =>
        words.every((word) => `${id} ${name}`.toLowerCase().includes(word)),
      );
      if (found.length === 0) {
        return argument === ''
          ? `No model of ${from} is known.`
          : `No model of ${from} matches “${shorten(argument, 60)}”. !models lists all.`;
      }
      const rest = found.length - listed;
      return lines(
        found.slice(0, listed).map(({ id }) => id),
        rest > 0 && `… and ${rest} more: !models <filter>`,
        `${plural(found.length, 'model')}. !model <id> sets one.${more}`,
      );
    },
  },
];

/** On a model that was just chosen, when the node serves something else, or is not known to have it. */
function noteOnChoice(deps: CommandDeps, owner: PublicKey, chosen: string): string | undefined {
  if (!isPaid(deps, owner)) return undefined;
  const served = deps.money.routstr.modelOf(chosen);
  if (served === undefined) return '⚠ The node is not known to have it: !provider models lists its models.';
  return servedFor(served.id, chosen) === ''
    ? undefined
    : `The node serves ${served.id} for it; !provider models lists its models.`;
}

async function available(deps: CommandDeps, owner: PublicKey, backend: BackendName, signal: AbortSignal) {
  const ofNode = isPaid(deps, owner) ? deps.money.routstr.knownModels() : undefined;
  if (ofNode === undefined) {
    return { from: backend, all: await deps.providers.models(owner, backend, signal), more: '' };
  }
  const all = ofNode.usable.map(({ id, name }) => ({ id: `routstr/${id}`, name }));
  return { from: 'the node', all, more: ' !provider models shows prices.' };
}
