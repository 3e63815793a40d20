import type { Logger } from '@nostr-dm-agent/kit/log';
import type { UploadStore } from '../store/uploads-table.ts';
import { type BlossomDeps, deleteBlob } from './blossom.ts';

const hourMs = 60 * 60_000;
const mostAttempts = 30;

/** Deletes what is due; what can't be deleted is tried again, ever more rarely. @throws the signal's reason */
export async function deleteUploads(
  deps: BlossomDeps & { readonly uploads: UploadStore; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const { uploads, clock, log } = deps;
  for (const { server, sha256, attempts } of uploads.due(clock.now(), 50)) {
    if (await deleteBlob(server, sha256, deps, signal)) {
      uploads.forget(server, sha256);
      continue;
    }
    if (attempts + 1 >= mostAttempts) {
      log.warn({ server, sha256 }, 'a file could not be deleted from its server');
      uploads.forget(server, sha256);
    } else uploads.later(server, sha256, clock.now() + hourMs * Math.min(24, 2 ** attempts));
  }
}
