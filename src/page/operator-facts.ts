import type { OperatorSource } from '@nostr-dm-agent/page';
import type { CommandDeps } from '../commands/command-deps.ts';

export type OperatorFactsDeps = Pick<CommandDeps, 'keptLog'>;

const logLines = 200;

/** What whoever runs the bot sees of it. For admins alone. */
export function createOperatorFacts({ keptLog }: OperatorFactsDeps): OperatorSource {
  return { log: (query) => keptLog(query, logLines) };
}
