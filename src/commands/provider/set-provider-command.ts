import { formatSat } from '@nostr-dm-agent/kit/sat';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { connectionMeaning } from '../../replies/connection-replies.ts';
import { lines, shorten } from '../../replies/format.ts';
import { nodeName } from '../../replies/provider-replies.ts';
import { type Command, UsageError } from '../command.ts';
import type { CommandDeps } from '../command-deps.ts';
import { meansOf, warningOf } from './run-means.ts';

/** `!provider set`: each owner's own choice. */
export const setProviderCommand = (deps: CommandDeps): Command => ({
  path: 'provider set',
  parameters: '<name> [here]',
  family: 'Provider',
  summary: 'choose who pays for your tasks: local, routstr or a connected one',
  detail:
    'local: the backend’s own login on the host. routstr: ecash from the wallet, a budget for each run, the change comes back. It holds for your tasks from now on, those that wait in the queue included. With here: for the current session alone.',
  examples: ['!provider set routstr', '!provider set local', '!provider set anthropic here'],
  role: 'member',
  kind: 'immediate',
  run: ({ owner, argument }) => {
    const { publicKey } = owner;
    const others = deps.providers.connected(publicKey);
    const names = ['local', 'routstr', ...others.map(({ name }) => name)];
    if (argument === '') {
      throw new UsageError(`Which provider? There are: ${names.join(', ')}.`);
    }
    const [, asked = '', here] = /^(.*?)(\s+here)?$/is.exec(argument) ?? [];
    const name = names.find((known) => known === asked.toLowerCase());
    if (name === undefined) {
      throw new UsageError(
        `“${shorten(argument, 30)}” is not a provider. There are: ${names.join(', ')}. Others first need a key of yours: !provider connect <id> <key>.`,
      );
    }
    // Nothing is chosen that can't be used: without a wallet this throws.
    const means = name === 'routstr' ? meansOf(deps, owner) : undefined;
    if (here !== undefined) return setHere(deps, publicKey, name);
    const already = deps.providers.chosenBy(publicKey) === name ? ' already' : '';
    deps.stores.settings.set(publicKey, 'provider', name);
    const { model } = deps.currentSessions.choices(publicKey);
    const bound = deps.currentSessions.current(publicKey)?.provider;
    const connection = others.find((other) => other.name === name);
    return lines(
      means && [
        `Your provider is routstr${already}: each task is paid from the wallet, at most ${formatSat(means.budget)} a run, and the change comes back.`,
        `Node: ${nodeName(deps.money.routstr.node())}. ${means.source}: ${formatSat(means.ready)} ready.`,
        warningOf(means),
      ],
      name === 'local' &&
        `Your provider is local${already}: the backend’s own login pays, nothing of the wallet is used.`,
      name === 'local' &&
        model?.startsWith('routstr/') &&
        `The model ${model} is only there with routstr: !model reset, or !models for another.`,
      connection && `Your provider is ${name}${already}: ${connectionMeaning(connection)}.`,
      bound !== undefined &&
        bound !== name &&
        `This session stays with ${bound}; !new begins one with ${name}.`,
    );
  },
});

/** The current session goes on with it, whatever its owner prefers; without one, the next task begins one that does. */
function setHere({ currentSessions }: CommandDeps, owner: PublicKey, name: string): string {
  const session = currentSessions.current(owner) ?? currentSessions.begin(owner, { provider: name });
  currentSessions.setProvider(owner, name);
  return `Session ${session.id} goes on with ${name}, whatever you prefer elsewhere.`;
}
