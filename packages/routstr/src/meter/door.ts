/**
 * The one way to models that an agent server knows for as long as it lives. Worth nothing by itself: a call is served
 * for the run that its session is leased to, with that run's own money, and refused where there is no lease.
 */
export type Door = {
  /** For the server's configuration: `http://127.0.0.1:…/<unguessable>/v1`. Secret. */
  readonly baseUrl: string;
  /** What the server shows as its API key. Secret; no money is behind it. */
  readonly key: string;
  /**
   * The calls of this session are answered by the meter itself, with a word and without a node: a server is warm only
   * after a model has answered it. @returns ends it
   */
  readonly answerItself: (session: string) => () => void;
  /**
   * From now on the calls of this session and of its sub-agents (`x-session-id`, `x-parent-session-id`) are the run's.
   * They wait until the run is paid for (opened at the meter). @param session undefined: every call through this door
   */
  readonly lease: (session: string | undefined, runId: string) => Lease;
  /** Refuses everything from now on. */
  readonly close: () => void;
};

export type Lease = {
  /** Ends what is under way and refuses the session from now on. Resolves when nothing more can be spent by it. */
  readonly release: () => Promise<void>;
};
