/*
 * What a backup holds, one thing after another: what it is of, files with their contents, an end mark. Paths are of the backup
 * alone (`home/…`, `wallet/…`, `settings/…`); where they go is for whoever puts them there.
 */
import { isAbsolute, resolve } from 'node:path';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { z } from 'zod';
import type { Steps } from './in-steps.ts';
import { SealedFileError, type SealedReader, type SealedWriter } from './sealed-file.ts';

/** Without `..`, `//` and a slash at its end, which nothing else is compared with. */
const placeSchema = z
  .string()
  .refine(isAbsolute)
  .transform((path) => resolve(path));

const manifestSchema = z.object({
  kind: z.literal('manifest'),
  /** Of the program. */
  program: z.string(),
  /** Unix ms. */
  madeAt: z.number(),
  host: z.string(),
  /** Absolute, as they were there. */
  places: z.object({
    userHome: placeSchema,
    /** In which `.env` was, and to which relative paths are relative. */
    directory: placeSchema,
    home: placeSchema,
    walletDirectory: placeSchema,
  }),
  /** Fingerprint of the wallet; absent: there is none. */
  wallet: z.string().optional(),
  /** What opens its words, where they are sealed. */
  wordsOpenWith: z.enum(['passphrase', 'keyring']).optional(),
});
/** What a backup is of. */
export type Manifest = z.infer<typeof manifestSchema>;

const fileSchema = z.object({
  kind: z.literal('file'),
  path: z.string(),
  mode: z.number().int(),
  size: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
});
/** A file in a backup. */
export type BackupFile = Omit<z.infer<typeof fileSchema>, 'kind'>;

const endSchema = z.object({ kind: z.literal('end'), files: z.number() });
const recordSchema = z.discriminatedUnion('kind', [manifestSchema, fileSchema, endSchema]);

const mostRecord = 64 * 1024;
const pieceBytes = 1024 * 1024;

/** The header of what follows. */
export function writeRecord(
  writer: SealedWriter,
  record:
    | Manifest
    | ({ readonly kind: 'file' } & BackupFile)
    | { readonly kind: 'end'; readonly files: number },
): void {
  const text = Buffer.from(JSON.stringify(record));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  writer.write(Buffer.concat([length, text]));
}

/**
 * Reads a whole backup. Only once this has returned is it known that nothing is missing.
 *
 * @param onFile gets each file's header and its content in pieces, all of them before the next one
 * @throws SealedFileError
 */
export function* readBackup(
  path: string,
  reader: SealedReader,
  onFile: (file: BackupFile, pieces: Iterable<Uint8Array>) => Steps<void>,
  onManifest?: (manifest: Manifest) => void,
): Steps<Manifest> {
  const damaged = () => new SealedFileError(path, { kind: 'damaged' });
  const next = () => {
    const length = Buffer.from(reader.read(4)).readUInt32BE();
    if (length > mostRecord) throw damaged();
    const record = recordSchema.safeParse(parseJson(Buffer.from(reader.read(length)).toString())).data;
    if (record === undefined) throw damaged();
    return record;
  };
  const manifest = next();
  if (manifest.kind !== 'manifest') throw damaged();
  onManifest?.(manifest);
  let files = 0;
  for (;;) {
    const record = next();
    if (record.kind === 'end') {
      if (record.files !== files) throw damaged();
      reader.expectEnd();
      return manifest;
    }
    if (record.kind !== 'file' || !mayBeKept(record.path)) throw damaged();
    let left = record.size;
    const pieces = function* () {
      while (left > 0) {
        const piece = reader.read(Math.min(left, pieceBytes));
        left -= piece.length;
        yield piece;
      }
    };
    yield* onFile(record, pieces());
    if (left > 0) throw damaged();
    files += 1;
  }
}

const kept = /^(?:home\/.|wallet\/[0-9a-f]{16}\.(?:db|words)$|settings\/env$)/;
/** What putting it in place itself makes there. */
const ofRestore =
  /^home\/(?:(?:restore|backup|upgrade)\.(?:json|part)|before-restore[^/]*|[^/]*\.lock(?:\.json)?)(?:\/|$)/;

/** Nothing below a home is so long: a place that is longer takes no file (PATH_MAX is 4,096). */
const longestPath = 2000;

/** Where a backup has a file of ours: below where it is put, wherever that is. */
export const mayBeKept = (path: string): boolean =>
  kept.test(path) &&
  !ofRestore.test(path) &&
  !path.includes('\0') &&
  Buffer.byteLength(path) <= longestPath &&
  path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
