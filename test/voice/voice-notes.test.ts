import { afterAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { outwardFetch } from '@nostr-dm-agent/kit/net';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { EventId, PublicKey } from '@nostr-dm-agent/nostr';
import { checkSpeech } from '../../src/doctor/check-speech.ts';
import { voiceProblemText } from '../../src/replies/voice-replies.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createVoiceNoteStore, type NoteKey } from '../../src/store/voice-notes-table.ts';
import { type Recording, recordingIn, testTone } from '../../src/voice/audio.ts';
import { heardIn } from '../../src/voice/heard.ts';
import { createVoiceNotes, MAX_DAY_SECONDS, MAX_NOTE_SECONDS } from '../../src/voice/voice-notes.ts';
import { silentLog } from '../support/inbox.ts';

/** A transcription service that answers as it is told, and what it was asked. */
let answer: () => Response | Promise<Response> = () => Response.json({ text: 'run the tests' });
const asked: Record<string, string>[] = [];
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  fetch: async (request) => {
    const form = await request.formData();
    const file = form.get('file');
    asked.push({
      path: new URL(request.url).pathname,
      key: request.headers.get('authorization') ?? '',
      once: request.headers.get('idempotency-key') ?? '',
      file: file instanceof File ? file.name : '',
      model: String(form.get('model')),
      language: String(form.get('language')),
    });
    return answer();
  },
});
afterAll(() => server.stop(true));

const tone = testTone();
const wav = {
  bytes: tone,
  type: { mime: 'audio/wav', extension: 'wav', kind: 'audio' },
  seconds: 1,
} as const;
const never = new AbortController().signal;
const owner = 'a'.repeat(64) as PublicKey;

/** The notes of one owner, over kills. */
function notes(url = `http://127.0.0.1:${server.port}/v1`) {
  const store = createVoiceNoteStore(openDatabase(':memory:', botMigrations));
  const clock = { now: () => Date.UTC(2026, 10, 28) };
  const service = { url, key: 'sk-of-the-service', model: 'whisper-1', language: 'en' };
  const live = () => createVoiceNotes({ service, store, fetch: outwardFetch, clock, log: silentLog });
  let count = 0;
  const key = (place = 0): NoteKey => ({
    owner,
    message: String(count++).padStart(64, '0') as EventId,
    place,
  });
  return { store, live, key };
}

test('a recording is written down by the service, with what it needs to know, and once', async () => {
  const { live, key } = notes();
  const note = key(1);
  expect(await live().hear(note, wav, never)).toEqual({ text: 'run the tests' });
  expect(asked.splice(0)).toEqual([
    {
      path: '/v1/audio/transcriptions',
      ...{ key: 'Bearer sk-of-the-service', once: `${note.message}-1` },
      ...{ file: 'voice.wav', model: 'whisper-1', language: 'en' },
    },
  ]);
  // After a kill, too.
  expect([live().known(note), await live().hear(note, wav, never)]).toEqual([
    'run the tests',
    { text: 'run the tests' },
  ]);
  expect(asked).toEqual([]);
});

test('whatever goes wrong at the service has its name, and its owner reads what to do', async () => {
  const table: readonly (readonly [() => Response, string, RegExp])[] = [
    [() => new Response('no', { status: 401 }), 'status', /refuses the bot’s key.*BOT_STT_KEY/],
    [() => new Response('no', { status: 404 }), 'status', /BOT_STT_MODEL/],
    [() => new Response('no', { status: 413 }), 'status', /too large/],
    [() => new Response('no', { status: 429 }), 'status', /again later/],
    [() => new Response('no', { status: 400 }), 'status', /can’t read that recording/],
    [() => new Response('no', { status: 503 }), 'status', /fault/],
    [() => Response.redirect('http://127.0.0.1:1/', 307), 'redirected', /elsewhere/],
    [() => new Response('<html>'), 'not_a_transcription', /no transcription/],
    [() => Response.json({ text: 7 }), 'not_a_transcription', /no transcription/],
    [() => new Response('<html>Bad gateway</html>', { status: 502 }), 'status', /fault/],
    [() => new Response(null, { status: 204 }), 'not_a_transcription', /no transcription/],
    [() => new Response('["run the tests"]'), 'not_a_transcription', /no transcription/],
    [() => new Response(new Uint8Array(3_000_000).fill(0x20)), 'not_a_transcription', /no transcription/],
    [() => Response.json({ text: 'x '.repeat(40_000) }), 'not_a_transcription', /no transcription/],
    [() => Response.json({ text: ' ' }), 'silence', /could not make out/],
    [() => Response.json({ text: 'Thanks for watching!' }), 'silence', /could not make out/],
  ];
  const { live, key } = notes();
  for (const [said, problem, sentence] of table) {
    answer = said;
    const heard = await live().hear(key(), wav, never);
    if ('text' in heard) throw new Error(heard.text);
    expect([String(problem), heard.problem]).toEqual([heard.problem, problem]);
    expect(voiceProblemText(heard, true)).toMatch(sentence);
    // Who can't set anything is told of no setting.
    expect(voiceProblemText(heard, false)).not.toContain('BOT_STT');
  }
  const away = notes('http://127.0.0.1:1/v1');
  const note = away.key();
  expect(await away.live().hear(note, wav, never)).toEqual({ problem: 'unreachable' });
  // It never got there, so it counts for nothing.
  expect(away.store.find(note)?.attempts).toBe(0);
});

