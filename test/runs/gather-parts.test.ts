import { expect, test } from 'bun:test';
import { endOfParagraphs } from '@nostr-dm-agent/nostr';
import type { AgentEvent } from '../../src/backends/backend.ts';
import { gatherParts, restOf, wholeOf } from '../../src/runs/gather-parts.ts';

const paragraph = (name: string, length = 400): string => `${name} ${'so '.repeat(length / 3)}end.`;

/** What is sent of events that come `everyMs`, each part in one message. */
function listen(everyMs = 500) {
  let now = 0;
  const gathered = gatherParts(() => now);
  const sent: string[] = [];
  return {
    sent,
    told: gathered.told,
    hear: (...events: readonly AgentEvent[]) => {
      for (const event of events) {
        const part = gathered.saw(event);
        if (part !== undefined) {
          sent.push(part);
          gathered.sent(part, 1);
        }
        now += everyMs;
      }
    },
    pass: (ms: number) => {
      now += ms;
    },
  };
}
const step: AgentEvent = { type: 'step' };
const tool: AgentEvent = { type: 'tool', tool: 'bash', title: 'ls', ok: true };
const text = (all: string): AgentEvent => ({ type: 'text', text: all });
/** A text as a model writes it. */
const written = (all: string, part = 'a'): readonly AgentEvent[] =>
  (all.match(/[\s\S]{1,40}/g) ?? []).map((piece) => ({ type: 'delta', part, text: piece }));
const paragraphs = (count: number, length?: number): string =>
  Array.from({ length: count }, (_, index) => paragraph(`${index + 1}.`, length)).join('\n\n');

test('an answer arrives in parts that grow, each of whole paragraphs, and what was sent is its beginning', () => {
  const { sent, hear, told } = listen();
  const answer = paragraphs(60);
  hear(step, ...written(answer));
  expect(sent.length).toBeGreaterThan(4);
  expect(sent.length).toBeLessThanOrEqual(8);
  expect(answer.startsWith(told())).toBe(true);
  for (const part of sent) expect(part).toEndWith('end.');
  const lengths = sent.map(({ length }) => length);
  expect(lengths[0]).toBeLessThan(1_300);
  expect(lengths.slice(0, 3)).toEqual(lengths.slice(0, 3).toSorted((a, b) => a - b));
  const rest = restOf(answer, told());
  expect(told() + answer.slice(told().length)).toBe(answer);
  expect(answer).toEndWith(rest);
  expect(rest.trim()).toBe(rest);
});

test('what an agent says before it uses tools is not sent, be it that it says so slowly', () => {
  const { sent, hear } = listen(5_000);
  for (const narration of ['I’ll look at the files.', 'Now the tests.\n\nThey are in test/.\n\nOne moment.'])
    hear(step, ...written(narration), text(narration), tool);
  hear(step, ...written(paragraph('One paragraph is no two', 2_000)));
  expect(sent).toEqual([]);
});

test('nothing of a step is sent once it has used a tool or was begun again', () => {
  for (const event of [tool, { type: 'retry', message: 'overloaded' } as const]) {
    const { sent, hear } = listen();
    hear(step, event, ...written(paragraphs(9)));
    expect(sent).toEqual([]);
    hear(step, ...written(paragraphs(9)));
    expect(sent).not.toEqual([]);
  }
});

test('a quick answer is not cut up: what is there within two seconds comes at the end', () => {
  const { sent, hear } = listen(1);
  hear(step, ...written(paragraphs(40)));
  expect(sent).toEqual([]);
});

test('of a slow answer something comes after a while, however short', () => {
  const { sent, hear, pass } = listen(10);
  hear(step, ...written(paragraphs(3)));
  pass(2_000);
  hear(...written('\n\nA short one.\n\nN'));
  expect(sent).toHaveLength(1);
  hear(...written('ext.\n\nAnd more.\n\nOf it'));
  expect(sent).toHaveLength(1);
  pass(21_000);
  hear(...written(' all.'));
  expect(sent.at(-1)?.trim()).toBe('Next.\n\nAnd more.');
});

test('several texts of one message are one answer; another text in its place is not', () => {
  const one = listen();
  const first = paragraphs(4);
  const second = paragraphs(4, 900);
  one.hear(step, ...written(first), text(first), ...written(second, 'b'));
  expect(`${first}\n\n${second}`.startsWith(one.told())).toBe(true);
  expect(one.told().length).toBeGreaterThan(first.length);
  const two = listen();
  two.hear(step, ...written(paragraphs(6)));
  const before = [...two.sent];
  two.hear(text('Something else.'), ...written(paragraphs(9), 'b'));
  expect(two.sent).toEqual(before);
});

test.each([
  ['nothing yet', 'One para', ''],
  ['the next has not begun', 'One.\n\n', ''],
  ['a paragraph', 'One.\n\nTwo', 'One.\n\n'],
  ['lines', 'One.\nTwo.\nThree', ''],
  ['an open code block', 'See:\n\n```ts\na\n\nb\n', 'See:\n\n'],
  ['a closed code block', '```ts\na\n\nb\n```\nThen', '```ts\na\n\nb\n```\n'],
  ['a code block that is being closed', '```ts\na\n\nb\n```', ''],
  ['a point with more below it', '1. One\n\n   ```sh\n   ls\n\n   ```\n\n   still\n', ''],
  ['the next point', '1. One\n\n   more\n\n2. Two', '1. One\n\n   more\n\n'],
  ['a table', '| a |\n|---|\n| 1 |\n\nBelow', '| a |\n|---|\n| 1 |\n\n'],
])('of what is being written this is whole: %s', (_, written, whole) => {
  expect(written.slice(0, endOfParagraphs(written))).toBe(whole);
});

test.each([
  ['nothing was sent', 'All.', undefined, 'All.', 'All.'],
  ['its beginning was', 'One.\n\nTwo.', 'One.', 'Two.', 'One.\n\nTwo.'],
  ['all of it was', 'One.', 'One.', '', 'One.'],
  ['its agent remembers less', '', 'One.', '', 'One.'],
  ['it is another one', 'Done.', 'First I look.', 'Done.', 'Done.'],
])('at the end the rest is sent, and the whole is kept: %s', (_, answer, told, rest, whole) => {
  expect(restOf(answer, told)).toBe(rest);
  expect(wholeOf(answer, told)).toBe(whole);
});
