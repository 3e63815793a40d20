import { settingsOf } from '../config/settings.ts';
import type { RunningParts } from '../doctor/check-running.ts';
import { createRunningDoctor } from '../doctor/running-doctor.ts';
import { createLogReader } from '../store/log-reader.ts';
import type { Stores } from '../store/open-stores.ts';
import type { AppDeps } from './app-deps.ts';
import type { Basics } from './basics.ts';

/** What whoever runs the bot looks at it with: its variables, its log, its doctor. */
export function createOperatorTools(
  parts: Omit<RunningParts, 'envFile' | 'clock'>,
  { runs }: Pick<Stores, 'runs'>,
  { redact, hiddenPaths }: Pick<AppDeps, 'redact' | 'hiddenPaths'>,
  { clock, stopping }: Basics,
) {
  const { config } = parts;
  const looked = { ...parts, envFile: hiddenPaths?.[0], clock };
  return {
    configured: settingsOf(config),
    keptLog: createLogReader(config.home, { runs, redact }),
    doctor: createRunningDoctor(
      // Seldom needed: not loaded at start.
      async (signal) => (await import('../doctor/check-running.ts')).checkRunning(looked, signal),
      redact,
      clock,
      stopping,
    ),
  };
}
