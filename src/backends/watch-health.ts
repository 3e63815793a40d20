import type { Logger } from '../log.ts';
import type { Backend, BackendHealth, BackendName } from './types.ts';

const timeoutMs = 20_000;

/** Looks once at every backend, behind, so that `!status` answers at once. */
export function watchHealth(
  backends: ReadonlyMap<BackendName, Backend>,
  log: Logger,
  signal: AbortSignal,
): ReadonlyMap<BackendName, BackendHealth> {
  const healths = new Map<BackendName, BackendHealth>();
  const look = async (backend: Backend) => {
    const health = await backend.health(AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
    healths.set(backend.name, health);
  };
  for (const backend of backends.values()) {
    look(backend).catch((error: unknown) => {
      if (!signal.aborted) log.warn({ error, backend: backend.name }, 'a backend could not be looked at');
    });
  }
  return healths;
}
