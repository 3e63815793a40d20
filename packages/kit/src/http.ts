import { errorCode } from './error-code.ts';

/** What came of a body. `text` is what had arrived, also when it is not all; of one too large as much as was asked for. */
export type Body =
  | { readonly end: 'whole'; readonly text: string }
  | { readonly end: 'too_large'; readonly text: string }
  /** The connection broke, or the request's signal was aborted. */
  | { readonly end: 'broken'; readonly text: string; readonly cause: unknown };

/** Of a Request or a Response. */
type Source = { readonly body: ReadableStream<Uint8Array> | null };

/** The same in bytes. */
export type Bytes = { readonly bytes: Uint8Array } & (
  | { readonly end: 'whole' | 'too_large' }
  | { readonly end: 'broken'; readonly cause: unknown }
);

/**
 * Reads a body that somebody else wrote, no further than `maxBytes`: whoever sends for ever is left.
 * (fetch takes compression off before: the limit is on what it became.)
 */
export async function readBytes({ body }: Source, maxBytes: number): Promise<Bytes> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body ?? []) {
      chunks.push(chunk.subarray(0, maxBytes - size));
      size += chunk.byteLength;
      // Leaving the loop cancels the stream.
      if (size > maxBytes) return { end: 'too_large', bytes: Buffer.concat(chunks) };
    }
  } catch (cause) {
    return { end: 'broken', bytes: Buffer.concat(chunks), cause };
  }
  return { end: 'whole', bytes: Buffer.concat(chunks) };
}

/** The same as UTF-8. */
export async function readBody(source: Source, maxBytes: number): Promise<Body> {
  const { bytes, ...end } = await readBytes(source, maxBytes);
  return { ...end, text: Buffer.from(bytes).toString('utf8') };
}

/** The whole body; undefined: it is larger than `maxBytes`. @throws what broke the connection */
export async function readText(source: Source, maxBytes: number): Promise<string | undefined> {
  const body = await readBody(source, maxBytes);
  if (body.end === 'broken') throw body.cause;
  return body.end === 'whole' ? body.text : undefined;
}

const beforeSending: ReadonlySet<string> = new Set([
  'ConnectionRefused',
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  // The network guard's.
  'ADDRESS_REFUSED',
  // The proxy's.
  'NO_WAY_OUT',
]);

/** What fetch's error says of a request: nobody listened, or the name leads nowhere, so nothing of it ever left. */
export function neverSent(error: unknown): boolean {
  const code = errorCode(error);
  return code !== undefined && beforeSending.has(code);
}

/** As `fetch` is called, so that a guarded one can stand in its place. */
export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;
