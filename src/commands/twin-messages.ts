import type { EventId, MessageLog, PublicKey, StoredMessage } from '@nostr-dm-agent/nostr';

/** Between the times that the two state which a client sends by both protocols. */
const APART_S = 10;

const normal = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** Whether the two may be one message that was sent by both protocols. */
export const areAlike = (one: StoredMessage, other: StoredMessage): boolean =>
  one.protocol !== other.protocol &&
  Math.abs(one.createdAt - other.createdAt) <= APART_S &&
  normal(one.text) === normal(other.text);

/**
 * The same message by the other protocol, however late one of them came: the first of one is the twin of the first of the other,
 * and so on, so that what was said twice stays said twice.
 *
 * @param upTo the twin has to have come before this number
 */
export function twinOf(
  messages: Pick<MessageLog, 'near'>,
  message: StoredMessage,
  upTo = Number.POSITIVE_INFINITY,
): StoredMessage | undefined {
  const text = normal(message.text);
  const same = messages
    .near(message, APART_S)
    .filter((each) => each.seq <= upTo && normal(each.text) === text);
  const of = (isOwn: boolean) => same.filter(({ protocol }) => (protocol === message.protocol) === isOwn);
  return of(false)[of(true).findIndex(({ seq }) => seq === message.seq)];
}

/** The messages, and those that are the same by the other protocol. */
export const withTwins = (
  messages: Pick<MessageLog, 'near' | 'byId'>,
  sender: PublicKey,
  ids: readonly EventId[],
): readonly EventId[] =>
  ids.flatMap((id) => {
    const message = messages.byId(sender, id);
    const twin = message && twinOf(messages, message);
    return twin === undefined ? [id] : [id, twin.id];
  });
