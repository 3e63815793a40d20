import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { ClockFinding } from '@nostr-dm-agent/kit/compare-clock';
import type { ProxyReport } from '@nostr-dm-agent/kit/net';
import type {
  InboxService,
  MessageLog,
  OutboxStatus,
  PublicKey,
  RejectionReason,
} from '@nostr-dm-agent/nostr';
import type { BackendHealth, BackendName, KeptReady, Model } from '../backends/backend.ts';
import type { AgentHosts } from '../backends/hosts/hosts.ts';
import type { Wall } from '../backends/jail/types.ts';
import type { ShellEnd } from '../backends/shell-command.ts';
import type { Owner } from '../config/config.ts';
import type { Setting } from '../config/settings.ts';
import type { RunningDoctor } from '../doctor/running-doctor.ts';
import type { OutgoingFiles } from '../files/outgoing-files.ts';
import type { ConnectedProvider } from '../keys/connection.ts';
import type { ConnectionTools } from '../keys/connection-keeper.ts';
import type { LoginKeeper } from '../keys/login-keeper.ts';
import type { Money } from '../money/money.ts';
import type { PageDoor } from '../page/open-page.ts';
import type { Asks } from '../runs/asks.ts';
import type { CurrentSessions } from '../runs/current-sessions.ts';
import type { Desks } from '../runs/desks.ts';
import type { RunQueue } from '../runs/run-queue.ts';
import type { Worktrees } from '../runs/worktrees.ts';
import type { Schedules } from '../schedules/schedules.ts';
import type { LogReader } from '../store/log-reader.ts';
import type { Stores } from '../store/open-stores.ts';
import type { Meaning } from './meaning/meaning.ts';

/** What commands work with. */
export type CommandDeps = {
  readonly bot: BotFacts;
  readonly stores: Pick<
    Stores,
    | 'schedules'
    | 'triggers'
    | 'meta'
    | 'owners'
    | 'invites'
    | 'settings'
    | 'runs'
    | 'rests'
    | 'confirmations'
    | 'keys'
  >;
  readonly messages: Pick<MessageLog, 'missed'>;
  readonly currentSessions: CurrentSessions;
  readonly queue: RunQueue;
  /** What agents wait for from their owners. */
  readonly asks: Pick<Asks, 'open' | 'answer' | 'isOver' | 'justLapsed'>;
  readonly desks: Desks;
  readonly schedules: Pick<
    Schedules,
    'changed' | 'whyNot' | 'runNow' | 'asked' | 'hostZone' | 'membersMay' | 'letMembers'
  >;
  readonly worktrees: Pick<Worktrees, 'at' | 'begin' | 'make' | 'merge' | 'hasMergedInto'> & {
    /** Takes away what is merged, behind. */
    readonly tidyLater: (owner: PublicKey) => void;
    /** Makes one that was taken away, behind. */
    readonly makeLater: (directory: string) => void;
  };
  /** Other machines that agents work on; undefined: there are none. */
  readonly hosts: Pick<AgentHosts, 'list' | 'drain'> | undefined;
  /** A line of shell in the jail; `refusal`: why not here, for this owner. */
  readonly shell: (
    order: { readonly owner: Owner; readonly workspace: string; readonly line: string },
    signal: AbortSignal,
  ) => Promise<ShellEnd | { readonly refusal: string }>;
  readonly money: Money;
  readonly providers: ProviderFacts;
  readonly connections: ConnectionTools;
  readonly logins: Pick<LoginKeeper, 'begin' | 'pending' | 'enterCode' | 'cancel'>;
  /** undefined: no server is set for files. */
  readonly outgoingFiles: OutgoingFiles | undefined;
  /** The way in to the operator's page; undefined: there is none. */
  readonly page: PageDoor | undefined;
  readonly doctor: RunningDoctor;
  /** What the variables come to. */
  readonly configured: readonly Setting[];
  /** What the bot's log says. */
  readonly keptLog: LogReader;
  readonly meaningOf: (text: string) => Meaning;
  /** Random bytes that nobody can guess. */
  readonly randomBytes: (count: number) => Uint8Array;
  readonly clock: Clock;
};

/** What the bot can say of itself. */
export type BotFacts = {
  /** Its own key, who is no owner. */
  readonly publicKey: PublicKey;
  readonly version: string;
  readonly startedAt: number;
  /** Whether messages come through each of its relays. */
  readonly relays: () => readonly InboxService[];
  /** What was turned away since the start. */
  readonly inbox: () => { readonly rejected: Readonly<Partial<Record<RejectionReason, number>>> };
  /** How this machine's clock compares with others'; undefined while that is not known. */
  readonly clock: () => ClockFinding | undefined;
  /** What the bot's connections go through; undefined: nothing. */
  readonly proxy: () => ProxyReport | undefined;
  readonly outbox: () => Pick<OutboxStatus, 'pending' | 'undeliverable' | 'refusing'>;
  /** As found at start; undefined while it is still being looked at. */
  readonly health: (backend: BackendName) => BackendHealth | undefined;
  /** undefined: it keeps no servers ready. */
  readonly kept: (backend: BackendName) => KeptReady | undefined;
  readonly wall: () => Wall | undefined;
  /** The last warning or error in the log. */
  readonly lastProblem: () => { readonly text: string; readonly at: number } | undefined;
};

/** Who pays, and for which models. */
export type ProviderFacts = {
  /** For the next task of this owner: their choice, else the bot's. */
  readonly chosenBy: (owner: PublicKey) => string;
  /** The providers beside `local` and `routstr` that an owner may choose. */
  readonly connected: (owner: PublicKey) => readonly ConnectedProvider[];
  /** One line for `!status`. */
  readonly line: (owner: PublicKey) => string;
  /** Models that the owner's next task could use. */
  readonly models: (owner: PublicKey, backend: BackendName, signal: AbortSignal) => Promise<readonly Model[]>;
};
