import { createHash } from 'node:crypto';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { whenFree } from '@nostr-dm-agent/kit/sqlite';
import { after, type Cancel } from '@nostr-dm-agent/kit/timers';
import type { Outbox, PublicKey, Recipient } from '@nostr-dm-agent/nostr';
import type { Sealer } from '../keys/seal.ts';
import type { OutgoingFileStore, StoredFile } from '../store/outgoing-files-table.ts';
import type { UploadStore } from '../store/uploads-table.ts';
import { type BlossomDeps, lookAfterBlob, passes, putBlob, type UploadProblem } from './blossom.ts';
import { type FileFacts, messageOf, openFacts } from './outgoing-files.ts';

/** Why a file is not sent any more. */
export type NotSent =
  | { readonly why: 'servers'; readonly file: FileFacts; readonly problems: readonly UploadProblem[] }
  /** What is on disk is not what was put there, or was sealed by another key. */
  | { readonly why: 'lost' };

export type SendFilesDeps = BlossomDeps & {
  readonly servers: readonly string[];
  /** How long a file stays there (ms). */
  readonly keptMs: number;
  readonly stores: {
    readonly outgoing: OutgoingFileStore;
    readonly uploads: UploadStore;
    readonly atomically: (change: () => void) => void;
  };
  readonly sealer: Sealer;
  readonly outbox: Pick<Outbox, 'sendFile'>;
  /** Still somebody whom the bot works for: who was removed gets no files that were on their way. */
  readonly isReader: (publicKey: PublicKey) => boolean;
  /** Its reader is told, in the transaction that gives it up. */
  readonly giveUp: (to: Recipient, not: NotSent) => void;
  /** Told between two steps, when everything is on disk. Tests end the process there. */
  readonly reached: (checkpoint: 'file:uploading' | 'file:uploaded' | 'file:sent') => void;
  readonly log: Logger;
};

/** Between two rounds through all servers (ms); then its reader is told. */
const pauses = [5_000, 20_000, 60_000, 180_000, 300_000];
/** People who are sent files at the same time; each gets theirs one after the other. */
const mostAtOnce = 3;
/** After a fault of the bot's own, such as a database that can't be written to. */
const faultPauseMs = 30_000;
/** An upload that nobody has sent by then is deleted: a server may still be busy with one that was cut off. */
const unsentMs = 10 * 60_000;

/**
 * Puts files that are on their way at the first server that takes them, and the message that names it into the outbox: in one
 * transaction with the end of the job, so that a file is sent once whenever the bot is killed. The bytes are the same at each
 * attempt, so one that was cut off is begun again, and what of it is at another server is deleted there.
 */
export function createFileSender(deps: SendFilesDeps, signal: AbortSignal) {
  const { stores, clock, log } = deps;
  const { outgoing } = stores;
  const busy = new Map<PublicKey, Promise<void>>();
  let started = false;
  let cancel: Cancel = () => undefined;

  const look = (): void => {
    if (!started || signal.aborted) return;
    cancel();
    const timer = { name: 'files on their way', log, signal };
    try {
      for (const file of outgoing.due(clock.now())) {
        const { publicKey } = file.to;
        if (busy.has(publicKey)) continue;
        if (busy.size >= mostAtOnce) break;
        busy.set(
          publicKey,
          sendOne(file, deps, signal)
            .then(() => true)
            .catch((cause: unknown) => {
              if (!signal.aborted) log.error({ cause }, 'a file could not be sent on; it is tried again');
              return false;
            })
            .then((went) => {
              busy.delete(publicKey);
              if (went) look();
              else cancel = after(faultPauseMs, timer, look);
            }),
        );
      }
      // What is due already and waits for its turn is looked at when that comes.
      const next = outgoing.nextAfter(clock.now());
      if (next !== undefined) cancel = after(Math.max(100, next - clock.now()), timer, look);
    } catch (cause) {
      log.error({ cause }, 'files on their way could not be looked at');
      cancel = after(faultPauseMs, timer, look);
    }
  };
  return {
    look,
    start: (): void => {
      started = true;
      look();
    },
    /** Waits for what is under way, once the signal is aborted. */
    done: async (): Promise<void> => void (await Promise.all(busy.values())),
  };
}

/** One round through the servers. @throws the signal's reason */
async function sendOne(file: StoredFile, deps: SendFilesDeps, signal: AbortSignal): Promise<void> {
  const { stores, servers, clock, log, reached } = deps;
  const { outgoing, uploads, atomically } = stores;
  const { seq, sha256, to } = file;
  const isRead = () => deps.isReader(to.publicKey);
  const settle = (change: () => void): Promise<void> =>
    whenFree(
      () =>
        atomically(() => {
          // Removed meanwhile: what is at a server is deleted there, as what nobody has sent.
          if (isRead()) change();
          outgoing.remove(seq);
        }),
      signal,
    );
  if (!isRead()) {
    await settle(() => undefined);
    return;
  }
  const opened = contentOf(file, deps);
  if (opened === undefined) {
    await settle(() => deps.giveUp(to, { why: 'lost' }));
    return;
  }
  const { facts, body } = opened;
  const problems: UploadProblem[] = [];
  for (const server of servers) {
    const isFirst = await whenFree(() => uploads.begin(server, sha256, clock.now() + unsentMs), signal);
    reached('file:uploading');
    const message = messageOf(server, sha256, facts, body.length);
    const put = await uploaded(server, { body, sha256, at: message.url }, deps, signal);
    if (!('problem' in put)) {
      reached('file:uploaded');
      await settle(() => {
        uploads.sent(server, sha256, clock.now() + deps.keptMs);
        deps.outbox.sendFile(to, message);
      });
      reached('file:sent');
      return;
    }
    // An attempt before this one may have left something there.
    if (put.sure && isFirst) await whenFree(() => uploads.forget(server, sha256), signal);
    log.warn({ ...put }, 'a server did not take a file');
    problems.push(put);
  }
  const pauseMs = problems.some(passes) ? pauses[file.attempts] : undefined;
  if (pauseMs === undefined) await settle(() => deps.giveUp(to, { why: 'servers', file: facts, problems }));
  else await whenFree(() => outgoing.later(seq, clock.now() + pauseMs), signal);
}

/** It is there, where its reader will look for it. */
async function uploaded(
  server: string,
  blob: Parameters<typeof putBlob>[1] & { readonly at: string },
  deps: BlossomDeps,
  signal: AbortSignal,
): ReturnType<typeof putBlob> {
  const put = await putBlob(server, blob, deps, signal);
  if ('problem' in put) return put;
  return (await lookAfterBlob(server, { url: blob.at, size: blob.body.length }, deps, signal)) ?? put;
}

/** undefined: it can't be opened any more. */
function contentOf(
  file: StoredFile,
  { stores, sealer, log }: SendFilesDeps,
): { readonly facts: FileFacts; readonly body: Uint8Array } | undefined {
  const { seq, sha256 } = file;
  const body = stores.outgoing.body(seq) ?? new Uint8Array();
  if (createHash('sha256').update(body).digest('hex') !== sha256) {
    log.error({ sha256 }, 'a file on its way is not what was stored');
    return undefined;
  }
  try {
    return { facts: openFacts(sealer, file), body };
  } catch (cause) {
    log.error({ cause, sha256 }, 'a file on its way can’t be opened');
    return undefined;
  }
}
