import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pause, untilAborted } from '@nostr-dm-agent/kit/abort';
import { isPlainFile, openOwnerFolder, openOwnerStore } from './agent-folders.ts';
import type { AgentEvent, AgentResult, Backend } from './backend.ts';

/** By then opencode has made its tables, also on a slow machine. */
const tablesMs = 10_000;
/** Another run of the owner's may hold the store for a moment. */
const lockedPauseMs = 1_500;
const databaseFiles = ['opencode.db', 'opencode.db-wal', 'opencode.db-shm'];

/** Takes a store that opencode can't read out of its way. Of several, the last is kept. @returns where it is */
const putAside = async (botHome: string, owner: string): Promise<string> => {
  const store = await openOwnerStore(botHome, owner);
  const folder = await openOwnerFolder(botHome, owner, 'damaged');
  for (const old of await readdir(folder)) await rm(join(folder, old), { recursive: true, force: true });
  const place = join(folder, new Date().toISOString().replaceAll(':', '.'));
  await mkdir(place, { mode: 0o700 });
  for (const name of databaseFiles)
    if (await isPlainFile(join(store, name))) await rename(join(store, name), join(place, name));
  return place;
};

const unreadable = ({ failure, steps }: AgentResult): boolean =>
  steps === 0 && (failure?.kind === 'store_damaged' || failure?.kind === 'store_locked');

/**
 * Looks after the stores of opencode's sessions: two first runs do not make the same tables at once, and a store that
 * can't be read is moved aside, so that the next run works.
 */
export const createStoreKeeper = (botHome: string) => {
  /** Settled once a first run on a fresh database has given a sign of life: opencode has made its tables by then. */
  const tablesMade = new Map<string, Promise<void>>();
  const underWay = new Map<string, number>();

  /** Two that make the same tables at once get in each other's way, so the others wait for the first. */
  const awaitTables = async (database: string, signal: AbortSignal): Promise<() => void> => {
    const making = tablesMade.get(database);
    // Whoever was ended meanwhile says so themselves.
    if (making !== undefined) await untilAborted(making, signal).catch(() => undefined);
    else if (!existsSync(database)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      tablesMade.set(database, promise);
      // A model that is slow to answer is no reason to wait.
      const timer = setTimeout(resolve, tablesMs);
      return () => {
        clearTimeout(timer);
        resolve();
      };
    }
    return () => undefined;
  };

  /** The same run with its owner's store looked after. A store that was moved aside: `store_damaged`, with its place. */
  const keeping =
    (run: Backend['run']): Backend['run'] =>
    async (request, observer, signal) => {
      const store = await openOwnerStore(botHome, request.owner);
      const made = await awaitTables(join(store, 'opencode.db'), signal);
      const onEvent = (event: AgentEvent): void => {
        made();
        observer.onEvent?.(event);
      };
      underWay.set(store, (underWay.get(store) ?? 0) + 1);
      try {
        const attempt = () => run(request, { ...observer, onEvent }, signal);
        let result = await attempt();
        if (result.failure?.kind === 'store_locked' && unreadable(result))
          if (await pause(lockedPauseMs, signal)) result = await attempt();
        // One that another run works with is left to it.
        if (!unreadable(result) || (underWay.get(store) ?? 0) > 1) return result;
        const detail = await putAside(botHome, request.owner);
        tablesMade.delete(join(store, 'opencode.db'));
        return { ...result, failure: { kind: 'store_damaged', detail, status: undefined } };
      } finally {
        underWay.set(store, (underWay.get(store) ?? 1) - 1);
        made();
      }
    };
  return { keeping };
};
