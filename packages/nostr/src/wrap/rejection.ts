/**
 * Why an event is not a message, before an author is proven to be an owner, in the order of the checks: anybody can make
 * as much of this as they like.
 */
const JUNK = [
  /** Neither a gift wrap (1059) nor a NIP-04 DM (4). */
  'kind',
  /** Not exactly one `p`, or not the bot's. */
  'recipient',
  /** The outer event's id or signature is wrong. The one verdict that the event's id does not settle. */
  'signature',
  /** The outer layer does not decrypt with the bot's key. */
  'undecryptable',
  /** What is inside the wrap is no signed event of kind 13. */
  'seal',
  /** The bot's own copy of something that it sent. */
  'self',
  /** The author may not command the bot. */
  'stranger',
  'seal-signature',
] as const;

/** And after. */
const FAULTY = [
  'seal-undecryptable',
  /** What is inside the seal is no event: it has no kind or no content. */
  'rumor',
  /** The rumor names another author than the one who signed the seal. */
  'impersonation',
  /** The rumor states an id that is not its hash. */
  'rumor-id',
  /** Somebody besides the bot and the sender is addressed. */
  'group',
  /** Its NIP-40 expiration has passed. */
  'expired',
  /** A kind that is no DM, such as a Marmot welcome. */
  'other-kind',
  /** More text than is read. */
  'too-large',
] as const;

export type FaultyReason = (typeof FAULTY)[number];

export const REJECTION_REASONS = [...JUNK, ...FAULTY] as const;
export type RejectionReason = (typeof REJECTION_REASONS)[number];

/** Whether an event rejected for this reason may be part of a flood. */
export const isJunk = (reason: RejectionReason): boolean => JUNK.some((junk) => junk === reason);
