import type { CatalogueEntry } from '../keys/catalogue.ts';
import type { ConnectedProvider, Connection, ConnectionStatus } from '../keys/connection.ts';
import { isRefusedRun, type KeyFormProblem } from '../keys/key-form.ts';
import type { KeyVerdict } from '../keys/verify-key.ts';
import type { ProviderNote } from '../runs/chosen-provider.ts';
import type { RunFailure } from '../runs/provider.ts';
import { formatAgo, shorten } from './format.ts';

/** After every message that carried a key. */
export const deleteAdvice =
  'Now delete your message with the key: in your client, and with it on the relays, whoever has your Nostr key can read it. What the bot stores of that message no longer has the key in it.';

/** `!provider connect anthropic <key>` */
export const connectUsage = (id: string): string => `!provider connect ${id} <key>`;

/** One sentence on what is wrong with a key; never the key. */
export function keyFormText(
  { id, name }: Pick<CatalogueEntry, 'id' | 'name'>,
  problem: KeyFormProblem,
): string {
  switch (problem.kind) {
    case 'missing':
      return `The key is missing. You get one from ${name}.`;
    case 'placeholder':
      return `That is a placeholder, not a key. You get one from ${name}.`;
    case 'spaces':
      return 'A key has no spaces or line breaks in it; was it cut when it was copied?';
    case 'characters':
      return 'It has characters in it that no key has; was it changed when it was copied?';
    case 'short':
      return 'It is too short for a key; was it cut when it was copied?';
    case 'long':
      return 'It is too long for a key.';
    case 'prefix':
      return `A key of ${name} begins with ${problem.expected}, this one does not.`;
    case 'other':
      return `That is a key of ${problem.provider}, not of ${id}: ${connectUsage(problem.provider)}.`;
  }
}

/** Why a provider of the catalogue can't be connected by a key, and what to do instead. */
export function notByKeyText({ id, name, needs, keys, model, logins }: CatalogueEntry): string {
  const use = model === undefined ? '' : ` and !model ${id}/${model}`;
  const instead = `Whoever runs the bot can set it up in a terminal on the host: opencode auth login --provider ${id}. From then on !provider set local${use} use it, for everybody here.`;
  if (!keys && logins.length > 0)
    return `${name} takes no API keys, but a login (${logins.join(', ')}): !provider connect ${id} begins one.`;
  if (model === undefined) return `${name} has no model that can work as an agent.`;
  const more = needs.length === 0 ? 'more than a key' : `more than a key (${needs.join(', ')})`;
  return `${name} needs ${more}, which the bot can’t take by DM. ${instead}`;
}

/** What is known of a key that was just connected. */
export function verdictText(name: string, verdict: Exclude<KeyVerdict, { state: 'refused' }>): string {
  if (verdict.state === 'valid') return `${name} accepts the key.`;
  if (verdict.state === 'forbidden')
    return `${name} knows the key, but lets it ask nothing there (403): your first task shows whether it may call models.`;
  return verdict.why === 'unreachable'
    ? `${name} could not be reached, so the key is not checked: your first task shows whether it works.`
    : `${name} has no way to check a key for free: your first task shows whether it works.`;
}

/** An entry of `!provider list`. */
export function connectionLines(connection: Connection, now: number, preferred: boolean): readonly string[] {
  const { provider, kind, status, error, usedAt, updatedAt } = connection;
  const connect = kind === 'oauth' ? `!provider connect ${provider}` : connectUsage(provider);
  if (status === 'revoked')
    return [
      `${provider} · revoked · disconnected ${formatAgo(now - updatedAt)}`,
      `  ${connect} connects it again`,
    ];
  const facts = [
    provider,
    status,
    usedAt === undefined ? 'not used yet' : `used ${formatAgo(now - usedAt)}`,
    ...(preferred ? ['preferred'] : []),
  ];
  const broken = status !== 'connected';
  return [
    facts.join(' · '),
    ...(error === undefined ? [] : [`  last error: ${shorten(error, 160)}`]),
    ...(broken ? [`  ${connect} fixes it`] : []),
  ];
}

/** What `!provider check` found of one. */
export const checkedText = (name: string, verdict: KeyVerdict): string =>
  verdict.state === 'refused'
    ? `${name} does not accept your key any more (${verdict.status}).`
    : verdictText(name, verdict);

