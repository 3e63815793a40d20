import { type Clock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import { type Fetch, neverSent, readText } from '@nostr-dm-agent/kit/http';
import { PrivateAddressError } from '@nostr-dm-agent/kit/net';
import { type Identity, signEvent } from '@nostr-dm-agent/nostr';
import { z } from 'zod';

/** Milliseconds that one server may take: so many, and what a slow line (50 kB/s) needs for the bytes. */
const uploadMs = 25_000;
const slowestBytesPerMs = 50;
const deleteMs = 15_000;
const lookMs = 10_000;
/** Of an answer, and of what is quoted of it. */
const mostAnswer = 64 * 1024;
const mostReason = 160;

/** Refusals with which a server may have the bytes all the same: too slow, known already, asked too early or too often. */
const maybeTaken: ReadonlySet<number> = new Set([408, 409, 425, 429]);

/** Why a server did not take a file. `sure`: nothing of it is there. */
export type UploadProblem = { readonly server: string; readonly sure: boolean } & (
  | { readonly problem: 'status'; readonly status: number; readonly reason: string }
  | { readonly problem: 'unreachable' | 'slow' | 'private' | 'not_that' | 'missing' | 'answer' }
);

export type BlossomDeps = {
  readonly identity: Identity;
  /** Guarded. */
  readonly fetch: (server: string) => Fetch;
  readonly clock: Clock;
};

/**
 * Says to one server, for some minutes, that the bot wants this done with this blob (BUD-11). Dated back a little: clocks
 * differ, and a date ahead is refused.
 */
function authorization(server: string, verb: 'upload' | 'delete', sha256: string, deps: BlossomDeps): string {
  const now = unixSeconds(deps.clock);
  const event = signEvent(
    {
      kind: 24242,
      created_at: now - 30,
      content: `${verb} a file`,
      tags: [
        ['t', verb],
        ['x', sha256],
        ['expiration', `${now + 300}`],
        ['server', new URL(server).hostname],
      ],
    },
    deps.identity.secretKey,
  );
  return `Nostr ${Buffer.from(JSON.stringify(event)).toString('base64url')}`;
}

const descriptor = z.object({ sha256: z.string() });

/**
 * Gives a server a blob (BUD-02). Where it is then is computed, not believed: by its hash at the server's root (BUD-01).
 *
 * @throws the signal's reason
 */
export async function putBlob(
  server: string,
  blob: { readonly body: Uint8Array; readonly sha256: string },
  deps: BlossomDeps,
  signal: AbortSignal,
): Promise<{ readonly server: string } | UploadProblem> {
  const slow = AbortSignal.timeout(uploadMs + Math.ceil(blob.body.length / slowestBytesPerMs));
  try {
    const response = await deps.fetch(server)(`${server}/upload`, {
      method: 'PUT',
      body: Buffer.from(blob.body),
      headers: {
        authorization: authorization(server, 'upload', blob.sha256, deps),
        'content-type': 'application/octet-stream',
        'x-sha-256': blob.sha256,
      },
      signal: AbortSignal.any([signal, slow]),
    });
    const { status } = response;
    if (status !== 200 && status !== 201) {
      await response.body?.cancel();
      const reason = reasonIn(response);
      const sure = status >= 300 && status < 500 && !maybeTaken.has(status);
      return { server, problem: 'status', status, reason, sure };
    }
    const text = await readText(response, mostAnswer);
    const said = descriptor.safeParse(text === undefined ? undefined : parsed(text)).data;
    if (said === undefined) return { server, problem: 'answer', sure: false };
    if (said.sha256.toLowerCase() !== blob.sha256) return { server, problem: 'not_that', sure: false };
    return { server };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof PrivateAddressError) return { server, problem: 'private', sure: true };
    return { server, problem: slow.aborted ? 'slow' : 'unreachable', sure: neverSent(error) };
  }
}

/** Whether the same server may take the same file a little later. */
export const passes = (problem: UploadProblem): boolean =>
  problem.problem === 'status'
    ? problem.status >= 500 || [408, 425, 429].includes(problem.status)
    : ['unreachable', 'slow', 'missing'].includes(problem.problem);

/**
 * Looks where its reader will whether a server has what it says that it took, or something of another size. One that says
 * nothing that is plain is believed.
 *
 * @throws the signal's reason
 */
export async function lookAfterBlob(
  server: string,
  { url, size }: { readonly url: string; readonly size: number },
  deps: Pick<BlossomDeps, 'fetch'>,
  signal: AbortSignal,
): Promise<UploadProblem | undefined> {
  try {
    const response = await deps.fetch(server)(url, {
      method: 'HEAD',
      headers: { 'accept-encoding': 'identity' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(lookMs)]),
    });
    await response.body?.cancel();
    if ([404, 410].includes(response.status)) return { server, problem: 'missing', sure: false };
    const found = response.status === 200 ? response.headers.get('content-length') : null;
    const isOther = found !== null && Number(found) > 0 && Number(found) !== size;
    return isOther && !response.headers.has('content-encoding')
      ? { server, problem: 'not_that', sure: false }
      : undefined;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** Takes a blob away again (BUD-12). @returns false: it may be there still. @throws the signal's reason */
export async function deleteBlob(
  server: string,
  sha256: string,
  deps: BlossomDeps,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const response = await deps.fetch(server)(`${server}/${sha256}`, {
      method: 'DELETE',
      headers: { authorization: authorization(server, 'delete', sha256, deps) },
      signal: AbortSignal.any([signal, AbortSignal.timeout(deleteMs)]),
    });
    await response.body?.cancel();
    return response.ok || response.status === 404 || response.status === 410;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}

/** For people, never to be parsed. */
const reasonIn = (response: Response): string =>
  (response.headers.get('x-reason') ?? '')
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, mostReason);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
