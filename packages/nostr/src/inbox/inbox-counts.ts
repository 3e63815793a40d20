import { REJECTION_REASONS, type RejectionReason } from '../wrap/rejection.ts';

/** Counted since the start, for `!status`. */
export type InboxCounts = {
  /** Messages handed on. */
  accepted: number;
  /** Events seen before, and messages that came again in another wrap. */
  duplicates: number;
  /** Messages from before this database was made: recorded, not handed on. */
  beforeDatabase: number;
  /** Faults of this program or its disk; each is in the log. */
  failed: number;
  readonly rejected: Record<RejectionReason, number>;
};

export function zeroCounts(): InboxCounts {
  const rejected = Object.fromEntries(REJECTION_REASONS.map((reason) => [reason, 0]));
  return {
    accepted: 0,
    duplicates: 0,
    beforeDatabase: 0,
    failed: 0,
    rejected: rejected as Record<RejectionReason, number>,
  };
}
