import type { Door } from '@nostr-dm-agent/routstr';

/**
 * Who pays for the model calls of this run, as the subprocess needs to know it.
 * `own`: the user's own login, configuration and API-key variables pass through (provider `local`).
 * `provided`: only `variables` and `configuration` reach the agent; it sees none of the user's credentials.
 */
export type RunPayment = {
  readonly credentials: 'own' | 'provided';
  /** Added to the agent's environment, e.g. `ROUTSTR_API_KEY`. Secrets: never logged. */
  readonly variables: Readonly<Record<string, string>>;
  /** Merged over the backend's configuration (for opencode: `provider`, `model`, `small_model` …). */
  readonly configuration: Readonly<Record<string, unknown>>;
};

/**
 * How an agent server that outlives its runs reaches its models, known before any run. A server serves one `payer`:
 * another name is another server. The name is no secret, and changes with whatever a server has to be started anew for.
 */
export type StandingPayment = {
  readonly payer: string;
  /** @param door undefined where there is none: then the variables reach the provider themselves */
  readonly payment: (door: Door | undefined) => RunPayment;
  /**
   * Absent: the provider is not paid run by run.
   * @param server `kept`: for the runs to come, the next of which is made ready for; `spare`: for one run, or a look, alone
   */
  readonly openDoor?: (server: 'kept' | 'spare') => Door;
};
