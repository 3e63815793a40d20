import { afterEach, expect, test } from 'bun:test';
import { z } from 'zod';
import { connect } from '../../src/backends/warm/client.ts';
import { createWords } from '../../src/backends/warm/words.ts';
import { silent } from '../support/backend.ts';

const prompt = z.object({ messageID: z.string(), parts: z.tuple([z.object({ text: z.string() })]) });
type Message = { readonly id: string; readonly text: string; readonly parentID?: string };
/** What becomes of a prompt that came: read by a loop that begins, later, or stored and read by nobody. */
type Fate = { readonly storedAfterMs?: number; readonly readAfterMs?: number };

const servers: { readonly stop: (force: boolean) => unknown }[] = [];
afterEach(() => servers.splice(0).forEach((server) => void server.stop(true)));

/** A session of a server that does with each prompt what is next: opencode's own windows, held open. */
function startSession(fates: Fate[], gate: Promise<void> = Promise.resolve()) {
  let messages: Message[] = [{ id: 'msg_000000000001aaaaaaaaaaaaaa', text: 'the task' }];
  let busy = false;
  const read: string[] = [];
  let prompts = 0;
  const happen = async (
    id: string,
    text: string,
    { storedAfterMs = 0, readAfterMs }: Fate,
  ): Promise<void> => {
    await Bun.sleep(storedAfterMs);
    messages.push({ id, text });
    if (readAfterMs === undefined) return;
    await Bun.sleep(readAfterMs);
    if (!messages.some((message) => message.id === id)) return;
    busy = true;
    read.push(text);
    await Bun.sleep(30);
    messages.push({ id: `${id}~`, text: 'yes', parentID: id });
    busy = false;
  };
  const server = Bun.serve({
    ...{ hostname: '127.0.0.1', port: 0 },
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === '/session/status') return Response.json(busy ? { ses: { type: 'busy' } } : {});
      if (request.method === 'DELETE') {
        messages = messages.filter(({ id }) => !pathname.endsWith(id));
        return Response.json(true);
      }
      if (pathname.endsWith('/prompt_async')) {
        await gate;
        prompts += 1;
        const { messageID, parts } = prompt.parse(await request.json());
        void happen(messageID, parts[0].text, fates.shift() ?? {});
        return new Response(null, { status: 204 });
      }
      return Response.json(
        messages.map(({ id, parentID }) => ({
          info: { id, role: parentID === undefined ? 'user' : 'assistant', parentID },
          parts: [],
        })),
      );
    },
  });
  servers.push(server);
  const { client } = connect(`http://127.0.0.1:${server.port}`, 'p', '/w');
  const words = createWords(client, { session: 'ses', mode: 'agent', model: 'p/m' }, silent);
  return {
    words,
    read,
    prompts: () => prompts,
    texts: () => messages.filter(({ parentID }) => parentID === undefined).map(({ text }) => text),
    /** As the run waits for its end: it is looked at whenever the session is idle. */
    untilRead: async (): Promise<void> => {
      while (!(await words.areRead(soon()))) await Bun.sleep(10);
    },
  };
}
const soon = (): AbortSignal => AbortSignal.timeout(10_000);

test('a run to which nothing was said is over at once, and takes nothing more', async () => {
  const { words, prompts } = startSession([]);
  expect(await words.areRead(soon())).toBe(true);
  expect(await words.tell('too late', soon())).toBe(false);
  expect(prompts()).toBe(0);
  expect(await words.takeBack()).toEqual([]);
});

test.each<[string, Fate]>([
  ['is read at once', { readAfterMs: 0 }],
  ['is stored a moment after it was taken', { storedAfterMs: 150, readAfterMs: 0 }],
  ['is begun with a moment after it was stored', { readAfterMs: 150 }],
])('a word that %s is read once, and the run is not over before', async (_, fate) => {
  const { words, read, prompts, untilRead } = startSession([fate]);
  expect(await words.tell('use tabs', soon())).toBe(true);
  expect(words.none()).toBe(false);
  await untilRead();
  expect(read).toEqual(['use tabs']);
  expect(prompts()).toBe(1);
  expect(await words.tell('and spaces', soon())).toBe(false);
});

test('a word that came between the last look and the end of the loop is said again, and stands there once', async () => {
  const { words, read, texts, untilRead } = startSession([{}, { readAfterMs: 0 }]);
  expect(await words.tell('use tabs', soon())).toBe(true);
  await untilRead();
  expect(read).toEqual(['use tabs']);
  expect(texts()).toEqual(['the task', 'use tabs']);
});

test('the end waits for a word that is on its way', async () => {
  const gate = Promise.withResolvers<void>();
  const { words, read, untilRead } = startSession([{ readAfterMs: 0 }], gate.promise);
  const told = words.tell('use tabs', soon());
  const over = untilRead();
  expect(await Promise.race([over.then(() => 'over'), Bun.sleep(60).then(() => 'waits')])).toBe('waits');
  gate.resolve();
  expect(await told).toBe(true);
  await over;
  expect(read).toEqual(['use tabs']);
});

test('what a stopped run has not read is taken out, and its owner gets it back', async () => {
  const { words, texts, read } = startSession([{ readAfterMs: 0 }, {}]);
  await words.tell('heard', soon());
  while (read.length === 0) await Bun.sleep(5);
  await Bun.sleep(50);
  await words.tell('unheard', soon());
  await words.close();
  expect(await words.tell('later', soon())).toBe(false);
  expect(await words.takeBack()).toEqual(['unheard']);
  expect(texts()).toEqual(['the task', 'heard']);
});

test('a word that is passed over again and again is given up', async () => {
  const { words, texts, prompts, untilRead } = startSession([]);
  await words.tell('use tabs', soon());
  await untilRead();
  expect(prompts()).toBe(3);
  expect(await words.takeBack()).toEqual(['use tabs']);
  expect(texts()).toEqual(['the task']);
});
