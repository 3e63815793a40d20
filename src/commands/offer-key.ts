import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { Connectable, KeyProvider } from '../keys/catalogue.ts';
import type { Connection, ConnectionKind } from '../keys/connection.ts';
import { checkKeyForm } from '../keys/key-form.ts';
import { SealError } from '../keys/seal.ts';
import { type KeptCredential, secretOf, type Vault } from '../keys/sealed-connections.ts';
import type { KeyVerdict } from '../keys/verify-key.ts';
import { connectUsage, keyFormText, verdictError, verdictText } from '../replies/connection-replies.ts';
import { formatAgo, lines } from '../replies/format.ts';
import { type FullReply, RefusalError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';
import { keepKey } from './keep-key.ts';

/** How long a key waits for the word that it shall take the place of another. */
const replaceMs = 15 * 60_000;

/** What an owner offers as theirs. */
export type OfferedKey = {
  readonly provider: KeyProvider;
  readonly kind: Exclude<ConnectionKind, 'oauth'>;
  readonly key: string;
  /** What is kept of it. */
  readonly kept: KeptCredential;
  /** It may take the place of another. */
  readonly replace: boolean;
};

/** A key is looked at, and becomes a connection, where there is none yet, or waits for its owner's word. @throws RefusalError */
export async function offerKey(
  deps: CommandDeps,
  owner: PublicKey,
  { provider, kind, key, kept, replace }: OfferedKey,
  signal: AbortSignal,
): Promise<FullReply> {
  const { store, vault, protect } = deps.connections;
  const { id, name } = provider;
  const problem = checkKeyForm(provider, key, kind);
  if (problem !== undefined)
    throw new RefusalError(`${keyFormText(provider, problem)} Expected: ${connectUsage(id)}`);
  const there = store.get(owner, id);
  const release = protect(key);
  try {
    const verdict = await verified(deps, provider, key, signal);
    const said = verdictText(name, verdict);
    const error = verdictError(verdict);
    const credential = vault.seal(owner, id, kept);
    if (there?.credential !== undefined && isKeyOf(vault, there, key)) {
      const from = there.credential;
      return {
        reply: `You are connected to ${name} with this very key already. ${said}`,
        commit: () => {
          // What it announces is read anew.
          if (kind === 'wellknown') store.renew(owner, id, from, credential);
          store.mark(owner, id, error === undefined ? 'connected' : 'error', error);
        },
      };
    }
    if (there?.credential !== undefined && there.status === 'connected' && !replace) {
      const used =
        there.usedAt === undefined ? 'not used yet' : `used ${formatAgo(deps.clock.now() - there.usedAt)}`;
      return {
        reply: `You have a connection to ${name} already (${used}). ${said}\nTo replace it with the new key, send !provider connect ${id} replace within 15 minutes; otherwise the old one stays.`,
        commit: () => store.propose(owner, id, credential),
      };
    }
    const what = there?.credential === undefined ? 'Connected to' : 'Replaced the key for';
    return {
      reply: connectedText(deps, owner, provider, `${what} ${name}. ${said}`),
      commit: () => keepKey(deps, { owner, provider: id, kind, credential, error }),
    };
  } finally {
    release();
  }
}

/** The key that was sent before takes the place of the one there is. */
export function replaceWithProposed(
  deps: CommandDeps,
  owner: PublicKey,
  { id, name }: Pick<Connectable, 'id' | 'name'>,
): FullReply {
  const { store } = deps.connections;
  const there = store.get(owner, id);
  const proposed = there?.replacement;
  if (proposed === undefined || proposed.at < deps.clock.now() - replaceMs) {
    throw new RefusalError(`No key for ${id} waits to be used. Send it: ${connectUsage(id)}.`);
  }
  const { credential } = proposed;
  const kind = there?.kind === 'wellknown' ? 'wellknown' : 'api';
  const said = `Replaced the key for ${name}. It was looked at when you sent it.`;
  return {
    reply: connectedText(deps, owner, { id }, said),
    commit: () => keepKey(deps, { owner, provider: id, kind, credential, error: undefined }),
  };
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
  { id }: Pick<Connectable, 'id'>,
  said: string,
): string =>
  lines(
    said,
    providers.chosenBy(owner) === id
      ? 'Your tasks use it from now on.'
      : `!provider set ${id} lets your tasks use it, !new ${id} only a new session.`,
  );

/** Whether a connection has this key; one that can't be opened has none. */
function isKeyOf(vault: Vault, { owner, provider, credential }: Connection, key: string): boolean {
  try {
    return credential !== undefined && secretOf(vault.read(owner, provider, credential)) === key;
  } catch (error) {
    if (error instanceof SealError) return false;
    throw error;
  }
}
