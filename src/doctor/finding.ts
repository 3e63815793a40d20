/** What a check found. `warning`: it works, but something should be known. */
export type Finding = {
  readonly subject: string;
  readonly state: 'ok' | 'warning' | 'broken';
  /** What was found. */
  readonly fact: string;
  /** How to fix it; undefined when there is nothing to fix. */
  readonly remedy?: string;
};
