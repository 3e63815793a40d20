import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as nip59 from 'nostr-tools/nip59';
import { testTone } from '../../src/voice/audio.ts';
import { type PaidBot, startPaidBot } from '../support/paid-bot.ts';
import { type SandboxHouse, startSandboxHouse } from '../support/paid-house.ts';

/** One red pixel. */
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==',
  'base64',
);

let house: SandboxHouse;
let bot: PaidBot;
const blobs = new Map<string, Buffer>();
const pathOf = (path: string) => path.slice(0, 65);
/** What is heard in the next voice note. */
let spoken: () => string | Response | Promise<string> = () => '';
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  fetch: async (request) => {
    const { url } = request;
    if (url.endsWith('/v1/audio/transcriptions')) {
      const heard = await spoken();
      return typeof heard === 'string' ? Response.json({ text: heard }) : heard;
    }
    if (request.method === 'PUT') {
      const body = Buffer.from(await request.arrayBuffer());
      const sha256 = createHash('sha256').update(body).digest('hex');
      blobs.set(`/${sha256}`, body);
      return Response.json({ sha256 }, { status: 201 });
    }
    const blob = blobs.get(pathOf(new URL(url).pathname));
    return blob === undefined ? new Response('gone', { status: 404 }) : new Response(blob);
  },
});
beforeAll(async () => {
  house = startSandboxHouse({ feePpk: 0 });
  bot = await startPaidBot(house, {
    opencode: 'real',
    funds: 20_000,
    env: {
      BOT_BLOSSOM: `http://127.0.0.1:${server.port}`,
      BOT_STT_URL: `http://127.0.0.1:${server.port}`,
    },
  });
});
afterAll(async () => {
  await bot.cleanUp();
  await house.stop();
  await server.stop(true);
});

/** As a phone sends a file (kind 15): encrypted, with a nonce of 16 bytes, its caption in `alt`. */
async function sendFile(bytes: Buffer, caption?: string, change: readonly string[][] = []): Promise<string> {
  const key = randomBytes(32);
  const nonce = randomBytes(16);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const body = Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
  const sha256 = (of: Buffer) => createHash('sha256').update(of).digest('hex');
  blobs.set(`/${sha256(body)}`, body);
  const { secretKey, publish } = bot.owner;
  const rumor = nip59.createRumor(
    {
      kind: 15,
      content: `http://127.0.0.1:${server.port}/${sha256(body)}`,
      tags: [
        ['p', bot.bot.publicKey],
        ['file-type', 'application/x-nonsense'],
        ['encryption-algorithm', 'aes-gcm'],
        ['decryption-key', key.toString('hex')],
        ['decryption-nonce', nonce.toString('hex')],
        ...(change.length > 0
          ? change
          : [
              ['x', sha256(body)],
              ['ox', sha256(bytes)],
            ]),
        ...(caption === undefined ? [] : [['alt', caption]]),
      ],
    },
    secretKey,
  );
  await publish(nip59.createWrap(nip59.createSeal(rumor, secretKey, bot.bot.publicKey), bot.bot.publicKey));
  return rumor.id;
}
const seen = `I see a picture: image/png, ${png.length} bytes.`;

test('a picture with a caption is one task: its model is shown it, and it is paid once', async () => {
  await bot.ask('!model claude-sonnet-4.5', /claude-sonnet/);
  const calls = house.modelCalls();
  const answer = await bot.owner.answer(await sendFile(png, 'answer: it is red'), /sat/);
  expect(answer.text).toContain(seen);
  expect(answer.text).toContain('it is red');
  expect(house.modelCalls()).toBe(calls + 1);
  expect(
    readdirSync(join(bot.bot.workspace, '.dm-inbox')).filter((name) => name.endsWith('.png')),
  ).toHaveLength(1);
});

test('one without a word waits for the task that says what to do, and two are one task', async () => {
  const [first] = await Promise.all([sendFile(png), sendFile(Buffer.from('a log\n'))]);
  expect(first).toBeDefined();
  const asked = await bot.owner.heard(/^Saved, 2 files:/);
  expect(asked.text).toMatch(/\.dm-inbox\/\d\d_\d\d_[0-9a-f]{8}\.png \(image\/png, 1 kB\)/);
  expect(asked.text).toContain('.txt (text/plain, 1 kB)');
  expect(asked.text).toContain('Tell me what to do with them.');
  const answer = await bot.owner.answer(await bot.owner.send('answer: done with both'), /sat/);
  expect(answer.text).toContain(seen);
  const [log = '', picture = ''] = ['txt', 'png'].map(
    (type) => new RegExp(`\\.dm-inbox/\\w+\\.${type}`).exec(asked.text)?.[0] ?? '',
  );
  expect(await bot.ask(`!get ${log}`)).toBe(`${log}\n\na log`);
  const get = await bot.owner.send(`!get ${picture}`);
  expect((await bot.owner.answer(get)).text).toContain('(image/png, 1 kB) comes as a file.');
  const url = (await bot.owner.answer(get, /^http:/)).text;
  const body = blobs.get(pathOf(new URL(url).pathname));
  // One pixel and the tag; nothing else of it is readable.
  expect(body?.length).toBe(png.length + 16);
  expect(body?.includes('IHDR')).toBe(false);
  // The invoice that filled the wallet came as a picture, too.
  const invoice = bot.owner.said.find(({ text }) => text.startsWith('lightning:'));
  expect(bot.owner.said.find(({ kind, about }) => kind === 15 && about === invoice?.about)?.text).toMatch(
    /^http:.*\.png$/,
  );
  // What a task makes and names follows its answer; a secret, and what stood there before, do not.
  await bot.ask('!mode agent');
  const make = `run cp ${picture} shot.png; cp ${picture} .env.png; printf '%%PDF-1.4' > report.pdf`;
  const task = await bot.owner.send(`${make} then answer ![it](shot.png) report.pdf .env.png ${picture}`);
  const made = await bot.owner.answer(task, /sat/);
  expect(made.text).toContain('report.pdf (application/pdf, 1 kB) comes as a file.');
  await bot.owner.answer(task, /^http:.*\.pdf$/);
  const sent = bot.owner.said.filter(({ kind, about }) => kind === 15 && about === task);
  expect(sent.map(({ text }) => text.slice(-4))).toEqual(['.png', '.pdf']);
  expect(await bot.ask('!get ../../.env')).toContain('I read files of the workspace alone');
});

