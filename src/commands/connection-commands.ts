import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { type Catalogue, isKeyProvider, type KeyProvider } from '../keys/catalogue.ts';
import type { Connection, ConnectionStore } from '../keys/connection.ts';
import { checkKeyForm, looksLikeKey, providerOfKey } from '../keys/key-form.ts';
import { holdsSealed, type MessageKeys } from '../keys/keys-in-messages.ts';
import { SealError } from '../keys/seal.ts';
import type { Vault } from '../keys/sealed-connections.ts';
import type { KeyVerdict } from '../keys/verify-key.ts';
import {
  connectionLines,
  connectUsage,
  deleteAdvice,
  keyFormText,
  notByKeyText,
  verdictText,
  wellKnownText,
} from '../replies/connection-replies.ts';
import { formatAgo } from '../replies/format.ts';
import { type Call, type Command, type Outcome, RefusalError, UsageError } from './command.ts';

/** How long a key waits for the word that it shall take the place of another. */
const replaceMs = 15 * 60_000;

export type ConnectionCommandDeps = {
  readonly catalogue: Catalogue;
  readonly store: ConnectionStore;
  readonly vault: Vault;
  readonly reveal: MessageKeys['reveal'];
  readonly verify: (provider: KeyProvider, key: string, signal: AbortSignal) => Promise<KeyVerdict>;
  /** Keeps a secret out of the log until the returned function is called. */
  readonly protect: (secret: string) => () => void;
};

