import type { Logger } from '@nostr-dm-agent/kit/log';
import { createTokenBucket } from '@nostr-dm-agent/kit/token-bucket';
import type { PublicKey, StoredMessage, StrangerPolicy } from '@nostr-dm-agent/nostr';
import { invitationUsedText, noteOnCodeText, welcomeText } from '../replies/invitation-replies.ts';
import { type Messenger, replyTo } from '../runs/messenger.ts';
import type { InviteStore } from '../store/invites-table.ts';
import type { Owners } from '../store/owners-table.ts';
import { findInviteCode } from './invite-code.ts';

/** Lets strangers in who have a code. */
export type Admission = {
  /** For the inbox: a stranger's message is opened only while an invitation is open, and only so often. */
  readonly strangers: StrangerPolicy;
  /** Inside the transaction that acts on a stranger's message: makes its sender a member if its code is good still. */
  readonly admit: (message: StoredMessage) => void;
  /** What an owner reads who sends a code; undefined: that is none of ours. */
  readonly noteOnCode: (text: string) => string | undefined;
};

/** Strangers' messages that are opened at once and per second in the long run: some 2 % of a core. */
const openedAtOnce = 50;
const openedPerSecond = 5;
/** Wrong codes of one sender until they are not listened to any more, and for how long; senders that are remembered. */
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
  const bucket = createTokenBucket(openedPerSecond, openedAtOnce, monotonic);
  const mistakes = createMistakes(monotonic);

  /** The invitation in a message, if whoever made it may still invite. */
  const invitationIn = (text: string) => {
    const code = findInviteCode(text);
    const invite = code === undefined ? undefined : invites.find(code);
    return invite !== undefined && owners.roleOf(invite.createdBy) === 'admin' ? invite : undefined;
  };

  return {
    strangers: {
      mayBeRead: (author) => {
        // Who they are is not proven yet: their mistakes are counted once it is.
        if (!invites.isAnyOpen() || mistakes.of(author) >= mostMistakes) return false;
        if (bucket.waitMs() > 0) return false;
        bucket.spend();
        return true;
      },
      isInvited: ({ sender, kind, text }) => {
        const invited = (kind === 4 || kind === 14) && invitationIn(text) !== undefined;
        if (!invited) log.info({ sender, mistakes: mistakes.count(sender) }, 'a stranger sent no good code');
        return invited;
      },
    },
    admit: (message) => {
      const invite = invitationIn(message.text);
      if (invite === undefined || !invites.use(invite.id, message.sender)) return;
      owners.put(message.sender, 'member', invite.createdBy);
      log.info({ member: message.sender, invite: invite.id, by: invite.createdBy }, 'an invitation was used');
      messenger.send(replyTo(message), welcomeText);
      tell(invite.createdBy, invitationUsedText(message.sender));
    },
    noteOnCode: (text) => {
      const code = findInviteCode(text);
      if (code === undefined || !invites.knows(code)) return undefined;
      return noteOnCodeText(invites.find(code) === undefined ? 'used-up' : 'good');
    },
  };
}

/** Counts what each sender gets wrong within an hour, for the last thousand of them. */
function createMistakes(monotonic: () => number) {
  const mistakes = new Map<PublicKey, { readonly count: number; readonly since: number }>();
  const recent = (sender: PublicKey) => {
    const found = mistakes.get(sender);
    return found !== undefined && monotonic() - found.since < mistakesMs ? found : undefined;
  };
  return {
    of: (sender: PublicKey): number => recent(sender)?.count ?? 0,
    count: (sender: PublicKey): number => {
      const { count, since } = recent(sender) ?? { count: 0, since: monotonic() };
      mistakes.delete(sender);
      mistakes.set(sender, { count: count + 1, since });
      const [oldest] = mistakes.keys();
      if (mistakes.size > rememberedSenders && oldest !== undefined) mistakes.delete(oldest);
      return count + 1;
    },
  };
}
