import type { TokenPrices } from '../models/model-list.ts';
import type { NodeUrl } from '../node/node-url.ts';
import type { RefusalCode } from './refusals.ts';

/** What a run may do. Msat where money is meant. */
export type RunLimits = {
  /** The most this run may spend; undefined: the node alone says when it is enough. */
  readonly spendMsat: number | undefined;
  /** Refuses models without a known price: nothing else could hold the run in its budget. */
  readonly pricedOnly: boolean;
  /** Model calls that are sent to the node, repetitions included. */
  readonly requests: number;
  /** `max_tokens` of every request is lowered to this, and set where it is absent. undefined: as the agent asks. */
  readonly maxTokens: number | undefined;
  /** When money is short, `max_tokens` is lowered down to this before the request is held. */
  readonly leastTokens: number;
  /** How long a request waits for more money. */
  readonly holdMs: number;
  /** Failures in a row that the agent may repeat a request after; each repetition may be paid again. */
  readonly retries: number;
  /** The longest pause that the agent is told to make. */
  readonly longestPauseMs: number;
  /** How often the agent hears that the conversation is too long, which makes it compact and try again. */
  readonly compactions: number;
  /** Answers in a row with the very same tool calls. */
  readonly sameAnswers: number;
  /** Silence of the node after which a request is given up. */
  readonly silenceMs: number;
  /**
   * Pauses before a request is sent once more to a node that says that money is missing which must be there: what it set
   * aside for an answer that is over may come back a moment later.
   */
  readonly recheckMs: readonly number[];
};

export const defaultLimits: RunLimits = {
  spendMsat: undefined,
  pricedOnly: false,
  requests: 300,
  maxTokens: undefined,
  leastTokens: 1024,
  holdMs: 4 * 60_000,
  retries: 2,
  longestPauseMs: 20_000,
  compactions: 2,
  sameAnswers: 12,
  // opencode gives up after 300 s; being first makes the failure ours to word.
  silenceMs: 280_000,
  recheckMs: [300, 1000, 2500],
};

/** The prices of a model in sat, and what a sat is worth where a node prices in USD. */
export type MeterPrice = { readonly sat: TokenPrices; readonly usd: TokenPrices | undefined };

/** A run's model traffic is waiting for money. */
export type Hold = {
  /** What the request needs, as far as it is known. */
  readonly neededMsat: number | undefined;
  readonly availableMsat: number | undefined;
  readonly model: string | undefined;
};

/** What the meter is told of a run. The callbacks must not throw. */
export type MeteredRunOptions = {
  readonly runId: string;
  readonly node: NodeUrl;
  /** What the agent has as its API key: `ROUTSTR_API_KEY` of the run. Secret. */
  readonly agentKey: string;
  /** What the node gets: the token, or the account's `sk-` key, which makes smaller headers. Secret. */
  readonly nodeKey: string;
  readonly price: (model: string) => MeterPrice | undefined;
  readonly limits: RunLimits;
  /** Called once when requests begin to wait; then it is for `more`, or the time. */
  readonly onHold?: (hold: Hold) => void;
  /** The waiting is over, one way or the other. */
  readonly onHoldEnd?: (end: 'more' | 'let_go') => void;
  /** Traffic, or a request that waits for money: the run is not idle. */
  readonly onActivity?: () => void;
  readonly onSpent?: (usage: RunUsage) => void;
};

/** Where a cost is known from: the node's own number, its token counts times its prices, or an estimate. */
export type CostSource = 'node' | 'tokens' | 'estimate';

export type RequestUsage = {
  readonly model: string | undefined;
  readonly msat: number;
  readonly source: CostSource;
  readonly promptTokens: number | undefined;
  readonly completionTokens: number | undefined;
};

/** A node says that less is left than its own bills leave, in msat. */
export type Contradiction = {
  /** What is left, and what a call needs, by its 402; undefined: it did not say. */
  readonly saidMsat: number | undefined;
  readonly neededMsat: number | undefined;
  /** What must be left at the least, by all of its bills. */
  readonly leastMsat: number;
  /** As the node said it (no secrets, at most 300 characters). */
  readonly detail: string;
};

/** What a run has used so far. The books are the node's (`info`, the refund); this is what is known while it runs. */
export type RunUsage = {
  readonly spentMsat: number;
  /**
   * The most that the node can have charged by its own word: its bills, and all that was reserved where a bill is
   * missing. undefined: nobody can tell.
   */
  readonly mostMsat: number | undefined;
  /** Requests that were sent to the node. */
  readonly requests: number;
  /** Under way, and what they may cost at most. */
  readonly inFlight: number;
  readonly reservedMsat: number;
  readonly held: number;
  /** As the node said last; undefined: it did not say. */
  readonly remainingMsat: number | undefined;
  readonly last: RequestUsage | undefined;
  /** Why the agent was refused last, with what the node said (no secrets, at most 300 characters). */
  readonly refusal: AgentRefusal | undefined;
  /** Nothing more is asked of a node that contradicts itself. */
  readonly contradiction: Contradiction | undefined;
};

export type AgentRefusal = {
  readonly code: RefusalCode;
  readonly status: number | undefined;
  readonly detail: string;
};

/** A run's own way to the node. */
export type MeteredRun = {
  /** For the agent's configuration: `http://127.0.0.1:…/<unguessable>/v1`. Secret while the run lasts. */
  readonly baseUrl: string;
  readonly usage: () => RunUsage;
  /** Its calls come through a door. */
  readonly isLeased: () => boolean;
  /** There is more money: raises the cap by `addMsat` and repeats what waits. False: nothing waited. */
  readonly more: (addMsat: number) => boolean;
  /** Ends its requests at once; nothing can be spent through it afterwards. */
  readonly close: () => Promise<RunUsage>;
};
