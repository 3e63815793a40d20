import type { AgentFailure, AgentFailureKind } from './backend.ts';
import { toDetail } from './cover-secrets.ts';
import { PathChangedError } from './jail/pins.ts';
import { WorkspaceCodeError } from './jail/workspace-code.ts';

/** Why an agent cannot even be started. */
export class NotStartedError extends Error {
  override readonly name = 'NotStartedError';
  readonly failure: AgentFailure;
  constructor(kind: AgentFailureKind, detail: string, cause?: unknown) {
    super(detail, { cause });
    this.failure = { kind, detail: toDetail(detail), status: undefined };
  }
}

/** What went wrong with the jail, as the failure of a run. */
export const asNotStarted = (error: unknown): unknown => {
  if (error instanceof WorkspaceCodeError) return new NotStartedError('workspace_code', error.entry, error);
  if (error instanceof PathChangedError) return new NotStartedError('path_changed', error.path, error);
  return error;
};
