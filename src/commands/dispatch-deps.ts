import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { EventId, MessageLog, PublicKey } from '@nostr-dm-agent/nostr';
import type { Admission } from '../access/admission.ts';
import type { IncomingFiles, IncomingFilesDeps } from '../files/incoming-files.ts';
import type { Asks } from '../runs/asks.ts';
import type { Messenger } from '../runs/messenger.ts';
import type { Triggers } from '../schedules/triggers.ts';
import type { Confirmations } from '../store/confirmations-table.ts';
import type { Stores } from '../store/open-stores.ts';
import type { AutoReplyBrake } from './auto-reply-brake.ts';
import type { Match } from './command-registry.ts';
import type { Meaning } from './meaning/meaning.ts';
import type { TaskOrders } from './order-task.ts';

/** What acting on messages works with. */
export type DispatchDeps = {
  readonly meaningOf: (text: string) => Meaning;
  /** The command that a text begins with. */
  readonly match: (text: string) => Match;
  /** For a client that answers by itself. Absent: there is none. */
  readonly brake?: Pick<AutoReplyBrake, 'hears' | 'ordered'>;
  readonly confirmations: Pick<Confirmations, 'waiting'>;
  /** What agents wait for from their owners. */
  readonly asks: Pick<Asks, 'open' | 'answer'>;
  readonly tasks: TaskOrders;
  /** An owner is there: what they may need next can be made ready. */
  readonly signOfLife?: (owner: PublicKey) => void;
  /** Lets strangers in who have a code. */
  readonly admission: Pick<Admission, 'admit' | 'noteOnCode'>;
  /** Machines that may start tasks by name. Absent: there are none. */
  readonly triggers?: Triggers;
  /** Takes the files that come with messages. Absent: they are not opened. */
  readonly openFiles?: (
    acting: Pick<IncomingFilesDeps, 'goOn' | 'answer' | 'show' | 'isTooLate'>,
  ) => IncomingFiles;
  /** Whether anything may be begun now; what comes while nothing may waits for `goOn`. Absent: it always may. */
  readonly mayBegin?: () => boolean;
  readonly messages: MessageLog;
  readonly messenger: Messenger;
  readonly stores: Pick<Stores, 'owners' | 'atomically'>;
  /** Takes secrets out of what a message is quoted with. */
  readonly redact: (text: string) => string;
  readonly limits: {
    /** Older messages are listed, not acted on. */
    readonly catchupMs: number;
    /** Unix ms: so are those from before. */
    readonly homeMadeAt: number;
    /** How long more of them are waited for before they are told in one message. */
    readonly gatherMs: number;
    readonly commandTimeoutMs: number;
    /** How long an old message (NIP-04) waits for the same by NIP-17; default: some seconds. */
    readonly twinMs?: number;
  };
  /** Which message of theirs a message of the bot's answered. */
  readonly answeredBy?: (messageId: EventId) => EventId | undefined;
  readonly clock: Clock;
  readonly log: Logger;
};
