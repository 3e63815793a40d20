import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Fetch } from '@nostr-dm-agent/kit/http';
import { createKeyedLock } from '@nostr-dm-agent/kit/keyed-lock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { SpeechService } from '../config/config.ts';
import type { NoteKey, VoiceNoteStore } from '../store/voice-notes-table.ts';
import type { Recording } from './audio.ts';
import { heardIn } from './heard.ts';
import { type TranscriptionProblem, transcribe } from './transcribe.ts';

/** Seconds of one note, and of one owner's notes within a day: what they may cost the operator is bounded. */
export const MAX_NOTE_SECONDS = 300;
export const MAX_DAY_SECONDS = 3600;
const dayMs = 86_400_000;
/** A request that a kill or a break cut off is made once more; the service may have been paid for it. */
const mostAttempts = 2;
/** A slow machine needs longer than the speech itself. */
const deadlineOf = (seconds: number): number => 60_000 + seconds * 2000;

/** Why a voice note is no text. */
export type VoiceProblem =
  | TranscriptionProblem
  | { readonly problem: 'too_long'; readonly seconds: number }
  | { readonly problem: 'off' | 'day_full' | 'cut_off' | 'silence' | 'late' };

export type VoiceNotes = {
  readonly isOn: boolean;
  /** What is known of it already: its text was stored before a kill. */
  readonly known: (key: NoteKey) => string | undefined;
  /**
   * What is said in it. Stored before it is returned, and asked for at the service before that: a kill in between costs one
   * more request at the most.
   *
   * @throws the signal's reason
   */
  readonly hear: (
    key: NoteKey,
    recording: Recording & { readonly bytes: Uint8Array },
    signal: AbortSignal,
  ) => Promise<{ readonly text: string } | VoiceProblem>;
};

export function createVoiceNotes(deps: {
  readonly service: SpeechService | undefined;
  readonly store: VoiceNoteStore;
  /** By the process's way out: whom the operator chose. */
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly log: Logger;
}): VoiceNotes {
  const { service, store, fetch, clock, log } = deps;
  const oneOfEach = createKeyedLock<PublicKey>();

  const ask = async (
    asked: SpeechService,
    key: NoteKey,
    { type, bytes, seconds }: Recording & { readonly bytes: Uint8Array },
    signal: AbortSignal,
  ): Promise<{ readonly text: string } | VoiceProblem> => {
    const length = lengthOf(bytes, type.mime, seconds);
    if (length > MAX_NOTE_SECONDS) return { problem: 'too_long', seconds: length };
    if ((store.find(key)?.attempts ?? 0) >= mostAttempts) return { problem: 'cut_off' };
    if (store.secondsSince(key.owner, clock.now() - dayMs) + length > MAX_DAY_SECONDS)
      return { problem: 'day_full' };
    store.ask({ ...key, seconds: length, at: clock.now() });
    const startedAt = performance.now();
    const note = `${key.message}-${key.place}`;
    const limits = { fetch, deadlineMs: deadlineOf(length) };
    const made = await transcribe(asked, { bytes, type, note }, limits, signal);
    const ms = Math.round(performance.now() - startedAt);
    if ('problem' in made) {
      if (made.problem === 'unreachable') store.unask({ ...key, seconds: length });
      log.warn({ ...made, ms }, 'a voice note could not be transcribed');
      return made;
    }
    log.info({ seconds: length, ms }, 'a voice note was transcribed');
    const text = heardIn(made.text);
    if (text === undefined) return { problem: 'silence' };
    store.heard({ ...key, text });
    return { text };
  };

  return {
    isOn: service !== undefined,
    known: (key) => store.find(key)?.text,
    hear: async (key, recording, signal) => {
      const known = store.find(key)?.text;
      if (known !== undefined) return { text: known };
      if (service === undefined) return { problem: 'off' };
      return oneOfEach.run(key.owner, signal, () => ask(service, key, recording, signal));
    },
  };
}

/** Bytes of a second: what is sent is as long as its header says, but not shorter than it can be. */
const densest = { raw: 768_000, coded: 64_000 };
const usual = 16_000;

function lengthOf({ length }: Uint8Array, mime: string, told: number | undefined): number {
  const most = mime === 'audio/wav' || mime === 'audio/flac' ? densest.raw : densest.coded;
  return Math.ceil(Math.max(told ?? length / usual, length / most));
}
