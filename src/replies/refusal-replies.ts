import type { FaultyReason, Refusal, RejectionReason } from '@nostr-dm-agent/nostr';
import { formatDuration } from './format.ts';

/** What an owner reads whose message was not acted on. */
export function refusalText({ reason, kind }: Pick<Refusal, 'reason' | 'kind'>): string {
  switch (reason) {
    case 'too-large':
      return 'A message of yours is too long: I read up to 128,000 characters, so I did nothing. Send it in parts, or put it into a file of the workspace.';
    case 'expired':
      return 'A message of yours had expired when it reached me, so I did nothing. Send it again.';
    case 'other-kind':
      return `Your app sent me something that I do not know (kind ${kind ?? '?'}), so I did nothing. I read text, files’ links, reactions and deletions.`;
    case 'group':
      return 'You wrote to me and others at once. I act on what is for me alone: write to me in a chat of our own.';
    case 'rumor':
    case 'rumor-id':
    case 'impersonation':
    case 'seal-undecryptable':
      return `A message of yours came in a form that I can’t accept (${formFaults[reason]}), so I did nothing. Send it again; if that does not help, try another app.`;
  }
}

const formFaults: Readonly<
  Record<Exclude<FaultyReason, 'too-large' | 'expired' | 'other-kind' | 'group'>, string>
> = {
  rumor: 'it has no text or no kind',
  'rumor-id': 'its id is not that of its text',
  impersonation: 'it names another author than you',
  'seal-undecryptable': 'it can’t be decrypted',
};

/** Once a day at most: it is acted on all the same. */
export const clockAheadText = (seconds: number): string =>
  `Your device’s clock is ${formatDuration(seconds * 1000)} ahead of mine. I act on your messages all the same, but other apps may sort or hide them: let it set its time by itself.`;

type Counted = { readonly rejected: Readonly<Partial<Record<RejectionReason, number>>> };

/** What became of all the others since the start; undefined when there were none. */
export function refusedLine({ rejected }: Counted): string | undefined {
  const counted = (Object.entries(words) as [RejectionReason, string][])
    .filter(([reason]) => (rejected[reason] ?? 0) > 0)
    .map(([reason, word]) => `${rejected[reason]} ${word}`);
  return counted.length === 0 ? undefined : `Not acted on: ${counted.join(', ')}`;
}

/** Those of owners first. The bot's own copies, and what is for others, are no news. */
const words: Readonly<Partial<Record<RejectionReason, string>>> = {
  'too-large': 'too long',
  expired: 'expired',
  'other-kind': 'of an unknown kind',
  group: 'to several at once',
  rumor: 'without text',
  'rumor-id': 'with a wrong id',
  impersonation: 'with another author',
  'seal-undecryptable': 'that can’t be decrypted',
  stranger: 'from strangers',
  undecryptable: 'not for this key',
  signature: 'with a wrong signature',
  seal: 'without a seal',
  'seal-signature': 'with a forged seal',
};

/** Of what could not be stored. @param isFull whether for want of room */
export const unstoredText = (isFull: boolean): string =>
  `${isFull ? 'The disk of the machine I run on is full' : 'I can’t write to the disk of the machine I run on'}, so I can’t work just now. Your messages wait at the relays: I act on them when whoever runs the bot has ${isFull ? 'made room' : 'fixed that'}.`;
