import type { Door, DoorKeys } from '@nostr-dm-agent/routstr';
import type { Credential } from './credential.ts';

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
  /** What opencode is logged in with instead of a variable. Secret. */
  readonly login?: Login;
};

export type Login = {
  /** opencode's id of it. */
  readonly provider: string;
  readonly auth: Credential;
};

/** What of a payment nobody may read in an answer. */
export const secretsOf = ({ variables, login }: RunPayment): readonly string[] => {
  const auth = login === undefined ? [] : login.auth.type === 'api' ? [login.auth.key] : [login.auth.access];
  return [...Object.values(variables), ...auth];
};

/**
 * How an agent server that outlives its runs reaches its models, known before any run. A server serves one `payer`:
 * another name is another server. The name is no secret, and changes with whatever a server has to be started anew for.
 */
export type StandingPayment = {
  readonly payer: string;
  /** @param door undefined where there is none: then the variables reach the provider themselves */
  readonly payment: (door: Door | undefined) => RunPayment;
  /** Absent: what the server is given lasts. */
  readonly renewal?: Renewal;
  /** False once its owner has ended the connection: a server that has it is ended, too. Absent: that can't be. */
  readonly isOpen?: () => boolean;
  /**
   * Absent: the provider is not paid run by run.
   * @param server `kept`: for the runs to come, the next of which is made ready for; `spare`: for one run, or a look, alone
   * @param as see `Meter.openDoor`
   */
  readonly openDoor?: (server: 'kept' | 'spare', as?: DoorKeys) => Door;
};

/** A login that runs out. */
export type Renewal = {
  /** When (Unix milliseconds). */
  readonly due: number;
  /** What takes its place; undefined: nothing does. */
  readonly again: (
    signal: AbortSignal,
  ) => Promise<{ readonly login: Login; readonly due: number } | undefined>;
};