/** What a verdict leaves as the last error; undefined: nothing. */
export const verdictError = (verdict: KeyVerdict): string | undefined => {
  if (verdict.state === 'refused') return `${verdict.status} at a check: the key is not accepted`;
  return verdict.state === 'forbidden' ? '403 at a check: the key may not ask for the models' : undefined;
};

/** What the owner of a run is told that another provider paid for than they wanted. */
export function providerNoteText(note: ProviderNote): string {
  const { wanted } = note;
  switch (note.why) {
    case 'backend':
      return `${note.backend} works on its own login, so ${wanted} was not used.`;
    case 'broken':
      return `This session was with ${wanted}, ${note.gone ? 'which you are no longer connected to' : 'whose key does not work'}, so ${note.used} was used. ${connectUsage(wanted)} fixes it.`;
    case 'not-connected':
      return `You are not connected to ${wanted}, so local was used. ${connectUsage(wanted)} makes one; !provider set local stays with local.`;
    case 'missing':
      return wanted === 'routstr'
        ? noWalletForRoutstr
        : `Provider ${wanted} is not connected, so local was used.`;
  }
}

/** Also for admins when the bot starts. */
export const noWalletForRoutstr =
  'Provider routstr is set, but there is no wallet: CASHU_MNEMONIC is missing. Runs use local.';

/** Who pays when an owner has chosen this connection, in a few words. */
export const connectionMeaning = ({ title, model }: ConnectedProvider): string =>
  `your own key at ${title} pays (${model}, unless you choose another model of it)`;

/** The provider, for `!status`: one that is reached by a key. */
export const connectionLine = (provider: string, status: ConnectionStatus): string =>
  status === 'revoked'
    ? `local (${provider} is not connected: ${connectUsage(provider)})`
    : `${provider} (your own key${status === 'connected' ? '' : `: ${status}, see !provider list`})`;

/** Why a run does not begin. */
export const notConnectedText = (provider: string): string =>
  `You are not connected to ${provider}. ${connectUsage(provider)} makes one, !provider set local goes on without.`;
export const lockedKeyText = (provider: string): string =>
  `Your key for ${provider} can’t be opened: the bot’s own key was changed. Send it again with ${connectUsage(provider)}, or go on without it: !provider set local.`;

export const expiredLoginText = (provider: string): string =>
  `Your login to ${provider} has run out, and ${provider} does not renew it. !provider connect ${provider} logs in again, !provider set local goes on without.`;
export const notRenewedText = (provider: string): string =>
  `Your login to ${provider} has to be renewed, and ${provider} does not answer. !retry tries again, !provider set local goes on without.`;

/** What a failure means where the owner's own key paid; undefined: nothing that other runs would not say as well. */
export function describeConnectionFailure(provider: string, failure: RunFailure): string | undefined {
  const status = failure.status === undefined ? '' : ` (${failure.status})`;
  const said = failure.detail === undefined ? '' : `\nIt said: ${failure.detail}`;
  const ways = `send ${connectUsage(provider)}, then !retry. Or go on without it: !provider set local.`;
  if (isRefusedRun(failure)) {
    return `${provider} refused your key${status}. Make a new one there and ${ways}${said}`;
  }
  switch (failure.kind) {
    case 'unauthorized':
      return `Your key for ${provider} may not do this${status}: allow it there, or ${ways}${said}`;
    case 'budget_exhausted':
      return `What you have at ${provider} is used up: top it up there, then !retry. Or go on without it: !provider set local.${said}`;
    default:
      return undefined;
  }
}

/** To an owner whose keys the bot can no longer open. */
export const lockedNotice = (providers: readonly string[]): string =>
  `The bot has a new key of its own and can no longer open your API keys: ${providers.join(', ')}. Send each again: ${connectUsage('<id>')}. Whoever runs the bot can also fix it with the old key (reseal).`;

/** For admins, when the bot has started. */
export const lockedLine = (count: number): string | undefined =>
  count === 0
    ? undefined
    : `API keys that can’t be opened with the bot’s present key: ${count}. With the old one in BOT_KEY_OLD, the command reseal fixes that.`;