test('a model that takes no pictures is not asked: its owner reads which do, and the picture waits', async () => {
  await bot.ask('!model minimax-m2.5', /minimax/);
  const calls = house.modelCalls();
  const refused = await bot.owner.answer(await sendFile(png, 'answer: what is it'));
  expect(refused.text).toContain('does not take pictures, so nothing was run');
  expect(refused.text).toMatch(/These do: routstr\/\S*claude/);
  expect(house.modelCalls()).toBe(calls);
  await bot.ask('!model claude-sonnet-4.5', /claude-sonnet/);
  // The task before was no run: it is the one that is done now, and again, with its picture.
  for (const again of ['!retry', '!retry']) {
    const answer = await bot.owner.answer(await bot.owner.send(again), /sat/);
    expect(answer.text).toContain(seen);
    expect(answer.text).toContain('what is it');
  }
});

test('what can’t be had is told in a sentence, and nothing is run', async () => {
  const calls = house.modelCalls();
  const deleted = await sendFile(png, 'answer: x', [['x', 'ab'.repeat(32)]]);
  expect((await bot.owner.answer(deleted)).text).toContain('what the server has is not what was sent');
  blobs.clear();
  const elsewhere = await bot.owner.send('https://10.0.0.1/photo.jpg');
  expect((await bot.owner.answer(elsewhere)).text).toContain('private network');
  expect(house.modelCalls()).toBe(calls);
});

test('a voice note is shown back and is a task like any other; what can’t be taken back is not taken from speech', async () => {
  const voice = Buffer.from(testTone());
  spoken = () => 'Answer: it was said aloud.';
  const calls = house.modelCalls();
  const id = await sendFile(voice);
  const answer = await bot.owner.answer(id, /sat/);
  expect(answer.text).toContain('it was said aloud');
  expect(bot.owner.said.filter(({ text }) => text === '🎤 “Answer: it was said aloud.”')).toHaveLength(1);
  expect(house.modelCalls()).toBe(calls + 1);
  const refusals: readonly (readonly [string, RegExp])[] = [
    ['Please send all my sats to bob@example.com', /Money is not moved by voice/],
    ['Wallet send one hundred', /Money is not moved by voice/],
    ['Yes.', /A yes is not taken by voice/],
    ['Tests', /one word/],
    ['Thanks for watching!', /could not make out any words/],
  ];
  for (const [words, sentence] of refusals) {
    spoken = () => words;
    expect((await bot.owner.answer(await sendFile(voice), /^(?!🎤 “)/)).text).toMatch(sentence);
  }
  spoken = () => 'status';
  expect((await bot.owner.answer(await sendFile(voice), /^(?!🎤)/)).text).toContain('sat');
  expect(house.modelCalls()).toBe(calls + 1);

  spoken = () => new Response('no', { status: 401 });
  const refused = await bot.owner.answer(await sendFile(voice));
  expect(refused.text).toMatch(/refuses the bot’s key.*!doctor.*BOT_STT_KEY/);
  expect(await bot.ask('!doctor', /voice notes/)).toContain('BOT_STT_KEY');
});

test('killed while a file is fetched, it is there after the next start, once', async () => {
  const id = await sendFile(png, 'answer: after a kill');
  await bot.bot.end('SIGKILL');
  await bot.bot.start();
  expect((await bot.owner.answer(id, /sat/, 60_000)).text).toContain('after a kill');
  expect(
    bot.owner.said.filter(({ about, text }) => about === id && text.includes('after a kill')),
  ).toHaveLength(1);
  expect(existsSync(join(bot.bot.workspace, '.dm-inbox'))).toBe(true);
});

test('killed while a voice note is being written down, it is asked for again, and done once', async () => {
  const asked = Promise.withResolvers<void>();
  spoken = () => {
    asked.resolve();
    return new Promise(() => undefined);
  };
  const id = await sendFile(Buffer.from(testTone()));
  await asked.promise;
  await bot.bot.end('SIGKILL');
  spoken = () => 'Answer: said before a kill';
  await bot.bot.start();
  expect((await bot.owner.answer(id, /sat/, 60_000)).text).toContain('said before a kill');
  expect(bot.owner.said.filter(({ text }) => text === '🎤 “Answer: said before a kill”')).toHaveLength(1);
});
