import type { Completion } from './completion.ts';
import type { BillPart } from './cost.ts';
import type { RefusalCode } from './refusals.ts';

/** A model call that an agent asks for, in whichever of the node's three APIs. */
export type ModelRequest = {
  readonly model: string;
  readonly stream: boolean;
  /** Estimated as pessimistic as a node does: a token for 3 characters of the whole body. */
  readonly promptTokens: number;
  /** What the answer may cost at most; undefined: as long as the model can. */
  readonly maxTokens: number | undefined;
  readonly body: Readonly<Record<string, unknown>>;
};

/** How an API says that something went wrong, so that its agents fail once and fast, or repeat when they are invited to. */
export type Wording = {
  /** Ends the matter: agents do not repeat it. */
  readonly refuse: (code: RefusalCode) => Response;
  /** Invites the agent to repeat the request after a pause. */
  readonly inviteRetry: (pauseMs: number | undefined) => Response;
  /** Makes the agent shorten the conversation and go on. */
  readonly inviteCompaction: () => Response;
  /** The same inside a stream that has begun. */
  readonly refusalFrame: (code: RefusalCode) => string;
  readonly retryFrame: string;
};

/** One of the ways in which models are asked (docs/node-protocol.md). */
export type Api = {
  /** After `/v1/`, at the meter and at the node. */
  readonly path: string;
  /** Undefined for what is no request of this API. */
  readonly read: (text: string) => ModelRequest | undefined;
  /** The body for the node, asking for one answer of at most `maxTokens`, and for nothing that is billed apart. */
  readonly write: (request: ModelRequest, maxTokens: number | undefined) => string;
  /** Whether an answer that is no stream is one. */
  readonly isAnswer: (json: object) => boolean;
  /** What such an answer says of its cost, in the words of a chat completion; absent: it says it in them. */
  readonly billOf?: (json: unknown) => BillPart | undefined;
  /** Follows one streamed answer. */
  readonly follow: () => Completion;
  /** An event of the stream, as its agents read it. */
  readonly frame: (data: string) => string;
  /** What closes a stream; empty: its last event does. */
  readonly done: string;
  readonly wording: Wording;
};
