import type { PublicKey } from '@nostr-dm-agent/nostr';
import { isKeyProvider } from '../keys/catalogue.ts';
import type { Connection } from '../keys/connection.ts';
import { SealError } from '../keys/seal.ts';
import { sealedOtherwise } from '../keys/sealed-connections.ts';
import {
  checkedText,
  expiredLoginText,
  lockedKeyText,
  notRenewedText,
  verdictError,
} from '../replies/connection-replies.ts';
import { type Command, RefusalError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';
import { connectionName } from './connection-name.ts';

/** `!provider check`: what a connection is worth now, without a run. */
export const checkConnectionCommand = (deps: CommandDeps): Command => ({
  path: 'provider check',
  parameters: '[id]',
  family: 'Provider',
  summary: 'ask your connected providers whether they still take your key',
  examples: ['!provider check', '!provider check anthropic'],
  role: 'member',
  kind: 'lasting',
  repeatable: true,
  run: async ({ owner: { publicKey }, argument }, signal) => {
    const asked = connectionName(deps, argument);
    const found = deps.connections.store
      .list(publicKey)
      .filter(({ status, provider }) => status !== 'revoked' && (asked === '' || provider === asked));
    if (found.length === 0)
      throw new RefusalError(
        asked === '' ? 'You have no connection.' : 'You have no connection of that name: see !provider list.',
      );
    const checked = await Promise.all(found.map((connection) => check(deps, publicKey, connection, signal)));
    return {
      reply: checked.map(({ said }) => said).join('\n'),
      commit: () => {
        for (const { commit } of checked) commit();
      },
    };
  },
});

async function check(
  { connections }: CommandDeps,
  owner: PublicKey,
  connection: Connection,
  signal: AbortSignal,
): Promise<{ readonly said: string; readonly commit: () => void }> {
  const { entryOf, store, vault, verify, protect } = connections;
  const { provider: id, credential } = connection;
  const entry = entryOf(owner, id);
  if (connection.kind === 'oauth') return checkLogin(connections, owner, id, signal);
  if (credential === undefined || entry === undefined || !isKeyProvider(entry))
    return { said: `${id} can’t be checked.`, commit: () => undefined };
  /** What was found is said of this credential, not of one that took its place meanwhile. */
  const mark = (error: string | undefined) => {
    if (store.get(owner, id)?.credential === credential)
      store.mark(owner, id, error === undefined ? 'connected' : 'error', error);
  };
  let key: string;
  try {
    key = vault.open(owner, id, credential);
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    return { said: lockedKeyText(id), commit: () => mark(sealedOtherwise) };
  }
  const release = protect(key);
  try {
    const verdict = await verify(entry, key, signal);
    // No answer, and one that is the same for everybody, are no news of the key.
    const isNews = verdict.state !== 'unverified';
    return { said: checkedText(entry.name, verdict), commit: () => isNews && mark(verdictError(verdict)) };
  } finally {
    release();
  }
}

/** Renewing it is what shows whether it is still good; one that does not run out shows it with the next task. */
async function checkLogin(
  { catalogue, renewals }: CommandDeps['connections'],
  owner: PublicKey,
  id: string,
  signal: AbortSignal,
) {
  const name = catalogue.get(id)?.name ?? id;
  const fresh = await renewals.fresh(owner, id, signal, true);
  const commit = () => undefined;
  switch (fresh.state) {
    case 'good': {
      const lasts = fresh.credential.type === 'oauth' && fresh.credential.expires === 0;
      const said = lasts
        ? `${name} has no way to check a login for free: your next task shows whether it works.`
        : `${name} takes your login.`;
      return { said, commit };
    }
    case 'locked':
      return { said: lockedKeyText(id), commit };
    case 'unreachable':
      return { said: notRenewedText(id), commit };
    default:
      return { said: expiredLoginText(id), commit };
  }
}
