import { createAcp } from './acp/acp-backend.ts';
import type { BackendDeps, BackendSettings } from './agent-folders.ts';
import type { Backend, BackendName } from './backend.ts';
import { createCursor } from './cursor.ts';
import { createOpencode } from './opencode.ts';

/** The backends by name. Nothing is started or looked for before one of them is used. */
export const createBackends = (
  settings: BackendSettings,
  deps: BackendDeps,
): ReadonlyMap<BackendName, Backend> =>
  new Map(
    [
      createOpencode(settings, deps),
      createCursor(settings, deps),
      ...settings.agents.map((program) => createAcp(program, settings, deps)),
    ].map((backend) => [backend.name, backend]),
  );
