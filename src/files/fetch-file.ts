import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Fetch, readBytes } from '@nostr-dm-agent/kit/http';
import { PrivateAddressError, RedirectError } from '@nostr-dm-agent/kit/net';
import type { SharedFile } from '@nostr-dm-agent/nostr';
import { decryptFile } from './decrypt-file.ts';
import { type FileType, sniffType } from './sniff-type.ts';

/** Bytes of one file, and milliseconds that it may take. */
export const MAX_FILE_BYTES = 20 * 1024 * 1024;
const deadlineMs = 60_000;
/** A server that is in trouble, or a line that breaks, is often well a moment later. */
const pauses = [500, 3_000];

/** What keeps a file from being had. */
export type FileProblem =
  | { readonly problem: 'status'; readonly status: number }
  | {
      readonly problem:
        | 'too_large'
        | 'unreachable'
        | 'slow'
        | 'private'
        | 'not_that'
        | 'locked'
        | 'changed'
        | 'empty';
    };

export type FetchedFile = { readonly bytes: Uint8Array; readonly type: FileType };

/**
 * Fetches a file that an owner sent and opens it. `x` is checked before and `ox` after decryption. Whoever serves it is a
 * stranger: no private address, no size that is claimed, no endless answer.
 *
 * @param fetch a guarded one
 * @throws the signal's reason
 */
export async function fetchFile(
  file: SharedFile,
  fetch: Fetch,
  signal: AbortSignal,
): Promise<FetchedFile | FileProblem> {
  const body = await bytesInTime(file.url, fetch, signal);
  if ('problem' in body) return body;
  if (file.sha256 !== undefined && file.sha256 !== sha256(body.bytes)) return { problem: 'not_that' };
  const plain = file.encryption === undefined ? body.bytes : decryptFile(body.bytes, file.encryption);
  if (plain === undefined) return { problem: 'locked' };
  if (file.plainSha256 !== undefined && file.plainSha256 !== sha256(plain)) return { problem: 'changed' };
  return plain.length === 0 ? { problem: 'empty' } : { bytes: plain, type: sniffType(plain) };
}

type Body = { readonly bytes: Uint8Array } | FileProblem;

async function bytesInTime(url: string, fetch: Fetch, signal: AbortSignal): Promise<Body> {
  const slow = AbortSignal.timeout(deadlineMs);
  const within = AbortSignal.any([signal, slow]);
  for (let attempt = 0; ; attempt++) {
    const body = await bytesAt(url, fetch, within);
    signal.throwIfAborted();
    if (slow.aborted && 'problem' in body) return { problem: 'slow' };
    const pauseMs = pauses[attempt];
    if (pauseMs === undefined || !mayPass(body)) return body;
    await sleep(pauseMs, undefined, { signal: within }).catch(() => undefined);
  }
}

const mayPass = (body: Body): boolean =>
  'problem' in body &&
  (body.problem === 'status'
    ? body.status >= 500 || [408, 425, 429].includes(body.status)
    : body.problem === 'unreachable');

async function bytesAt(url: string, fetch: Fetch, signal: AbortSignal): Promise<Body> {
  try {
    const response = await fetch(url, { signal, headers: { accept: '*/*' } });
    if (!response.ok) {
      await response.body?.cancel();
      return { problem: 'status', status: response.status };
    }
    const body = await readBytes(response, MAX_FILE_BYTES);
    if (body.end === 'broken') throw body.cause;
    return body.end === 'whole' ? { bytes: body.bytes } : { problem: 'too_large' };
  } catch (error) {
    const isElsewhere = error instanceof PrivateAddressError || error instanceof RedirectError;
    return { problem: isElsewhere ? 'private' : 'unreachable' };
  }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
