/** Structured logging: the facts as an object, then what happened. Implemented by pino in `create-logger.ts`. */
export type Logger = {
  readonly debug: (facts: Record<string, unknown>, message: string) => void;
  readonly info: (facts: Record<string, unknown>, message: string) => void;
  readonly warn: (facts: Record<string, unknown>, message: string) => void;
  readonly error: (facts: Record<string, unknown>, message: string) => void;
  /** A logger that adds `facts` to every line. */
  readonly child: (facts: Record<string, unknown>) => Logger;
};
