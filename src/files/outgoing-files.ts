import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Outbox, PublicKey, Recipient } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import type { Sealer } from '../keys/seal.ts';
import type { OutgoingFileStore, StoredFile } from '../store/outgoing-files-table.ts';
import { encryptFile } from './encrypt-file.ts';
import type { FileType } from './sniff-type.ts';
import { stripMetadata } from './strip-metadata.ts';

/** How its reader can have it all the same when no server takes it. */
const ways = z.enum(['get', 'more_lines', 'said']);

export type OutgoingFile = {
  readonly bytes: Uint8Array;
  readonly type: Pick<FileType, 'mime' | 'extension'>;
  /** What stands beside it: the path of a file of the workspace. */
  readonly name: string;
  /** `get`: it is a file of the workspace. `more_lines`, `said`: some of it, or all, is in the text before it. */
  readonly way: z.infer<typeof ways>;
};

/** A file, encrypted. `send`: it is on its way, as a part of the caller's transaction. */
export type PreparedFile = {
  readonly name: string;
  readonly mime: string;
  /** Bytes, before it was encrypted. */
  readonly size: number;
  /** @param to by NIP-17 */
  readonly send: (to: Recipient) => void;
};

/** Files that the bot sends: encrypted, by the first server that takes them, over restarts. */
export type OutgoingFiles = {
  /** undefined: a picture that is broken can't be cleaned of what it says of itself, and is not sent. */
  readonly prepare: (file: OutgoingFile) => PreparedFile | undefined;
  /** As many are on their way to somebody as may be. */
  readonly isFull: (to: PublicKey) => boolean;
};

/** On their way to one person; each has its bytes on the bot's disk. */
const mostUnderWay = 20;

const factsSchema = z.object({
  ...{ name: z.string(), mime: z.string(), extension: z.string(), size: z.int(), way: ways },
  ...{ key: z.string(), nonce: z.string(), plainSha256: z.string() },
});
export type FileFacts = z.infer<typeof factsSchema>;

const contextOf = (sha256: string) => ['outgoing-file', sha256] as const;

/** @throws SealError, SyntaxError, ZodError when they are not this bot's */
export const openFacts = (sealer: Sealer, { sha256, facts }: Pick<StoredFile, 'sha256' | 'facts'>) =>
  factsSchema.parse(JSON.parse(sealer.open(facts, contextOf(sha256))));

/** What the message says of a file that is at this server. */
export const messageOf = (
  server: string,
  sha256: string,
  { name: caption, mime, extension, key, nonce, plainSha256 }: FileFacts,
  size: number,
): Parameters<Outbox['sendFile']>[1] => ({
  url: `${server}/${sha256}.${extension}`,
  ...{ mime, key, nonce, sha256, plainSha256, size, caption },
});

/**
 * Its bytes go to disk encrypted, what opens them sealed, so that the same bytes are sent however often it is tried: a server
 * that has them already says so.
 * @param onQueued something is to be sent, when the caller's transaction is over
 */
export function createOutgoingFiles(deps: {
  readonly store: Pick<OutgoingFileStore, 'add' | 'count'>;
  readonly sealer: Sealer;
  readonly onQueued: () => void;
  readonly clock: Clock;
}): OutgoingFiles {
  const { store, sealer, clock } = deps;
  return {
    isFull: (to) => store.count(to) >= mostUnderWay,
    prepare: ({ bytes, type: { mime, extension }, name, way }) => {
      const clean = stripMetadata(bytes, mime);
      if (clean === undefined) return undefined;
      const { body, sha256, ...keys } = encryptFile(clean);
      const size = clean.length;
      const known: FileFacts = { name, mime, extension, size, way, ...keys };
      const facts = sealer.seal(JSON.stringify(known), contextOf(sha256));
      return {
        ...{ name, mime, size },
        send: (to) => {
          store.add(to, { sha256, facts, body }, clock.now());
          queueMicrotask(deps.onQueued);
        },
      };
    },
  };
}
