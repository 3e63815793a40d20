import type { PublicKey } from '@nostr-dm-agent/nostr';
import {
  type Catalogue,
  type Connectable,
  hasLogin,
  isConnectable,
  isKeyProvider,
} from '../keys/catalogue.ts';
import { looksLikeKey, providerOfKey } from '../keys/key-form.ts';
import { holdsSealed } from '../keys/keys-in-messages.ts';
import { SealError } from '../keys/seal.ts';
import { refusedAddressText } from '../replies/announced-replies.ts';
import { connectUsage, deleteAdvice, notByKeyText } from '../replies/connection-replies.ts';
import { formatAgo } from '../replies/format.ts';
import { loginBegunText, loginOverText, loginRefusedText } from '../replies/login-replies.ts';
import { type Call, type Command, type FullReply, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';
import { connectAnnounced } from './connect-announced.ts';
import { offerKey, replaceWithProposed } from './offer-key.ts';

/** `!provider connect`: a key of an owner's own. */
export const connectCommand = (deps: CommandDeps): Command => ({
  path: 'provider connect',
  parameters: '<id|address> <key>',
  family: 'Provider',
  summary: 'use an API key of your own with a provider, or one that announces itself',
  detail:
    'The key is sealed before it is stored, opened only for your own runs, and removed from the message that brought it; delete that message in your client. A key that is there already is replaced only when you say so. Without a key: a login, where the provider has one. With an address: what it announces of a provider, and how to get a key for it.',
  examples: [
    '!provider connect anthropic sk-ant-…',
    '!provider connect openrouter sk-or-…',
    '!provider connect github-copilot',
    '!provider connect https://corp.example',
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
  const { catalogue, announcer } = deps.connections;
  const { first, key, replace } = readConnect(text);
  const address = catalogue.get(first.toLowerCase()) === undefined ? announcer(first) : undefined;
  if (address !== undefined) {
    if ('refused' in address) throw new RefusalError(refusedAddressText(address.refused));
    return connectAnnounced(deps, publicKey, { address, key, replace }, signal);
  }
  const provider = readProvider(catalogue, first);
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
  const kept = { type: 'api', key } as const;
  return offerKey(deps, publicKey, { provider, kind: 'api', key, kept, replace }, signal);
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

/** The parts of a message: where to, the key, and what is to be done about a connection that is there. */
function readConnect(text: string) {
  const [first = '', ...rest] = text.split(/\s+/).filter(Boolean);
  if (first === '') throw new UsageError('The provider and its key are missing.');
  const replace = rest.length > 0 && rest.at(-1)?.toLowerCase() === 'replace';
  const key = (replace ? rest.slice(0, -1) : rest).join(' ').replace(/^(["'`])(.*)\1$/, '$2');
  return { first, key, replace };
}

function readProvider(catalogue: Catalogue, first: string): Connectable {
  const firstIsKey =
    catalogue.get(first.toLowerCase()) === undefined && (looksLikeKey(first) || first.length > 40);
  if (firstIsKey) {
    const id = providerOfKey(first) ?? '<provider>';
    throw new RefusalError(`That looks like a key. The provider comes first: ${connectUsage(id)}.`);
  }
  return findProvider(catalogue, first);
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

function unknownProvider(catalogue: Catalogue, asked: string): string {
  const nearest = catalogue.nearest(asked);
  const hint = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
  // What may be a key is not repeated.
  const name = /^[a-z][a-z .-]{0,30}\d{0,3}$/i.test(asked) ? `no provider “${asked}”` : 'no such provider';
  return `opencode knows ${name}.${hint}`;
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
