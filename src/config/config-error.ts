/** One thing that is wrong with the configuration. Holds no value of a secret. */
export type ConfigProblem = {
  /** Name of the variable, or of the file that could not be read. */
  readonly variable: string;
  /** Continues the variable's name: `is not set`, `must be …`. */
  readonly problem: string;
  /** A line that would be right, e.g. `BOT_CONCURRENCY=2`. */
  readonly example: string;
};

/** The environment can't be made into a `Config`. Everything that is wrong at once, so that one look mends it all. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];
  /** Neither key nor owners are given: nobody has set this bot up yet. */
  readonly unconfigured: boolean;
  constructor(problems: readonly ConfigProblem[], unconfigured: boolean) {
    super(`configuration: ${problems.map(({ variable, problem }) => `${variable} ${problem}`).join('; ')}`);
    this.problems = problems;
    this.unconfigured = unconfigured;
  }
}
