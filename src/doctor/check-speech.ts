import { outwardFetch } from '@nostr-dm-agent/kit/net';
import type { Config } from '../config/config.ts';
import { sniffType } from '../files/sniff-type.ts';
import { formatDuration } from '../replies/format.ts';
import { testTone } from '../voice/audio.ts';
import { type TranscriptionProblem, transcribe } from '../voice/transcribe.ts';
import type { Finding } from './finding.ts';

const deadlineMs = 30_000;

/** The transcription service of `BOT_STT_URL`, by a second of a quiet tone: does it take our key, model and recordings? */
export async function checkSpeech(
  { speech }: Pick<Config, 'speech'>,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  if (speech === undefined) return [];
  const subject = `voice notes ${new URL(speech.url).host}`;
  const bytes = testTone();
  const recording = { bytes, type: sniffType(bytes), note: crypto.randomUUID() };
  const startedAt = performance.now();
  const made = await transcribe(speech, recording, { fetch: outwardFetch, deadlineMs }, signal);
  const took = formatDuration(performance.now() - startedAt);
  if ('text' in made) return [{ subject, state: 'ok', fact: `transcribes with ${speech.model}, in ${took}` }];
  return [{ subject, state: 'broken', ...reasonOf(made) }];
}

function reasonOf(made: TranscriptionProblem): Pick<Finding, 'fact'> & { readonly remedy: string } {
  const address = 'see if BOT_STT_URL is right and the service is up; until then tasks come as text';
  switch (made.problem) {
    case 'unreachable':
      return { fact: 'it can’t be reached', remedy: address };
    case 'broken_off':
      return { fact: 'it broke off', remedy: address };
    case 'too_slow':
      return {
        fact: `a second of sound took it over ${formatDuration(deadlineMs)}`,
        remedy: 'choose a smaller model (BOT_STT_MODEL) or another service',
      };
    case 'redirected':
      return {
        fact: 'it sends us elsewhere, where we don’t go',
        remedy: 'name that address in BOT_STT_URL, if it is right',
      };
    case 'not_a_transcription':
      return { fact: 'what answers there is no transcription service', remedy: address };
    case 'status': {
      const fact = `it answers ${made.status}`;
      if ([401, 402, 403].includes(made.status))
        return { fact, remedy: 'see if BOT_STT_KEY is right and paid for' };
      if ([400, 404, 405, 422].includes(made.status))
        return { fact, remedy: 'see if BOT_STT_MODEL is one of its models and BOT_STT_URL its address' };
      return { fact, remedy: 'try again later, or name another service' };
    }
  }
}