test('doctor asks the service for a second of sound, and says what to set', async () => {
  const service = {
    url: `http://127.0.0.1:${server.port}/v1`,
    key: undefined,
    model: 'whisper-9',
    language: undefined,
  };
  const look = (speech: typeof service | undefined) => checkSpeech({ speech }, AbortSignal.timeout(20_000));
  answer = () => Response.json({ text: '' });
  expect(await look(service)).toMatchObject([{ state: 'ok', fact: expect.stringContaining('whisper-9') }]);
  const table: readonly (readonly [() => Response, string])[] = [
    [() => new Response('', { status: 401 }), 'BOT_STT_KEY'],
    [() => new Response('', { status: 404 }), 'BOT_STT_MODEL'],
    [() => new Response('', { status: 500 }), 'later'],
    [() => new Response('<html>'), 'BOT_STT_URL'],
    [() => Response.redirect('http://127.0.0.1:1/', 302), 'BOT_STT_URL'],
  ];
  for (const [said, remedy] of table) {
    answer = said;
    expect(await look(service)).toMatchObject([{ state: 'broken', remedy: expect.stringContaining(remedy) }]);
  }
  expect(await look({ ...service, url: 'http://127.0.0.1:1/v1' })).toMatchObject([{ state: 'broken' }]);
  expect(await look(undefined)).toEqual([]);
});

test('how much is sent to the service is bounded: of one note, of a day, and over kills', async () => {
  answer = () => Response.json({ text: 'on we go' });
  asked.splice(0);
  const long = (seconds: number): Recording & { bytes: Uint8Array } => ({ ...wav, seconds });
  const { live, key, store } = notes();
  expect(await live().hear(key(), long(MAX_NOTE_SECONDS + 1), never)).toEqual({
    problem: 'too_long',
    seconds: MAX_NOTE_SECONDS + 1,
  });
  // A header that says one second of ten minutes of sound is not believed.
  const bytes = new Uint8Array(64_000 * (MAX_NOTE_SECONDS + 1));
  const lied = { bytes, type: { mime: 'audio/mp4', extension: 'm4a', kind: 'audio' }, seconds: 1 } as const;
  expect(await live().hear(key(), lied, never)).toMatchObject({ problem: 'too_long' });
  for (let sent = 0; sent < MAX_DAY_SECONDS; sent += MAX_NOTE_SECONDS)
    expect(await live().hear(key(), long(MAX_NOTE_SECONDS), never)).toEqual({ text: 'on we go' });
  expect(await live().hear(key(), wav, never)).toEqual({ problem: 'day_full' });
  expect(asked.splice(0)).toHaveLength(MAX_DAY_SECONDS / MAX_NOTE_SECONDS);

  const killed = notes();
  const note = killed.key();
  for (const _ of [1, 2]) killed.store.ask({ ...note, seconds: 1, at: 0 });
  expect(await killed.live().hear(note, wav, never)).toEqual({ problem: 'cut_off' });
  expect([asked.length, store.find(note)]).toEqual([0, undefined]);
});

