import type { InboundMessage } from '@nostr-dm-agent/nostr';
import type { Asks } from '../runs/asks.ts';
import type { Match } from './command-registry.ts';
import { isConsent } from './meaning/everyday-words.ts';
import type { Meaning } from './meaning/meaning.ts';
import type { Orders } from './orders.ts';

/** These are what they are, also while a question waits: money and keys are never shown to a model. */
const MORE_THAN_WORDS: ReadonlySet<Meaning['kind']> = new Set([
  ...(['empty', 'commands', 'tokens', 'invoice', 'payee', 'secret', 'access-key'] as const),
]);

/** `no, use git rm`: what follows is the reason. */
const NO_WITH_REASON = /^(?:no|nope|nah|nein|non|não)\s*[,.:;!–—-]+\s*(\S.*)$/isu;

/**
 * What is said while the agent waits for its owner, as the command that it stands for; undefined: it is something else.
 * A bare yes or no answers what may be done; other words answer a question that waits.
 */
export function answerIn(
  meaning: Meaning,
  message: Pick<InboundMessage, 'sender' | 'text' | 'references'>,
  asks: Pick<Asks, 'open'>,
  match: (text: string) => Match,
): Orders | undefined {
  const open = asks.open(message.sender);
  if (open.length === 0) return undefined;
  const meant = open.find(({ messages }) => messages.some((id) => message.references.includes(id)));
  const asked = (meant === undefined ? open : [meant]).map(({ about }) => about.kind);
  const as = (command: string): Orders => ({ commands: [match(command)], note: undefined });
  const { text } = message;
  if (asked.includes('approval')) {
    const isNo = meaning.kind === 'answer' && meaning.answer === 'no';
    const why = isNo || isTalk(meaning) ? NO_WITH_REASON.exec(text.trim())?.[1] : undefined;
    if (why !== undefined) return as(`!no ${why}`);
    if (meaning.kind === 'answer') return as(`!${meaning.answer}`);
    if (isTalk(meaning) && isConsent(text)) return as('!yes');
  }
  if (!asked.includes('question')) return undefined;
  return MORE_THAN_WORDS.has(meaning.kind) ? undefined : as(`!answer ${text}`);
}

const isTalk = ({ kind }: Meaning): boolean =>
  kind === 'task' || kind === 'fragment' || kind === 'called-off';
