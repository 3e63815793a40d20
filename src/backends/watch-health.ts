import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Backend, BackendHealth, BackendName } from './backend.ts';

const timeoutMs = 20_000;
/** Being reachable comes first at start; looking at a backend starts processes. */
const delayMs = 300;

export type HealthWatch = {
  /** As found at start; undefined while it is still being looked at. */
  readonly of: (backend: BackendName) => BackendHealth | undefined;
  /** Resolves when nothing is being looked at any more: no process of it is left then. */
  readonly done: Promise<void>;
};

/** Looks once at every backend, behind, so that `!status` answers at once. */
export function watchHealth(
  backends: ReadonlyMap<BackendName, Backend>,
  log: Logger,
  signal: AbortSignal,
): HealthWatch {
  const healths = new Map<BackendName, BackendHealth>();
  const look = async (backend: Backend) => {
    await sleep(delayMs, undefined, { signal });
    const health = await backend.health(AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
    healths.set(backend.name, health);
  };
  const looks = [...backends.values()].map((backend) =>
    look(backend).catch((error: unknown) => {
      if (!signal.aborted) log.warn({ error, backend: backend.name }, 'a backend could not be looked at');
    }),
  );
  return { of: (name) => healths.get(name), done: Promise.all(looks).then(() => undefined) };
}
