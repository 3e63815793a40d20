/*
 * A file that a passphrase seals: XChaCha20-Poly1305 in chunks, each bound to its number and to whether it is the last one,
 * so that one that was cut off, put together anew or added to does not open (the STREAM construction of Hoang, Reyhanitabar,
 * Rogaway and Vizár, as age has it). The key is scrypt's of the passphrase and a salt of this file alone.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { type PassphraseCost, passphraseCostShape, passphraseKey } from '@nostr-dm-agent/kit/passphrase-key';
import { z } from 'zod';

export type SealedFileProblem =
  | { readonly kind: 'missing' }
  | { readonly kind: 'unreadable'; readonly code: string }
  /** No file of this kind. */
  | { readonly kind: 'not_ours' }
  | { readonly kind: 'newer'; readonly found: number }
  | { readonly kind: 'wrong_passphrase' }
  /** Its end is missing. */
  | { readonly kind: 'cut_off' }
  /** Its last piece does not open: a part of that is missing, or another, or there is more of it. Which one can't be told. */
  | { readonly kind: 'end_damaged' }
  /** Something in it is not as it was written. */
  | { readonly kind: 'damaged' };

/** A sealed file can't be read. */
export class SealedFileError extends Error {
  override readonly name = 'SealedFileError';
  readonly file: string;
  readonly problem: SealedFileProblem;
  constructor(file: string, problem: SealedFileProblem, cause?: unknown) {
    super(`${file} can't be read: ${problem.kind}`, { cause });
    this.file = file;
    this.problem = problem;
  }
}

const magic = Buffer.from('nostr-dm-agent backup\n');
const version = 1;
const chunkBytes = 64 * 1024;
const tagBytes = 16;
const prefixBytes = 15;
/** Of the header. */
const mostHeader = 4096;
/** 128 MiB, a third of a second or so. */
const usual: PassphraseCost = { n: 1 << 17, r: 8, p: 1 };

const base64 = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')));
const headerSchema = z.object({
  ...passphraseCostShape,
  salt: base64,
  /** Of the nonces; the rest of each is the number of its chunk and whether it is the last. */
  prefix: base64.refine((bytes) => bytes.length === prefixBytes),
  /** Tells another passphrase from damage. */
  check: base64,
});
const versionSchema = z.object({ version: z.number().int() });

/** A whole file as a run of bytes that goes one way. */
export type SealedWriter = {
  readonly write: (bytes: Uint8Array) => void;
  /** The last chunk. Without it the file is one that was cut off. */
  readonly end: () => void;
};

export type SealedReader = {
  /** The next `length` bytes. @throws SealedFileError */
  readonly read: (length: number) => Uint8Array;
  /** @throws SealedFileError `damaged` when there is more */
  readonly expectEnd: () => void;
  readonly close: () => void;
};

/** @param file open for writing, empty */
export async function createSealedWriter(
  file: number,
  passphrase: string,
  cost = usual,
): Promise<SealedWriter> {
  const salt = randomBytes(16);
  const prefix = randomBytes(prefixBytes);
  const key = await passphraseKey(passphrase, salt, cost);
  const text = JSON.stringify({
    ...{ version, ...cost, salt: salt.toString('base64'), prefix: prefix.toString('base64') },
    check: checkOf(key).toString('base64'),
  });
  const header = headerBytes(text);
  writeAll(file, header);
  let waiting = Buffer.alloc(0);
  let number = 0n;
  const put = (plain: Uint8Array, last: boolean): void => {
    writeAll(file, cipher(key, header, prefix, number, last).encrypt(plain));
    number += 1n;
  };
  return {
    write: (bytes) => {
      let rest = waiting.length === 0 ? Buffer.from(bytes) : Buffer.concat([waiting, bytes]);
      // What is full may be the last one: it is written once something follows.
      for (; rest.length > chunkBytes; rest = rest.subarray(chunkBytes)) {
        put(rest.subarray(0, chunkBytes), false);
      }
      waiting = Buffer.from(rest);
    },
    end: () => put(waiting, true),
  };
}

