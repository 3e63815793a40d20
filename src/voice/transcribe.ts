import { type Fetch, neverSent, readBody } from '@nostr-dm-agent/kit/http';
import { z } from 'zod';
import type { SpeechService } from '../config/config.ts';
import type { FileType } from '../files/sniff-type.ts';

/** Of an answer: five minutes of speech are some thousand characters; some services add every word's time, unasked. */
const MAX_ANSWER_BYTES = 1024 * 1024;
const MAX_TEXT = 16_000;

/** What a service made of a recording, as it came; or why there is none. */
export type Transcription = { readonly text: string } | TranscriptionProblem;
export type TranscriptionProblem =
  | { readonly problem: 'status'; readonly status: number }
  /** `unreachable`: it never got the recording. `broken_off`: it may have. */
  | { readonly problem: 'unreachable' | 'broken_off' | 'too_slow' | 'redirected' | 'not_a_transcription' };

const answer = z.object({ text: z.string() });

/**
 * Has an OpenAI-compatible service write down what is said: `POST {base}/audio/transcriptions`, multipart. It decides by the
 * extension of the file's name what it reads. Nothing but `text` is read of its answer, and no redirect is followed: the key
 * and the recording are for whom the operator chose.
 *
 * @param note the same for the same recording: a service that knows `Idempotency-Key` does its work once
 * @throws the signal's reason
 */
export async function transcribe(
  { url, key, model, language }: SpeechService,
  recording: { readonly bytes: Uint8Array; readonly type: FileType; readonly note: string },
  { fetch, deadlineMs }: { readonly fetch: Fetch; readonly deadlineMs: number },
  signal: AbortSignal,
): Promise<Transcription> {
  const { bytes, type, note } = recording;
  const form = new FormData();
  form.set('model', model);
  form.set('response_format', 'json');
  if (language !== undefined) form.set('language', language);
  form.set('file', new File([Uint8Array.from(bytes)], `voice.${type.extension}`, { type: type.mime }));
  const timeout = AbortSignal.timeout(deadlineMs);
  try {
    const response = await fetch(`${url}/audio/transcriptions`, {
      method: 'POST',
      body: form,
      headers: {
        accept: 'application/json',
        'idempotency-key': note,
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      },
      redirect: 'manual',
      signal: AbortSignal.any([signal, timeout]),
    });
    if (!response.ok) {
      await response.body?.cancel();
      return response.status >= 300 && response.status < 400
        ? { problem: 'redirected' }
        : { problem: 'status', status: response.status };
    }
    const body = await readBody(response, MAX_ANSWER_BYTES);
    if (body.end === 'broken') throw body.cause;
    return body.end === 'whole' ? textIn(body.text) : { problem: 'not_a_transcription' };
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) return { problem: 'too_slow' };
    return { problem: neverSent(error) ? 'unreachable' : 'broken_off' };
  }
}

function textIn(body: string): Transcription {
  try {
    const { text } = answer.parse(JSON.parse(body));
    if (text.length <= MAX_TEXT) return { text };
  } catch {
    // No JSON, or another one.
  }
  return { problem: 'not_a_transcription' };
}
