import type { Database } from 'bun:sqlite';
import { change, nullable, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { EventId, PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';

/** One of the files of a message of an owner's. */
export type NoteKey = { readonly owner: PublicKey; readonly message: EventId; readonly place: number };
/** `attempts`: requests that may have reached the service. `text`: what was said, until it was shown. */
export type VoiceNote = { readonly attempts: number; readonly text: string | undefined };

export type VoiceNoteStore = {
  readonly find: (key: NoteKey) => VoiceNote | undefined;
  /** Before a request: it counts from now on, whatever comes of it. */
  readonly ask: (key: NoteKey & { readonly seconds: number; readonly at: number }) => void;
  /** It never reached the service. */
  readonly unask: (key: NoteKey & { readonly seconds: number }) => void;
  readonly heard: (key: NoteKey & { readonly text: string }) => void;
  /** All of a message: `text` is the message's from now on. Part of the transaction that shows it. */
  readonly show: (owner: PublicKey, message: EventId, text: string) => void;
  readonly isShown: (owner: PublicKey, message: EventId) => boolean;
  /** Seconds of an owner's that were asked for since then (ms). */
  readonly secondsSince: (owner: PublicKey, since: number) => number;
};

export function createVoiceNoteStore(db: Database): VoiceNoteStore {
  const find = select(
    db,
    'SELECT attempts, text FROM voice_notes WHERE owner = ? AND message = ? AND place = ?',
    rowOf({ attempts: z.int(), text: nullable(z.string()) }),
  );
  const ask = change(
    db,
    `INSERT INTO voice_notes (owner, message, place, seconds, attempts, asked_at)
     VALUES ($owner, $message, $place, $seconds, 1, $at)
     ON CONFLICT (owner, message, place)
     DO UPDATE SET seconds = seconds + $seconds, attempts = attempts + 1, asked_at = $at`,
  );
  const unask = change(
    db,
    `UPDATE voice_notes SET seconds = seconds - $seconds, attempts = attempts - 1
     WHERE owner = $owner AND message = $message AND place = $place`,
  );
  const heard = change(
    db,
    'UPDATE voice_notes SET text = $text WHERE owner = $owner AND message = $message AND place = $place',
  );
  const rewrite = change(db, 'UPDATE messages SET text = ? WHERE sender = ? AND id = ?');
  const shown = change(db, 'UPDATE voice_notes SET shown = 1, text = NULL WHERE owner = ? AND message = ?');
  const isShown = select(
    db,
    'SELECT place FROM voice_notes WHERE owner = ? AND message = ? AND shown = 1 LIMIT 1',
    z.object({ place: z.int() }),
  );
  const seconds = select(
    db,
    'SELECT coalesce(sum(seconds), 0) AS seconds FROM voice_notes WHERE owner = ? AND asked_at >= ?',
    z.object({ seconds: z.int() }),
  );
  return {
    find: ({ owner, message, place }) => find.one(owner, message, place),
    ask,
    unask,
    heard,
    show: (owner, message, text) => {
      rewrite(text, owner, message);
      shown(owner, message);
    },
    isShown: (owner, message) => isShown.one(owner, message) !== undefined,
    secondsSince: (owner, since) => seconds.one(owner, since)?.seconds ?? 0,
  };
}
