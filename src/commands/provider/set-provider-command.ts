import { formatSat } from '@nostr-dm-agent/kit/sat';
import { shorten } from '../../replies/format.ts';
import { nodeName } from '../../replies/provider-replies.ts';
import { type Command, UsageError } from '../command.ts';
import { meansOf, type ProviderCommandDeps, warningOf } from './run-means.ts';

/** `!provider set`: each owner's own choice. */
export function setCommand(deps: ProviderCommandDeps): Command {
  const { routstr, settings, currentSessions, chosenBy, connected } = deps;
  return {
    path: 'provider set',
    parameters: '<name>',
    family: 'Provider',
    summary: 'choose who pays for your tasks: local, routstr or a connected one',
    detail:
      'local: the backend’s own login on the host. routstr: ecash from the wallet, a budget for each run, the change comes back. It holds for your tasks from now on, those that wait in the queue included.',
    examples: ['!provider set routstr', '!provider set local'],
    role: 'member',
    kind: 'immediate',
    run: ({ owner, argument }) => {
      const others = connected(owner.publicKey);
      const names = ['local', 'routstr', ...others.map(({ name }) => name)];
      if (argument === '') {
        throw new UsageError(`The provider is missing. There are: ${names.join(', ')}.`);
      }
      const name = names.find((known) => known === argument.toLowerCase());
      if (name === undefined) {
        throw new UsageError(
          `“${shorten(argument, 30)}” is not a provider. There are: ${names.join(', ')}. Others first need a key of yours: !provider connect <id> <key>.`,
        );
      }
      const bound = currentSessions.current(owner.publicKey)?.provider;
      const stays =
        bound === undefined || bound === name
          ? []
          : [`This session stays with ${bound}; !new begins one with ${name}.`];
      const choose = () => settings.set(owner.publicKey, 'provider', name);
      const already = chosenBy(owner.publicKey) === name ? ' already' : '';

      if (name === 'routstr') {
        const means = meansOf(deps, owner);
        choose();
        return {
          reply: [
            `Your provider is routstr${already}: each task is paid from the wallet, at most ${formatSat(means.budget)} a run, and the change comes back.`,
            `Node: ${nodeName(routstr.node())}. ${means.purseName}: ${formatSat(means.ready)} ready.`,
            ...warningOf(means),
            ...stays,
          ].join('\n'),
        };
      }
      choose();
      const { model } = currentSessions.choices(owner.publicKey);
      const lines =
        name === 'local'
          ? [`Your provider is local${already}: the backend’s own login pays, nothing of the wallet is used.`]
          : [`Your provider is ${name}${already}: ${others.find((other) => other.name === name)?.meaning}.`];
      if (name === 'local' && model?.startsWith('routstr/')) {
        lines.push(`The model ${model} is only there with routstr: !model reset, or !models for another.`);
      }
      return { reply: [...lines, ...stays].join('\n') };
    },
  };
}
