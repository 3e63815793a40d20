import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { BackendName, Model } from '../backends/backend.ts';
import { lines, plural, shorten } from '../replies/format.ts';
import { servedFor } from '../replies/provider-replies.ts';
import { type Command, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';

const listed = 30;
/** No id of a model has more characters. */
const longest = 200;

/** Who pays for the owner's next task, as far as the backend leaves the choice. */
const providerOf = ({ currentSessions, providers }: ModelDeps, owner: PublicKey): string | undefined =>
  currentSessions.choices(owner).backend === 'opencode'
    ? (currentSessions.current(owner)?.provider ?? providers.chosenBy(owner))
    : undefined;

/** Whether a node serves the owner's next task. */
const isPaid = (deps: ModelDeps, owner: PublicKey): boolean => providerOf(deps, owner) === 'routstr';

type ModelDeps = Pick<CommandDeps, 'currentSessions' | 'money' | 'providers'>;

/** The model that the owner's next task is worked on with. */
export function modelText(deps: ModelDeps, owner: PublicKey): string {
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
    parameters: '[id|number|part of a name|reset]',
    family: 'Sessions',
    summary: 'show or set the model',
    detail:
      'The id or its number is one of !models; a part of a name is enough when only one model has it. reset goes back to the default.',
    examples: ['!model', '!model sonnet', '!model 12', '!model anthropic/claude-sonnet-4', '!model reset'],
    role: 'member',
    kind: 'lasting',
    repeatable: true,
    run: async ({ owner: { publicKey }, argument }, signal) => {
      const { currentSessions } = deps;
      if (argument === '') {
        return `Model: ${modelText(deps, publicKey)}.\n!models lists them, !model <number> sets one.`;
      }
      if (argument.toLowerCase() === 'reset') {
        currentSessions.setModel(publicKey, undefined);
        return `Model: ${modelText(deps, publicKey)}.`;
      }
      const chosen = await chooseModel(deps, publicKey, argument, signal);
      currentSessions.setModel(publicKey, chosen);
      return lines(`Model: ${chosen}, from the next task on.`, noteOnChoice(deps, publicKey, chosen));
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
      const found = numbered(all).filter(hasWords(words));
      if (found.length === 0) {
        return argument === ''
          ? `No model of ${from} is known.`
          : `No model of ${from} matches “${shorten(argument, 60)}”. !models lists all.`;
      }
      const rest = found.length - listed;
      return lines(
        found.slice(0, listed).map(modelLine),
        rest > 0 && `… and ${rest} more: !models <filter>`,
        `${plural(found.length, 'model')}. !model <number> sets one.${more}`,
      );
    },
  },
];

type NumberedModel = Model & { readonly number: number };

const numbered = (models: readonly Model[]): readonly NumberedModel[] =>
  models.map((model, index) => ({ ...model, number: index + 1 }));
const modelLine = ({ number, id }: NumberedModel): string => `${number}. ${id}`;
const hasWords =
  (words: readonly string[]) =>
  ({ id, name }: Model): boolean =>
    words.every((word) => `${id} ${name}`.toLowerCase().includes(word));

/** The model that is meant by an id, a number of `!models`, or a part of a name. @throws UsageError */
async function chooseModel(
  deps: CommandDeps,
  owner: PublicKey,
  asked: string,
  signal: AbortSignal,
): Promise<string> {
  const { backend } = deps.currentSessions.choices(owner);
  const { from, all } = await available(deps, owner, backend, signal);
  const models = numbered(all);
  const exact = models.find(({ id, number }) => id === asked || asked === String(number));
  if (exact !== undefined) return exact.id;
  const found = models.filter(hasWords(asked.toLowerCase().split(/\s+/)));
  const [only, ...others] = found;
  if (only !== undefined && others.length === 0) return only.id;
  if (only !== undefined) {
    const more = found.length - listed;
    throw new RefusalError(
      lines(
        `“${shorten(asked, 60)}” is a part of several; !model <number> sets one:`,
        found.slice(0, listed).map(modelLine),
        more > 0 && `… and ${more} more`,
      ),
    );
  }
  // Not listed, or the list can't be had: an id is taken at its word.
  if (asked.length <= longest && /^[\w.:@~+-]+(\/[\w.:@~+-]+)+$/.test(asked)) return asked;
  throw new UsageError(`No model of ${from} has “${shorten(asked, 60)}” in its name; !models lists them.`);
}

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
