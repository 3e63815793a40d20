import { afterAll, describe, expect, test } from 'bun:test';
import { startModel } from '../src/model/model.ts';

const modelList = z.object({ data: z.array(z.object({ id: z.string() })) });
const completion = z.object({
  choices: z.tuple([
    z.object({
      message: z.object({
        content: z.string().nullable(),
        tool_calls: z
          .tuple([z.object({ id: z.string(), function: z.object({ arguments: z.string() }) })])
          .optional(),
      }),
      finish_reason: z.string(),
    }),
  ]),
  usage: z.object({ prompt_tokens: z.number() }),
});
const readCompletion = async (response: Response) => completion.parse(await response.json());

import { z } from 'zod';
import { type Instruction, parseInstructions } from '../src/model/grammar.ts';

const parsed: readonly (readonly [string, readonly Instruction[]])[] = [
  ['write hello.txt with the text Hi there', [{ do: 'write', file: 'hello.txt', text: 'Hi there' }]],
  [
    'Please write a file "a b.txt" with the text "now then"',
    [{ do: 'write', file: 'a b.txt', text: 'now then' }],
  ],
  ['edit a.txt replace A by B', [{ do: 'edit', file: 'a.txt', from: 'A', to: 'B' }]],
  ['edit a.txt replace "A by X" with B', [{ do: 'edit', file: 'a.txt', from: 'A by X', to: 'B' }]],
  ['read a.txt.', [{ do: 'read', file: 'a.txt' }]],
  ['run ls -l', [{ do: 'run', command: 'ls -l', wait: false }]],
  ['run sleep 5 and wait', [{ do: 'run', command: 'sleep 5', wait: true }]],
  [
    'take 20 seconds then answer done',
    [
      { do: 'take', seconds: 20 },
      { do: 'say', text: 'done' },
    ],
  ],
  [
    'run ls, then fail with 402',
    [
      { do: 'run', command: 'ls', wait: false },
      { do: 'fail', status: 402, once: false },
    ],
  ],
  [
    'delegate "run ls then say done" then say bye',
    [
      { do: 'delegate', task: 'run ls then say done' },
      { do: 'say', text: 'bye' },
    ],
  ],
  [
    'ask Which colour? Red, dark blue and ask "Which sizes, then?" any of S, M or L and ask Why?',
    [
      {
        do: 'ask',
        questions: [
          { question: 'Which colour?', options: ['Red', 'dark blue'], multiple: false },
          { question: 'Which sizes, then?', options: ['S', 'M', 'L'], multiple: true },
          { question: 'Why?', options: [], multiple: false },
        ],
      },
    ],
  ],
  ['note the steps: look, mend', [{ do: 'steps', steps: ['look', 'mend'] }]],
  [
    'at once: run ls; read a.txt',
    [
      {
        do: 'at once',
        each: [
          { do: 'run', command: 'ls', wait: false },
          { do: 'read', file: 'a.txt' },
        ],
      },
    ],
  ],
  ['use the tool glob with {"pattern":"*"}', [{ do: 'use', tool: 'glob', input: { pattern: '*' } }]],
  ['fail once with 429', [{ do: 'fail', status: 429, once: true }]],
  ['stream slowly then answer with 30 words', [{ do: 'slowly' }, { do: 'ramble', words: 30 }]],
  ['what did I say?', [{ do: 'recall' }]],
  ['say nothing', [{ do: 'nothing' }]],
  ['end without a finish reason', [{ do: 'unfinished' }]],
  ['answer with html', [{ do: 'html' }]],
  ['hang', [{ do: 'hang' }]],
  ['loop', [{ do: 'loop' }]],
  ['tell me a joke', [{ do: 'chat', text: 'tell me a joke' }]],
  ['', [{ do: 'chat', text: '' }]],
];

test.each(parsed)('%p is understood', (text, instructions) => {
  expect(parseInstructions(text)).toEqual([...instructions]);
});

