import type { Logger } from '@nostr-dm-agent/kit/log';
import { after, every } from '@nostr-dm-agent/kit/timers';
import type { Outbox, Recipient } from '@nostr-dm-agent/nostr';
import type { UploadStore } from '../store/uploads-table.ts';
import { type BlossomDeps, deleteBlob, putBlob, type UploadProblem } from './blossom.ts';
import { encryptFile } from './encrypt-file.ts';
import type { FileType } from './sniff-type.ts';
import { stripMetadata } from './strip-metadata.ts';

export type OutgoingFile = {
  readonly bytes: Uint8Array;
  readonly type: FileType;
  /** What stands beside it. */
  readonly caption: string;
};

/** `send` puts the message in the outbox, as a part of the caller's transaction: until then the upload is one to be deleted. */
export type Uploaded = { readonly send: (to: Recipient) => void };
export type NotUploaded =
  | { readonly why: 'broken_picture' }
  | { readonly why: 'servers'; readonly problems: readonly UploadProblem[] };

/** Files that the bot sends: encrypted, at the first server that takes them, and deleted there when their days are over. */
export type OutgoingFiles = {
  /** @throws the signal's reason */
  readonly upload: (file: OutgoingFile, signal: AbortSignal) => Promise<Uploaded | NotUploaded>;
};

/** An upload that nobody has sent by then is deleted. */
const unsentMs = 15 * 60_000;
const hourMs = 60 * 60_000;
const lookMs = 10 * 60_000;
const mostAttempts = 30;

export type OutgoingFilesDeps = BlossomDeps & {
  readonly servers: readonly string[];
  /** How long a file stays there. */
  readonly keptMs: number;
  readonly uploads: UploadStore;
  readonly outbox: Pick<Outbox, 'sendFile'>;
  readonly log: Logger;
  /** Deletes until then. */
  readonly signal: AbortSignal;
};

export function createOutgoingFiles(deps: OutgoingFilesDeps): OutgoingFiles {
  const { servers, uploads, clock, log, signal: stopping } = deps;
  // What a kill cut off.
  uploads.abandon(clock.now());
  const timer = { name: 'uploads', log, signal: stopping };
  const sweep = () => deleteDue(deps, stopping);
  after(20_000, timer, sweep);
  every(lookMs, timer, sweep);
  return {
    upload: async ({ bytes, type, caption }, signal) => {
      const clean = stripMetadata(bytes, type.mime);
      if (clean === undefined) return { why: 'broken_picture' };
      const { body, sha256, ...keys } = encryptFile(clean);
      const problems: UploadProblem[] = [];
      for (const server of servers) {
        uploads.begin(server, sha256, clock.now() + unsentMs);
        const put = await putBlob(server, { body, sha256 }, deps, signal);
        if (!('problem' in put)) {
          const url = `${server}/${sha256}.${type.extension}`;
          const message = { url, mime: type.mime, sha256, size: body.length, caption, ...keys };
          return {
            send: (to) => {
              uploads.sent(server, sha256, clock.now() + deps.keptMs);
              deps.outbox.sendFile(to, message);
            },
          };
        }
        if (put.sure) uploads.forget(server, sha256);
        else uploads.later(server, sha256, clock.now());
        log.warn({ ...put }, 'a server did not take a file');
        problems.push(put);
      }
      return { why: 'servers', problems };
    },
  };
}

/** Deletes what is due; what can't be deleted is tried again, ever more rarely. @throws the signal's reason */
export async function deleteDue(
  deps: Pick<OutgoingFilesDeps, 'uploads' | 'log' | keyof BlossomDeps>,
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
