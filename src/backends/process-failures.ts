import type { Logger } from '@nostr-dm-agent/kit/log';
import type { AgentFailure, AgentFailureKind } from './backend.ts';
import { toDetail } from './cover-secrets.ts';
import { ProcessesRemainError } from './leftovers.ts';
import { NotStartedError } from './not-started.ts';
import { OpencodeConfigError } from './opencode-config.ts';
import { SpawnError } from './processes.ts';

export const failureAs = (kind: AgentFailureKind, detail: string): AgentFailure => ({
  kind,
  detail: toDetail(detail) || undefined,
  status: undefined,
});

/** What became of a run whose process could not be started or ended. Anything else is a mistake of ours. */
export const failureOf = (error: unknown, log: Logger): AgentFailure => {
  if (error instanceof NotStartedError) return error.failure;
  if (error instanceof OpencodeConfigError) return failureAs('bad_configuration', error.message);
  if (error instanceof SpawnError)
    return failureAs('backend_missing', `${error.message} (${error.code ?? 'unknown'})`);
  if (error instanceof ProcessesRemainError) {
    log.error({ runId: error.runId, pids: error.pids }, 'processes of a run do not end');
    return failureAs('crashed', error.message);
  }
  throw error;
};
