import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';

export type Problem = { readonly text: string; readonly at: number };

/** A logger that remembers its last warning or error, for `!status`. The text is redacted like the log's. */
export function rememberProblems(
  log: Logger,
  redact: (text: string) => string,
  clock: Clock,
): { readonly log: Logger; readonly lastProblem: () => Problem | undefined } {
  let last: Problem | undefined;
  const remember = (facts: Record<string, unknown>, message: string) => {
    const error = facts.error ?? facts.cause;
    const detail = error instanceof Error ? `: ${error.message}` : '';
    last = { text: redact(`${message}${detail}`), at: clock.now() };
  };
  const wrap = (inner: Logger): Logger => ({
    debug: inner.debug,
    info: inner.info,
    warn: (facts, message) => {
      remember(facts, message);
      inner.warn(facts, message);
    },
    error: (facts, message) => {
      remember(facts, message);
      inner.error(facts, message);
    },
    child: (facts) => wrap(inner.child(facts)),
  });
  return { log: wrap(log), lastProblem: () => last };
}
