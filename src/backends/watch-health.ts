import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Backend, BackendHealth, BackendName } from './backend.ts';

const timeoutMs = 20_000;
/** Being reachable comes first at start; looking at a backend starts processes. */
const delayMs = 300;

export type HealthWatch = {
  /** As it was found last; undefined while it is looked at for the first time. */
  readonly of: (backend: BackendName) => BackendHealth | undefined;
  /** Looks at one again, behind. */
  readonly again: (backend: BackendName) => void;
  /** Resolves when nothing is being looked at any more: no process of it is left then. */
  readonly done: () => Promise<void>;
};

/** Looks at every backend, behind, so that `!status` answers at once. */
export function watchHealth(
  backends: ReadonlyMap<BackendName, Backend>,
  log: Logger,
  signal: AbortSignal,
): HealthWatch {
  const healths = new Map<BackendName, BackendHealth>();
  const looks = new Map<BackendName, Promise<void>>();
  const look = (backend: Backend): void => {
    // One at a time; the next failure looks again.
    if (looks.has(backend.name) || signal.aborted) return;
    const looking = async () => {
      await sleep(delayMs, undefined, { signal });
      const health = await backend.health(AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
      healths.set(backend.name, health);
    };
    const done = looking()
      .catch((error: unknown) => {
        if (!signal.aborted) log.warn({ error, backend: backend.name }, 'a backend could not be looked at');
      })
      .finally(() => looks.delete(backend.name));
    looks.set(backend.name, done);
  };
  for (const backend of backends.values()) look(backend);
  return {
    of: (name) => healths.get(name),
    again: (name) => {
      const backend = backends.get(name);
      if (backend !== undefined) look(backend);
    },
    done: async () => {
      await Promise.all(looks.values());
    },
  };
}