/** @throws SealedFileError */
export async function openSealedReader(path: string, passphrase: string): Promise<SealedReader> {
  const file = openFile(path);
  try {
    return await readerOf(path, file, passphrase);
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

async function readerOf(path: string, file: number, passphrase: string): Promise<SealedReader> {
  const refuse = (problem: SealedFileProblem) => new SealedFileError(path, problem);
  const { size, isFile } = sizeOf(file);
  if (!isFile) throw refuse({ kind: 'not_ours' });
  const start = readAt(file, 0, magic.length + 4);
  if (!Buffer.from(start.subarray(0, magic.length)).equals(magic)) throw refuse({ kind: 'not_ours' });
  if (start.length < magic.length + 4) throw refuse({ kind: 'cut_off' });
  const length = Buffer.from(start).readUInt32BE(magic.length);
  if (length > mostHeader) throw refuse({ kind: 'damaged' });
  const headerEnd = start.length + length;
  if (size < headerEnd) throw refuse({ kind: 'cut_off' });
  const text = Buffer.from(readAt(file, start.length, length)).toString();
  const found = versionSchema.safeParse(parseJson(text)).data?.version;
  if (found !== undefined && found > version) throw refuse({ kind: 'newer', found });
  const parsed = headerSchema.safeParse(parseJson(text)).data;
  if (parsed === undefined) throw refuse({ kind: 'damaged' });
  const key = await passphraseKey(passphrase, parsed.salt, parsed);
  if (!checkOf(key).equals(Buffer.from(parsed.check))) throw refuse({ kind: 'wrong_passphrase' });

  const header = headerBytes(text);
  let at = headerEnd;
  let number = 0n;
  let ended = false;
  let open = Buffer.alloc(0);
  const next = (): void => {
    const sealed = readAt(file, at, chunkBytes + tagBytes);
    const last = at + sealed.length >= size;
    const plain = openChunk(key, header, parsed.prefix, number, last, sealed);
    if (plain === undefined) {
      const isWhole = last && openChunk(key, header, parsed.prefix, number, false, sealed) !== undefined;
      const isCut = isWhole || sealed.length < tagBytes;
      throw refuse({ kind: isCut ? 'cut_off' : last ? 'end_damaged' : 'damaged' });
    }
    at += sealed.length;
    number += 1n;
    ended = last;
    open = Buffer.concat([open, plain]);
  };
  return {
    read: (wanted) => {
      while (open.length < wanted) {
        if (ended) throw refuse({ kind: 'damaged' });
        next();
      }
      const bytes = open.subarray(0, wanted);
      open = open.subarray(wanted);
      return bytes;
    },
    expectEnd: () => {
      if (!ended) next();
      if (!ended || open.length > 0) throw refuse({ kind: 'damaged' });
    },
    close: () => closeSync(file),
  };
}

function openChunk(
  key: Uint8Array,
  header: Uint8Array,
  prefix: Uint8Array,
  number: bigint,
  last: boolean,
  sealed: Uint8Array,
): Uint8Array | undefined {
  if (sealed.length < tagBytes) return undefined;
  try {
    return cipher(key, header, prefix, number, last).decrypt(sealed);
  } catch {
    // Poly1305 did not match; the library's error says no more than that.
    return undefined;
  }
}

function cipher(key: Uint8Array, header: Uint8Array, prefix: Uint8Array, number: bigint, last: boolean) {
  const nonce = Buffer.alloc(24);
  nonce.set(prefix);
  nonce.writeBigUInt64BE(number, prefixBytes);
  nonce.writeUInt8(last ? 1 : 0, 23);
  return xchacha20poly1305(key, nonce, header);
}

function headerBytes(text: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(text));
  return Buffer.concat([magic, length, Buffer.from(text)]);
}

const checkOf = (key: Uint8Array): Buffer =>
  createHmac('sha256', key).update('nostr-dm-agent backup: this passphrase').digest().subarray(0, 16);

function openFile(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    const code = errorCode(cause);
    if (code === undefined) throw cause;
    throw new SealedFileError(
      path,
      code === 'ENOENT' ? { kind: 'missing' } : { kind: 'unreadable', code },
      cause,
    );
  }
}

function sizeOf(file: number): { readonly size: number; readonly isFile: boolean } {
  const stat = fstatSync(file);
  return { size: stat.size, isFile: stat.isFile() };
}

/** As much as there is, up to `length`. */
function readAt(file: number, at: number, length: number): Uint8Array {
  const bytes = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const count = readSync(file, bytes, filled, length - filled, at + filled);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
}