describe('the API', () => {
  const model = startModel();
  afterAll(() => model.stop());

  const tool = (name: string) => ({ type: 'function', function: { name, parameters: {} } });
  const ask = (content: string, more: Record<string, unknown> = {}) =>
    fetch(`${model.url}/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer test-key' },
      body: JSON.stringify({ model: 'tiny', messages: [{ role: 'user', content }], ...more }),
    });

  test('lists its models', async () => {
    const list = modelList.parse(await (await fetch(`${model.url}/models`)).json());
    expect(list.data.map(({ id }) => id)).toEqual(['tiny', 'small']);
  });

  test('answers a plain question without tools, with the same usage each time', async () => {
    const answers = await Promise.all([1, 2].map(async () => readCompletion(await ask('What is 19 + 23?'))));
    expect(answers[0]?.choices[0].message.content).toBe('19 + 23 = 42');
    expect(answers[0]?.choices[0].finish_reason).toBe('stop');
    expect(answers[0]?.usage.prompt_tokens).toBeGreaterThan(5);
    expect(answers[1]).toEqual(answers[0]);
  });

  test('streams the same answer, with the usage at its end', async () => {
    const text = await (await ask('say one two three', { stream: true })).text();
    const events = text.split('\n\n').filter((event) => event.startsWith('data: {'));
    const chunks = events.map((event) => JSON.parse(event.slice('data: '.length)));
    expect(chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? '').join('')).toBe('one two three');
    expect(chunks.at(-1).usage.total_tokens).toBeGreaterThan(0);
    expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true);
  });

  test('calls a tool, then says what came of it', async () => {
    const task = { role: 'user', content: 'write a.txt with the text A then say ready' };
    const tools = [tool('write')];
    const first = await readCompletion(await ask('', { messages: [task], tools }));
    const call = first.choices[0].message.tool_calls?.[0];
    expect(JSON.parse(call?.function.arguments ?? '')).toEqual({ filePath: 'a.txt', content: 'A\n' });
    const messages = [
      task,
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: call?.id, content: 'Wrote file successfully.' },
    ];
    const second = await readCompletion(await ask('', { messages, tools }));
    expect(second.choices[0].message.content).toBe('I wrote a.txt.\nready');
  });

  test('says so when a mode does not give it the tool', async () => {
    const answer = await readCompletion(await ask('write a.txt with the text A', { tools: [tool('read')] }));
    expect(answer.choices[0].message.content).toBe('I cannot change files in this mode.');
  });

  test('remembers the conversation', async () => {
    const messages = [
      { role: 'user', content: 'remember kiwi' },
      { role: 'assistant', content: 'I will.' },
      { role: 'user', content: [{ type: 'text', text: 'what did I say?' }] },
    ];
    const answer = await readCompletion(await ask('', { messages }));
    expect(answer.choices[0].message.content).toBe('You said: remember kiwi');
  });

  test('gives a title when one is wanted', async () => {
    const messages = [
      { role: 'system', content: 'You are a title generator.' },
      { role: 'user', content: 'run rm -rf build then say done and nothing more' },
    ];
    const answer = await readCompletion(await ask('', { messages }));
    expect(answer.choices[0].message.content).toBe('run rm -rf build then say');
    expect(model.requests.at(-1)?.title).toBe(true);
  });

  test('fails as it is told', async () => {
    expect((await ask('fail with 402')).status).toBe(402);
    expect((await ask('fail once with 429')).status).toBe(429);
    expect((await ask('fail once with 429')).status).toBe(200);
    expect((await ask('x', { model: 'other' })).status).toBe(404);
    const html = await ask('answer with html');
    expect([html.status, html.headers.get('content-type')]).toEqual([200, 'text/html']);
    const unfinished = await (await ask('end without a finish reason', { stream: true })).text();
    expect(unfinished).toContain('"This "');
    expect(unfinished).not.toMatch(/"finish_reason":"/);
    const broken = ask('cut the stream', { stream: true }).then((response) => response.text());
    await expect(broken).rejects.toThrow();
  });

  test('lets its keeper look at the key', async () => {
    const keys: (string | undefined)[] = [];
    const strict = startModel({
      authorize: (bearer) => {
        keys.push(bearer);
        return bearer === 'good' ? undefined : new Response('no', { status: 401 });
      },
    });
    const status = async (headers: Record<string, string>) =>
      (await fetch(`${strict.url}/models`, { headers })).status;
    expect(await status({})).toBe(401);
    expect(await status({ authorization: 'Bearer good' })).toBe(200);
    expect(keys).toEqual([undefined, 'good']);
    await strict.stop();
  });
});
