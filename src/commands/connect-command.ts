import type { PublicKey } from '@nostr-dm-agent/nostr';
import {
  type Catalogue,
  type Connectable,
  hasLogin,
  isConnectable,
  isKeyProvider,
  type KeyProvider,
} from '../keys/catalogue.ts';
import type { Connection } from '../keys/connection.ts';
import { checkKeyForm, looksLikeKey, providerOfKey } from '../keys/key-form.ts';
import { holdsSealed } from '../keys/keys-in-messages.ts';
import { SealError } from '../keys/seal.ts';
import type { Vault } from '../keys/sealed-connections.ts';
import type { KeyVerdict } from '../keys/verify-key.ts';
import {
  connectUsage,
  deleteAdvice,
  keyFormText,
  notByKeyText,
  verdictError,
  verdictText,
  wellKnownText,
} from '../replies/connection-replies.ts';
import { formatAgo, lines } from '../replies/format.ts';
import { loginBegunText, loginOverText, loginRefusedText } from '../replies/login-replies.ts';
import { type Call, type Command, type FullReply, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';
import { keepKey } from './keep-key.ts';

/** How long a key waits for the word that it shall take the place of another. */
const replaceMs = 15 * 60_000;

/** `!provider connect`: a key of an owner's own. */
export const connectCommand = (deps: CommandDeps): Command => ({
  path: 'provider connect',
  parameters: '<id> <key>',
  family: 'Provider',
  summary: 'use an API key of your own with a provider that opencode knows',
  detail:
    'The key is sealed before it is stored, opened only for your own runs, and removed from the message that brought it; delete that message in your client. A key that is there already is replaced only when you say so. Without a key: a login, where the provider has one.',
  examples: [
    '!provider connect anthropic sk-ant-…',
    '!provider connect openrouter sk-or-…',
    '!provider connect github-copilot',
  ],
  role: 'member',
  timeless: true,
  kind: 'lasting',
  repeatable: true,
  run: async (call, signal) => {
    const secret = holdsSealed(call.argument);
    try {
      const text = deps.connections.reveal(call.message, call.argument);
      const outcome = await connect(deps, call, text, signal);
      return secret ? { ...outcome, reply: `${outcome.reply}\n\n${deleteAdvice}` } : outcome;
    } catch (cause) {
      throw withAdvice(cause, secret);
    }
  },
});

async function connect(
  deps: CommandDeps,
  { owner: { publicKey } }: Call,
  text: string,
  signal: AbortSignal,
): Promise<FullReply> {
  const { catalogue, store, vault, protect } = deps.connections;
  const { provider, key, replace } = readConnect(catalogue, text);
  const { id, name } = provider;
  if (key === '' && replace) return replaceWithProposed(deps, publicKey, provider);
  // A key that comes while a login waits for a code is a key: nobody else is shown it.
  const coded = key === '' || looksLikeKey(key) ? undefined : deps.logins.enterCode(publicKey, id, key);
  if (coded !== undefined) {
    const outcome = await coded;
    return { reply: loginOverText(name, id, outcome === 'ended' ? 'failed' : outcome) };
  }
  if (key === '' && hasLogin(provider)) return { reply: await logIn(deps, publicKey, provider, signal) };
  if (!isKeyProvider(provider)) throw new RefusalError(notByKeyText(provider));
  const problem = checkKeyForm(provider, key);
  if (problem !== undefined)
    throw new RefusalError(`${keyFormText(provider, problem)} Expected: ${connectUsage(id)}`);
  const there = store.get(publicKey, id);
  const release = protect(key);
  try {
    const verdict = await verified(deps, provider, key, signal);
    const said = verdictText(name, verdict);
    const error = verdictError(verdict);
    if (there !== undefined && isKeyOf(vault, there, key)) {
      return {
        reply: `You are connected to ${name} with this very key already. ${said}`,
        commit: () => store.mark(publicKey, id, error === undefined ? 'connected' : 'error', error),
      };
    }
    const credential = vault.seal(publicKey, id, key);
    if (there?.credential !== undefined && there.status === 'connected' && !replace) {
      const used =
        there.usedAt === undefined ? 'not used yet' : `used ${formatAgo(deps.clock.now() - there.usedAt)}`;
      return {
        reply: `You have a connection to ${name} already (${used}). ${said}\nTo replace it with the new key, send !provider connect ${id} replace within 15 minutes; otherwise the old one stays.`,
        commit: () => store.propose(publicKey, id, credential),
      };
    }
    const what = there?.credential === undefined ? 'Connected to' : 'Replaced the key for';
    return {
      reply: connectedText(deps, publicKey, provider, `${what} ${name}. ${said}`),
      commit: () => keepKey(deps, { owner: publicKey, provider: id, credential, error }),
    };
  } finally {
    release();
  }
}

/** What its owner has to do; the rest goes on behind. @throws RefusalError */
async function logIn(
  { connections, logins, clock }: CommandDeps,
  owner: PublicKey,
  provider: Connectable,
  signal: AbortSignal,
): Promise<string> {
  const { id, name } = provider;
  const there = connections.store.get(owner, id);
  if (there?.status === 'connected') {
    const used =
      there.usedAt === undefined ? 'not used yet' : `used ${formatAgo(clock.now() - there.usedAt)}`;
    throw new RefusalError(
      `You have a connection to ${name} already (${used}). To log in instead, first !provider disconnect ${id}; to put a key in its place, ${connectUsage(id)}.`,
    );
  }
  const begun = await logins.begin(owner, id, signal);
  if (begun.state === 'refused') throw new RefusalError(loginRefusedText(provider, begun));
  const key = provider.keys ? `\nOr, instead of a login, a key: ${connectUsage(id)}` : '';
  return `${loginBegunText(name, begun)}${key}`;
}

/** The key that was sent before takes the place of the one there is. */
function replaceWithProposed(deps: CommandDeps, owner: PublicKey, provider: Connectable): FullReply {
  const { store } = deps.connections;
  const { id, name } = provider;
  const proposed = store.get(owner, id)?.replacement;
  if (proposed === undefined || proposed.at < deps.clock.now() - replaceMs) {
    throw new RefusalError(`No key for ${id} waits to be used. Send it: ${connectUsage(id)}.`);
  }
  const { credential } = proposed;
  const said = `Replaced the key for ${name}. It was looked at when you sent it.`;
  return {
    reply: connectedText(deps, owner, provider, said),
    commit: () => keepKey(deps, { owner, provider: id, credential, error: undefined }),
  };
}

/** The provider and the key of a message, with what is to be done about a connection that is there. */
function readConnect(catalogue: Catalogue, text: string) {
  const [first = '', ...rest] = text.split(/\s+/).filter(Boolean);
  if (first === '') throw new UsageError('The provider and its key are missing.');
  if (/^https?:\/\//i.test(first)) throw new RefusalError(wellKnownText);
  const firstIsKey =
    catalogue.get(first.toLowerCase()) === undefined && (looksLikeKey(first) || first.length > 40);
  if (firstIsKey) {
    const id = providerOfKey(first) ?? '<provider>';
    throw new RefusalError(`That looks like a key. The provider comes first: ${connectUsage(id)}.`);
  }
  const provider = findProvider(catalogue, first);
  const replace = rest.length > 0 && rest.at(-1)?.toLowerCase() === 'replace';
  const key = (replace ? rest.slice(0, -1) : rest).join(' ').replace(/^(["'`])(.*)\1$/, '$2');
  return { provider, key, replace };
}

function findProvider(catalogue: Catalogue, asked: string): Connectable {
  const id = asked.toLowerCase();
  if (id === 'local' || id === 'routstr') {
    throw new RefusalError(`${id} needs no key: !provider set ${id}.`);
  }
  const found = catalogue.get(id);
  if (found === undefined) throw new UsageError(unknownProvider(catalogue, asked));
  if (!isConnectable(found)) throw new RefusalError(notByKeyText(found));
  return found;
}

/** What the provider says of the key. @throws RefusalError when it does not take it */
async function verified(
  { connections }: CommandDeps,
  provider: KeyProvider,
  key: string,
  signal: AbortSignal,
): Promise<Exclude<KeyVerdict, { state: 'refused' }>> {
  const verdict = await connections.verify(provider, key, signal);
  if (verdict.state !== 'refused') return verdict;
  throw new RefusalError(
    `${provider.name} does not accept that key (${verdict.status}), so nothing was changed. Was all of it copied, and is it still valid there?`,
  );
}

const connectedText = (
  { providers }: CommandDeps,
  owner: PublicKey,
  { id }: Connectable,
  said: string,
): string =>
  lines(
    said,
    providers.chosenBy(owner) === id
      ? 'Your tasks use it from now on.'
      : `!provider set ${id} lets your tasks use it, !new ${id} only a new session.`,
  );

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
