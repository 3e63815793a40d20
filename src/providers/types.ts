/** What a provider needs to know of a run to pay for it. */
export type RunTicket = {
  readonly runId: string;
  /** The bot's session id. */
  readonly sessionId: string;
  readonly owner: string;
  readonly model: string | undefined;
  readonly task: string;
};

/** How the agent's subprocess reaches its models: see `RunPayment` in `backends/types.ts`, which this becomes. */
export type ProvidedPayment = {
  readonly credentials: 'own' | 'provided';
  readonly variables: Readonly<Record<string, string>>;
  readonly configuration: Readonly<Record<string, unknown>>;
};

/** Too little money or a provider that is away is an answer for the owner, not an error. */
export type PreparedRun =
  | { readonly state: 'ready'; readonly payment: ProvidedPayment }
  | { readonly state: 'refused'; readonly reason: string };

/** What the run cost. `undefined` for a provider that keeps no account (`local`). */
export type Settlement = { readonly spent: number; readonly budget: number } | undefined;

export type ProviderStatus = {
  readonly name: string;
  /** One line for `!status`. */
  readonly line: string;
};

/** Who pays for and serves the model calls: the life cycle around a run (DESIGN §5). */
export type Provider = {
  readonly name: string;
  readonly prepareRun: (ticket: RunTicket, signal: AbortSignal) => Promise<PreparedRun>;
  /** Always called after `prepareRun`, whatever became of the run. */
  readonly finalizeRun: (runId: string, signal: AbortSignal) => Promise<Settlement>;
  /** At start, before any message is acted on: settles what an earlier life left open; returns lines for the owner. */
  readonly recover: (signal: AbortSignal) => Promise<readonly string[]>;
  readonly getStatus: (signal: AbortSignal) => Promise<ProviderStatus>;
};
