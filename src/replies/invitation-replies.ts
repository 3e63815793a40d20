import type { PublicKey } from '@nostr-dm-agent/nostr';
import * as nip19 from 'nostr-tools/nip19';
import { satText } from './ready-notice.ts';

/** What somebody reads who was let in with a code: what they may do, on one screen of a phone. */
export const welcomeText = [
  'Welcome. You are a member of this bot now.',
  '',
  'Send a task as a plain message, and a coding agent works on it: 👀 means begun, ⏸ waiting, ✅ done, ⏹ stopped, ❌ failed.',
  '!ask <question> changes nothing. !new begins afresh, !stop ends the run, !queue shows what waits.',
  satText,
  '!wallet balance shows the money, !wallet topup <sats> adds some, !spend shows what you used.',
  '',
  'Your sessions are yours alone. !help lists all that you may do.',
].join('\n');

/** To the admin whose invitation it was. */
export const invitationUsedText = (member: PublicKey): string =>
  `${nip19.npubEncode(member)} used your invitation and is a member now. !owners lists all, !limit gives them a daily limit, !owners remove removes them.`;

/** An owner sent a code, which is for those who are none yet. */
export const noteOnCodeText = (code: 'good' | 'used-up'): string =>
  code === 'good'
    ? 'You are an owner already, so the code was not used: it is for somebody who is none yet.'
    : 'That code no longer works. You are an owner already; !help shows what you can do.';
