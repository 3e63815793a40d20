import { afterAll, expect, test } from 'bun:test';
import { startModel } from '../src/model/index.ts';

const model = startModel();
afterAll(() => model.stop());
const post = (path: string, body: unknown) =>
  fetch(`${model.url}/${path}`, { method: 'POST', body: JSON.stringify({ model: 'tiny', ...Object(body) }) });
const eventsOf = async (answer: Response) =>
  Array.from((await answer.text()).matchAll(/^data: (.*)$/gm), ([, data = '']) => JSON.parse(data));

const codex = [{ type: 'function', name: 'exec_command' }, { type: 'web_search' }];
const claude = [
  { name: 'Bash', input_schema: {} },
  { name: 'Read', input_schema: {} },
];

test('responses: a task becomes a call of the agent’s own tool, its result an answer, with what it used', async () => {
  const task = {
    type: 'message',
    role: 'user',
    content: [{ type: 'input_text', text: 'write a.txt with the text b' }],
  };
  const events = await eventsOf(await post('responses', { stream: true, input: [task], tools: codex }));
  expect(events.map(({ type }) => type)).toEqual([
    'response.created',
    'response.output_item.added',
    'response.output_item.done',
    'response.completed',
  ]);
  const { response } = events.at(-1);
  expect(response.output[0]).toMatchObject({ type: 'function_call', name: 'exec_command' });
  expect(JSON.parse(response.output[0].arguments)).toEqual({ cmd: "printf %s 'b\n' > 'a.txt'" });
  expect(response.usage.input_tokens).toBeGreaterThan(0);
  const result = { type: 'function_call_output', call_id: response.output[0].call_id, output: '' };
  const done = await post('responses', { input: [task, response.output[0], result], tools: codex });
  expect(await done.json()).toMatchObject({ output: [{ content: [{ text: 'I wrote a.txt.' }] }] });
});

test('messages: the same in Anthropic’s words', async () => {
  const task = { role: 'user', content: [{ type: 'text', text: 'run ls then say ready' }] };
  const events = await eventsOf(
    await post('messages', {
      stream: true,
      system: [{ type: 'text', text: 'x' }],
      messages: [task],
      tools: claude,
    }),
  );
  expect(events.at(0)).toMatchObject({ type: 'message_start', message: { usage: { output_tokens: 1 } } });
  expect(events.at(1).content_block).toMatchObject({ type: 'tool_use', name: 'Bash' });
  expect(JSON.parse(events.at(2).delta.partial_json)).toMatchObject({ command: 'ls' });
  expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'tool_use' } });
  const call = { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'Bash', input: {} }] };
  const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: 'x.txt' }] };
  const done = await post('messages', { messages: [task, call, result], tools: claude });
  expect(await done.json()).toMatchObject({
    content: [{ text: 'ls printed:\nx.txt\nready' }],
    stop_reason: 'end_turn',
  });
});

test('what is neither is refused', async () => {
  expect((await post('messages', { messages: 'x' })).status).toBe(400);
  expect((await post('responses', {})).status).toBe(400);
  expect((await post('responses', { model: 'huge', input: 'x' })).status).toBe(404);
});
