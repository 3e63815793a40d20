import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Finding } from './finding.ts';

/** What was found, and when (Unix milliseconds). */
export type Diagnosis = { readonly findings: readonly Finding[]; readonly at: number };
export type RunningDoctor = {
  /** Looks, or gives what was found less than a minute ago. Who asks meanwhile waits for the same look. */
  readonly look: (signal: AbortSignal) => Promise<Diagnosis>;
  /** What was found last, however old. */
  readonly last: () => Diagnosis | undefined;
  readonly isLooking: () => boolean;
};

const goodForMs = 60_000;
const longestMs = 20_000;

/** Checks the bot that this process is, when somebody asks. What it finds is without secrets. */
export function createRunningDoctor(
  check: (signal: AbortSignal) => Promise<readonly Finding[]>,
  redact: (text: string) => string,
  clock: Clock,
  stopping: AbortSignal,
): RunningDoctor {
  let last: Diagnosis | undefined;
  let looking: Promise<Diagnosis> | undefined;
  const begin = async (): Promise<Diagnosis> => {
    try {
      const findings = await check(AbortSignal.any([stopping, AbortSignal.timeout(longestMs)]));
      last = { findings: findings.map((finding) => redacted(finding, redact)), at: clock.now() };
      return last;
    } finally {
      looking = undefined;
    }
  };
  return {
    look: async (signal) => {
      if (last !== undefined && clock.now() - last.at < goodForMs) return last;
      looking ??= begin();
      return untilAborted(looking, signal);
    },
    last: () => last,
    isLooking: () => looking !== undefined,
  };
}

const redacted = ({ subject, state, fact, remedy }: Finding, redact: (text: string) => string): Finding => ({
  ...{ subject: redact(subject), state, fact: redact(fact) },
  ...(remedy === undefined ? {} : { remedy: redact(remedy) }),
});