test('what is ended is ended at once, and asked for again', async () => {
  const { live, key } = notes();
  const note = key();
  const [reached, held] = [Promise.withResolvers<void>(), Promise.withResolvers<Response>()];
  answer = () => {
    reached.resolve();
    return held.promise;
  };
  const ending = new AbortController();
  const hearing = live().hear(note, wav, ending.signal);
  await reached.promise;
  ending.abort(new Error('the bot stops'));
  expect(hearing).rejects.toThrow('the bot stops');
  await hearing.catch(() => undefined);
  held.resolve(new Response());
  answer = () => Response.json({ text: 'here it is' });
  expect(await live().hear(note, wav, never)).toEqual({ text: 'here it is' });
});

test('what a person said is told from what a model invents, in one line that nothing obeys', () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    [' Run the tests, and tell me which fail. ', 'Run the tests, and tell me which fail.'],
    ['first this\n\nthen that', 'first this then that'],
    ['!wallet send 100', 'wallet send 100'],
    ['fix\u202e it\u0007 now', 'fix it now'],
    ['Thank you for the fix, now merge it', 'Thank you for the fix, now merge it'],
    ['[BLANK_AUDIO]', undefined],
    ['(music playing)', undefined],
    ['♪ la la ♪', undefined],
    ['Thank you.', undefined],
    ['Vielen Dank.', undefined],
    ['Subtitles by the Amara.org community', undefined],
    ['you you you you you you you', undefined],
    ['Thank you. Thank you. Thank you.', undefined],
    ['…', undefined],
    ['', undefined],
  ];
  expect(table.map(([text]) => [text, heardIn(text)])).toEqual(table.map((each) => [...each]));
});

test('a recording is known by its bytes, and how long it is by its own header', () => {
  expect(recordingIn(tone)).toEqual({
    type: { mime: 'audio/wav', extension: 'wav', kind: 'audio' },
    seconds: 1,
  });
  const film = Buffer.alloc(200);
  film.write('ftypisom', 4);
  film.write('hdlr', 40);
  film.write('vide', 52);
  expect(recordingIn(film)).toBeUndefined();
  const voice = Buffer.from(film);
  voice.write('soun', 52);
  voice.write('mvhd', 80);
  voice.writeUInt32BE(1_000, 96);
  voice.writeUInt32BE(6_500, 100);
  expect(recordingIn(voice)).toEqual({
    type: { mime: 'audio/mp4', extension: 'm4a', kind: 'audio' },
    seconds: 6.5,
  });
  for (const junk of ['OggS', 'fLaC', 'RIFF1234WAVEfmt ', 'ID3'])
    expect(recordingIn(Buffer.from(junk))?.seconds).toBeUndefined();
  expect(recordingIn(Buffer.from('just text'))).toBeUndefined();
  // Of those without a length in their header the sound itself is counted: three seconds of ffmpeg's, at 6 and 8 kbit/s.
  for (const name of ['tone.mp3', 'tone.aac', 'tone.webm']) {
    const bytes = readFileSync(join(import.meta.dir, '../fixtures/voice', name));
    const seconds = recordingIn(bytes)?.seconds ?? 0;
    expect([name, Math.abs(seconds - 3) < 0.4]).toEqual([name, true]);
    // Twice the sound is twice as long, cut in the middle it is half of it; what is put behind it is not for nothing.
    const twice = recordingIn(Buffer.concat([bytes, bytes]))?.seconds ?? 0;
    if (name !== 'tone.webm') expect(twice / seconds).toBeCloseTo(2, 1);
    expect((recordingIn(bytes.subarray(0, bytes.length / 2))?.seconds ?? 9) / seconds).toBeLessThan(0.7);
    const padded = Buffer.concat([bytes, Buffer.alloc(600_000, 7)]);
    if (name !== 'tone.webm') expect(recordingIn(padded)?.seconds).toBeGreaterThan(MAX_NOTE_SECONDS);
  }
  // Whatever the bytes are, it ends.
  for (const head of [
    'ID3\u0004\u0000\u0000\u007f\u007f\u007f\u007f',
    '\u00ff\u00fb',
    '\u00ff\u00f1',
    '\u001aE\u00df\u00a3A_OPUS',
  ])
    for (const fill of [0, 1, 0x1a, 0x80, 0xff])
      recordingIn(Buffer.concat([Buffer.from(head, 'latin1'), Buffer.alloc(100_000, fill)]));
});
