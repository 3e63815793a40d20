import { checkKeyForm } from '../keys/key-form.ts';
import { offeredTo, remember, runsTheHost } from '../keys/offer-old-keys.ts';
import type { OldKey } from '../keys/old-keys.ts';
import { keyFormText, verdictError, verdictText } from '../replies/connection-replies.ts';
import { adoptedText, leftAsIs, nothingToAdopt, notTheHosts } from '../replies/old-key-replies.ts';
import { type Call, type Command, type FullReply, RefusalError, UsageError } from './command.ts';
import type { CommandDeps } from './command-deps.ts';
import { keepKey } from './keep-key.ts';

/** `!provider adopt`: a key that is on the host already becomes a connection. */
export const adoptCommand = (deps: CommandDeps): Command => ({
  path: 'provider adopt',
  parameters: '<id|all|no>',
  family: 'Provider',
  summary: 'connect a key that is in .env or in opencode’s own login; it stays there',
  detail:
    'The key is sealed for you, and used for your own runs alone. What is there is not changed: local goes on using it. !provider disconnect is the way back.',
  examples: ['!provider adopt openrouter', '!provider adopt all', '!provider adopt no'],
  role: 'admin',
  instead: notTheHosts,
  kind: 'lasting',
  repeatable: true,
  run: async (call, signal) => {
    const { stores, connections } = deps;
    const { publicKey } = call.owner;
    if (!runsTheHost(stores, publicKey)) throw new RefusalError(notTheHosts);
    const offered = offeredTo({ oldKeys: connections.oldKeys, stores }, publicKey);
    const asked = call.argument.toLowerCase();
    if (asked === 'no') return { reply: leftAsIs, commit: () => remember(stores, 'answered', offered) };
    if (offered.length === 0) throw new RefusalError(nothingToAdopt);
    const those = asked === 'all' ? offered : offered.filter(({ provider }) => provider.id === asked);
    if (those.length === 0)
      throw new UsageError(`Which one? There are: ${offered.map(({ provider }) => provider.id).join(', ')}.`);
    const replies: FullReply[] = [];
    for (const old of those) replies.push(await adopt(deps, call, old, signal));
    return {
      reply: replies.map(({ reply }) => reply).join('\n\n'),
      commit: () => {
        for (const { commit } of replies) commit?.();
      },
    };
  },
});

async function adopt(
  deps: CommandDeps,
  { owner }: Call,
  old: OldKey,
  signal: AbortSignal,
): Promise<FullReply> {
  const { oldKeys, protect, verify, vault } = deps.connections;
  const { provider, from } = old;
  const { id, name } = provider;
  const key = oldKeys.keyOf(old);
  if (key === undefined) return { reply: `The key for ${name} is not there any more.` };
  const problem = checkKeyForm(provider, key);
  if (problem !== undefined)
    return { reply: `${name}: ${keyFormText(provider, problem)} Nothing was connected.` };
  const release = protect(key);
  try {
    const verdict = await verify(provider, key, signal);
    if (verdict.state === 'refused')
      return {
        reply: `${name} does not accept the key from ${from} (${verdict.status}): nothing was connected.`,
      };
    const error = verdictError(verdict);
    const credential = vault.seal(owner.publicKey, id, key);
    return {
      reply: adoptedText(name, id, from, verdictText(name, verdict)),
      commit: () => {
        keepKey(deps, { owner: owner.publicKey, provider: id, kind: 'api', credential, error });
        remember(deps.stores, 'answered', [old]);
      },
    };
  } finally {
    release();
  }
}
