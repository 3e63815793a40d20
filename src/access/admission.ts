import type { Logger } from '@nostr-dm-agent/kit/log';
import { createTokenBucket } from '@nostr-dm-agent/kit/token-bucket';
import type { PublicKey, StoredMessage, StrangerPolicy } from '@nostr-dm-agent/nostr';
import * as nip19 from 'nostr-tools/nip19';
import { recipientOf } from '../commands/recipient.ts';
import { welcomeText } from '../replies/welcome.ts';
import type { Messenger } from '../runs/messenger.ts';
import type { InviteStore } from '../store/invites-table.ts';
import type { Owners } from '../store/owners-table.ts';
import { findInviteCode } from './invite-code.ts';

/** Who is not an owner, and wants to be one. */
export type Admission = {
  /** For the inbox: a stranger's message is opened only while an invitation is, and only so often. */
  readonly strangers: StrangerPolicy;
  /** Inside the transaction that acts on a stranger's message: lets him in if its code is good still. */
  readonly admit: (message: StoredMessage) => void;
  /** What an owner reads who sends a code; undefined: that is none of ours. */
  readonly remark: (text: string) => string | undefined;
};

/** Strangers' messages that are opened at once and per second in the long run: some 2 % of a core. */
const knocksAtOnce = 50;
const knocksPerSecond = 5;
/** Wrong codes of one sender until he is not listened to any more, and for how long; senders that are remembered. */
const mostMistakes = 5;
const mistakesMs = 3_600_000;
const rememberedSenders = 1000;

export function createAdmission(deps: {
  readonly invites: InviteStore;
  readonly owners: Owners;
  readonly messenger: Messenger;
  /** Says something to an owner that answers nothing. */
  readonly tell: (owner: PublicKey, text: string) => void;
  /** Milliseconds of a clock that never jumps. */
  readonly monotonic: () => number;
  readonly log: Logger;
}): Admission {
  const { invites, owners, messenger, tell, monotonic, log } = deps;
  const bucket = createTokenBucket(knocksPerSecond, knocksAtOnce, monotonic);
  const mistakes = new Map<PublicKey, { count: number; readonly since: number }>();

  const mistakesOf = (sender: PublicKey) => {
    const found = mistakes.get(sender);
    return found !== undefined && monotonic() - found.since < mistakesMs ? found : undefined;
  };
  const countMistake = (sender: PublicKey): void => {
    const entry = mistakesOf(sender) ?? { count: 0, since: monotonic() };
    entry.count += 1;
    mistakes.delete(sender);
    mistakes.set(sender, entry);
    const [oldest] = mistakes.keys();
    if (mistakes.size > rememberedSenders && oldest !== undefined) mistakes.delete(oldest);
    log.info({ sender, mistakes: entry.count }, 'a stranger sent no good code');
  };
  /** The invitation in a message, if whoever made it may still invite. */
  const invitationIn = (text: string) => {
    const code = findInviteCode(text);
    const invite = code === undefined ? undefined : invites.find(code);
    return invite !== undefined && owners.roleOf(invite.createdBy) === 'admin' ? invite : undefined;
  };

  return {
    strangers: {
      mayBeRead: (author) => {
        // Who he is, is not proven yet: his mistakes are counted once it is.
        if (!invites.isAnyOpen() || (mistakesOf(author)?.count ?? 0) >= mostMistakes) return false;
        if (bucket.waitMs() > 0) return false;
        bucket.spend();
        return true;
      },
      isInvited: ({ sender, kind, text }) => {
        const invited = (kind === 4 || kind === 14) && invitationIn(text) !== undefined;
        if (!invited) countMistake(sender);
        return invited;
      },
    },
    admit: (message) => {
      const invite = invitationIn(message.text);
      if (invite === undefined || !invites.use(invite.id, message.sender)) return;
      owners.put(message.sender, 'member', invite.createdBy);
      log.info({ member: message.sender, invite: invite.id, by: invite.createdBy }, 'an invitation was used');
      messenger.send(recipientOf(message), welcomeText);
      tell(
        invite.createdBy,
        `${nip19.npubEncode(message.sender)} used your invitation and is a member now. !owners lists all, !limit gives him a daily limit, !owners remove sends him away.`,
      );
    },
    remark: (text) => {
      const code = findInviteCode(text);
      if (code === undefined || !invites.knows(code)) return undefined;
      return invites.find(code) === undefined
        ? 'That code is not good any more. You are an owner already; !help shows what you can do.'
        : 'You are an owner already, so the code was not used: it is for somebody who is none yet.';
    },
  };
}