/** `!provider connect`, `!provider disconnect`, `!provider list`: each owner's own connections. */
export function connectionCommands(deps: {
  readonly connections: ConnectionCommandDeps;
  readonly chosenBy: (owner: PublicKey) => string;
  readonly clock: Clock;
}): readonly Command[] {
  const { connections, chosenBy, clock } = deps;
  const { catalogue, store, vault } = connections;

  const find = (asked: string): KeyProvider => {
    const id = asked.toLowerCase();
    if (id === 'local' || id === 'routstr') {
      throw new RefusalError(`${id} needs no key: !provider set ${id}.`);
    }
    const found = catalogue.get(id);
    if (found === undefined) throw new UsageError(unknownProvider(catalogue, asked));
    if (!isKeyProvider(found)) throw new RefusalError(notByKeyText(found));
    return found;
  };

  /** The provider and the key of a message, with what is to be done about a connection that is there. */
  const read = (text: string) => {
    const [first = '', ...rest] = text.split(/\s+/).filter(Boolean);
    if (first === '') throw new UsageError('The provider and its key are missing.');
    if (/^https?:\/\//i.test(first)) throw new RefusalError(wellKnownText);
    const firstIsKey =
      catalogue.get(first.toLowerCase()) === undefined && (looksLikeKey(first) || first.length > 40);
    if (firstIsKey) {
      const id = providerOfKey(first) ?? '<provider>';
      throw new RefusalError(`That looks like a key. The provider comes first: ${connectUsage(id)}.`);
    }
    const provider = find(first);
    const replace = rest.length > 0 && rest.at(-1)?.toLowerCase() === 'replace';
    const key = (replace ? rest.slice(0, -1) : rest).join(' ').replace(/^(["'`])(.*)\1$/, '$2');
    return { provider, key, replace };
  };

  const verified = async (provider: KeyProvider, key: string, signal: AbortSignal) => {
    const verdict = await connections.verify(provider, key, signal);
    if (verdict.state !== 'refused') return verdict;
    throw new RefusalError(
      `${provider.name} does not accept that key (${verdict.status}), so nothing was changed. Was all of it copied, and is it still valid there?`,
    );
  };

  const connected = (owner: PublicKey, { id, name }: KeyProvider, what: string, said: string): string => {
    const next =
      chosenBy(owner) === id
        ? 'Your tasks use it from now on.'
        : `!provider set ${id} lets your tasks use it, !new ${id} only a new session.`;
    return [`${what} ${name}. ${said}`, next].join('\n');
  };

  /** The key that was sent before takes the place of the one there is. */
  const replaceWithProposed = (owner: PublicKey, provider: KeyProvider): Outcome => {
    const proposed = store.get(owner, provider.id)?.replacement;
    if (proposed === undefined || proposed.at < clock.now() - replaceMs) {
      throw new RefusalError(
        `No key for ${provider.id} waits to be used. Send it: ${connectUsage(provider.id)}.`,
      );
    }
    const { credential } = proposed;
    return {
      reply: connected(owner, provider, 'Replaced the key for', 'It was looked at when you sent it.'),
      commit: () => store.put({ owner, provider: provider.id, kind: 'api', credential, error: undefined }),
    };
  };

  const connect = async ({ owner, message }: Call, text: string, signal: AbortSignal): Promise<Outcome> => {
    const { provider, key, replace } = read(text);
    const { publicKey } = owner;
    const { id } = provider;
    if (key === '' && replace) return replaceWithProposed(publicKey, provider);
    const problem = checkKeyForm(provider, key);
    if (problem !== undefined)
      throw new RefusalError(`${keyFormText(provider, problem)} Expected: ${connectUsage(id)}`);
    const there = store.get(publicKey, id);
    const release = connections.protect(key);
    try {
      const verdict = await verified(provider, key, signal);
      const said = verdictText(provider.name, verdict);
      if (there !== undefined && isKeyOf(vault, there, key)) {
        return {
          reply: `You are connected to ${provider.name} with this very key already. ${said}`,
          commit: () => store.mark(publicKey, id, 'connected', undefined),
        };
      }
      const credential = vault.seal(publicKey, id, key);
      if (there?.credential !== undefined && there.status === 'connected' && !replace) {
        const used =
          there.usedAt === undefined ? 'not used yet' : `used ${formatAgo(clock.now() - there.usedAt)}`;
        return {
          reply: `You have a connection to ${provider.name} already (${used}). ${said}\nShall the new key take its place? Send !provider connect ${id} replace within 15 minutes; without that the old one stays.`,
          commit: () => store.propose(publicKey, id, credential),
        };
      }
      const what = there?.credential === undefined ? 'Connected to' : 'Replaced the key for';
      return {
        reply: connected(publicKey, provider, what, said),
        commit: () =>
          store.put({ owner: message.sender, provider: id, kind: 'api', credential, error: undefined }),
      };
    } finally {
      release();
    }
  };

  return [
    {
      path: 'provider connect',
      parameters: '<id> <key>',
      family: 'Provider',
      summary: 'use an API key of your own with a provider that opencode knows',
      detail:
        'The key is sealed before it is stored, opened only for your own runs, and removed from the message that brought it; delete that message in your client. A key that is there already is replaced only when you say so.',
      examples: ['!provider connect anthropic sk-ant-…', '!provider connect openrouter sk-or-…'],
      role: 'member',
      timeless: true,
      kind: 'lasting',
      repeatable: true,
      run: async (call, signal) => {
        const secret = holdsSealed(call.argument);
        try {
          const outcome = await connect(call, connections.reveal(call.message, call.argument), signal);
          return secret && 'reply' in outcome
            ? { ...outcome, reply: `${outcome.reply}\n\n${deleteAdvice}` }
            : outcome;
        } catch (cause) {
          throw withAdvice(cause, secret);
        }
      },
    },
    {
      path: 'provider disconnect',
      parameters: '<id>',
      family: 'Provider',
      summary: 'forget your API key for a provider',
      detail: 'The bot forgets it; at the provider it stays valid until you revoke it there.',
      examples: ['!provider disconnect anthropic'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner, argument }) => {
        const { publicKey } = owner;
        const names = store
          .list(publicKey)
          .filter(isThere)
          .map(({ provider }) => provider);
        if (argument === '') throw new UsageError(`Which one? ${yours(names)}`);
        const id = names.find((name) => name === argument.toLowerCase());
        if (id === undefined || !store.revoke(publicKey, id)) {
          throw new RefusalError(`You have no connection of that name. ${yours(names)}`);
        }
        const next =
          chosenBy(publicKey) === id ? ' It was your provider: until you set another, local is used.' : '';
        return {
          reply: `Disconnected: the bot has forgotten your key for ${id}.${next} It stays valid at ${id} until you revoke it there.`,
        };
      },
    },
    {
      path: 'provider list',
      parameters: '',
      family: 'Provider',
      summary: 'your connected providers: status, last use, last error',
      examples: ['!provider list'],
      role: 'member',
      kind: 'immediate',
      run: ({ owner }) => {
        const chosen = chosenBy(owner.publicKey);
        const there = store.list(owner.publicKey).filter(isThere);
        if (there.length === 0) {
          const missing =
            catalogue.get(chosen) === undefined
              ? ''
              : ` (${chosen} is set, but not connected, so local is used)`;
          return {
            reply: `No provider is connected with a key of yours${missing}. !provider connect <id> <key> connects one of the ${catalogue.keyProviders.length} that opencode knows: anthropic, openai, openrouter, google, groq, mistral, xai, …`,
          };
        }
        const lines = there.flatMap((connection) =>
          connectionLines(connection, clock.now(), connection.provider === chosen),
        );
        const builtIn = ['local', 'routstr'].find((name) => name === chosen);
        return {
          reply: [
            ...lines,
            ...(builtIn === undefined ? [] : [`Preferred: ${builtIn}.`]),
            '!provider set <id> prefers one, !provider disconnect <id> forgets it.',
          ].join('\n'),
        };
      },
    },
  ];
}

const isThere = ({ status }: Connection): boolean => status !== 'revoked';

const yours = (names: readonly string[]): string =>
  names.length === 0 ? 'You have none.' : `You have: ${names.join(', ')}.`;

function unknownProvider(catalogue: Catalogue, asked: string): string {
  const nearest = catalogue.nearest(asked);
  const hint = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
  // What may be a key is not repeated.
  const name = /^[a-z][a-z .-]{0,30}\d{0,3}$/i.test(asked) ? `no provider “${asked}”` : 'no such provider';
  return `opencode knows ${name}.${hint}`;
}

/** Whether a connection has this key; one that can't be opened has none. */
function isKeyOf(vault: Vault, { owner, provider, credential }: Connection, key: string): boolean {
  try {
    return credential !== undefined && vault.open(owner, provider, credential) === key;
  } catch (error) {
    if (error instanceof SealError) return false;
    throw error;
  }
}

/** Who sent a key is told to delete it, also when nothing came of it. */
function withAdvice(cause: unknown, secret: boolean): unknown {
  if (cause instanceof SealError) {
    return new RefusalError(
      'The key in that message can’t be read any more: the bot’s own key was changed meanwhile. Send it again.',
    );
  }
  if (!secret) return cause;
  if (cause instanceof RefusalError) return new RefusalError(`${cause.reason}\n\n${deleteAdvice}`);
  if (cause instanceof UsageError)
    return new RefusalError(`${cause.problem}\nExpected: ${connectUsage('<id>')}\n\n${deleteAdvice}`);
  return cause;
}
