import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { Connection } from '../keys/connection.ts';
import { connectionLines } from '../replies/connection-replies.ts';
import { lines } from '../replies/format.ts';
import { adoptCommand } from './adopt-command.ts';
import { checkConnectionCommand } from './check-connection-command.ts';
import { type Command, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';
import { connectCommand } from './connect-command.ts';
import { connectionName } from './connection-name.ts';

/** `!provider connect`, `!provider disconnect`, `!provider list`: each owner's own connections. */
export const connectionCommands = (deps: CommandDeps): readonly Command[] => [
  connectCommand(deps),
  {
    path: 'provider disconnect',
    parameters: '<id>',
    family: 'Provider',
    summary: 'forget your API key for a provider',
    detail: 'The bot forgets it; at the provider it stays valid until you revoke it there.',
    examples: ['!provider disconnect anthropic'],
    role: 'member',
    kind: 'immediate',
    run: ({ owner: { publicKey }, argument }) => {
      const { store } = deps.connections;
      const names = store
        .list(publicKey)
        .filter(isThere)
        .map(({ provider }) => provider);
      if (argument === '') throw new UsageError(`Which one? ${yours(names)}`);
      const asked = connectionName(deps, argument);
      if (deps.logins.cancel(publicKey, asked)) return `The login to ${asked} is given up.`;
      const id = names.find((name) => name === asked);
      if (id === undefined || !store.revoke(publicKey, id)) {
        throw new RefusalError(`You have no connection of that name. ${yours(names)}`);
      }
      const next =
        deps.providers.chosenBy(publicKey) === id
          ? ' It was your provider: until you set another, local is used.'
          : '';
      return `Disconnected: the bot has forgotten your key for ${id}.${next} It stays valid at ${id} until you revoke it there.`;
    },
  },
  {
    path: 'provider list',
    family: 'Provider',
    summary: 'your connected providers: status, last use, last error',
    role: 'member',
    kind: 'immediate',
    run: ({ owner }) => listText(deps, owner.publicKey),
  },
  checkConnectionCommand(deps),
  adoptCommand(deps),
];

function listText({ connections, providers, clock }: CommandDeps, owner: PublicKey): string {
  const { catalogue, store } = connections;
  const chosen = providers.chosenBy(owner);
  const all = store.list(owner);
  const there = all.filter(isThere);
  const gone = all.filter((connection) => !isThere(connection));
  const goneLines = gone.flatMap((connection) => connectionLines(connection, clock.now(), false));
  if (there.length === 0) {
    const missing =
      catalogue.get(chosen) === undefined ? '' : ` (${chosen} is set, but not connected, so local is used)`;
    return lines(
      `No provider is connected with a key of yours${missing}. !provider connect <id> <key> connects one of the ${catalogue.keyProviders.length} that opencode knows: anthropic, openai, openrouter, google, groq, mistral, xai, …`,
      goneLines,
    );
  }
  return lines(
    there.flatMap((connection) => connectionLines(connection, clock.now(), connection.provider === chosen)),
    goneLines,
    (chosen === 'local' || chosen === 'routstr') && `Preferred: ${chosen}.`,
    '!provider set <id> prefers one, !provider disconnect <id> forgets it.',
  );
}

const isThere = ({ status }: Connection): boolean => status !== 'revoked';

const yours = (names: readonly string[]): string =>
  names.length === 0 ? 'You have none.' : `You have: ${names.join(', ')}.`;
