import { createHash } from 'node:crypto';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { z } from 'zod';
import { addToBill, type Bill, billSchema, emptyBill } from './cost.ts';
import { gatherText } from './last-word.ts';

const deltaSchema = z.looseObject({
  tool_calls: z
    .array(
      z.looseObject({
        index: z.number().nullish(),
        function: z.looseObject({ name: z.string().nullish(), arguments: z.string().nullish() }).nullish(),
      }),
    )
    .nullish(),
});
const chunkSchema = z.looseObject({
  id: z.string().nullish(),
  model: z.string().nullish(),
  created: z.number().nullish(),
  choices: z
    .array(z.looseObject({ delta: deltaSchema.nullish(), finish_reason: z.string().nullish() }))
    .nullish(),
});
type Chunk = z.infer<typeof chunkSchema>;

/** opencode goes on for ever after any other reason, and after none. */
const finishReasons = new Set(['stop', 'length', 'content_filter', 'tool_calls', 'function_call']);

/** What one event of the node's stream means. */
export type Step =
  /** Goes to the agent, as it came or mended. */
  | { readonly kind: 'pass'; readonly data: string }
  | { readonly kind: 'done' }
  /** It is for us alone. */
  | { readonly kind: 'skip' }
  /** The node reports a failure inside the stream. */
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'nonsense' };

/** How a stream that is over is to be closed. */
export type Ending =
  /** `data`: what is missing before `[DONE]`, if anything is. */
  | { readonly kind: 'complete'; readonly data: string | undefined; readonly toolCalls: string | undefined }
  /** It broke off in the middle of a tool call. */
  | { readonly kind: 'cut' }
  /** No answer was in it. */
  | { readonly kind: 'nonsense' };

/** Follows one streamed chat completion: mends its finish reason and keeps its bill. */
export type Completion = {
  readonly bill: Bill;
  /** Characters of text, reasoning and tool arguments that came. */
  readonly receivedCharacters: () => number;
  readonly next: (data: string) => Step;
  /** What it said, when it ended by its own word and called no tool. Absent: not known. */
  readonly text?: () => string | undefined;
  /** The answer is whole, though its stream may go on. Absent: only its end says so. */
  readonly finished?: () => boolean;
  /** @param orderly the stream said `[DONE]`, or why it ended without is known to be harmless */
  readonly end: (orderly: boolean) => Ending;
};

export function createCompletion(): Completion {
  const bill = emptyBill();
  const calls = new Map<number, { name: string; args: string }>();
  const texts = gatherText();
  let received = 0;
  let choices = 0;
  let finished: string | undefined;
  let last: Chunk | undefined;

  const follow = (chunk: Chunk): void => {
    for (const { delta } of chunk.choices ?? []) {
      choices += 1;
      if (delta) texts.add(delta);
      for (const value of Object.values(delta ?? {})) if (typeof value === 'string') received += value.length;
      for (const call of delta?.tool_calls ?? []) {
        const index = call.index ?? 0;
        const known = calls.get(index) ?? { name: '', args: '' };
        const args = call.function?.arguments ?? '';
        calls.set(index, { name: call.function?.name ?? known.name, args: known.args + args });
        received += args.length;
      }
    }
  };

  const toolCalls = (): string | undefined => {
    if (calls.size === 0) return undefined;
    const hash = createHash('sha256');
    for (const { name, args } of calls.values()) hash.update(`${name}\n${args}\n`);
    return hash.digest('base64');
  };

  return {
    bill,
    receivedCharacters: () => received,
    text: () => (finished === 'stop' && calls.size === 0 ? texts.read() : undefined),
    next: (data) => {
      if (data.trim() === '[DONE]') return { kind: 'done' };
      const json = parseJson(data);
      const chunk = chunkSchema.safeParse(json).data;
      if (!chunk) return { kind: 'nonsense' };
      if (chunk.error !== undefined && chunk.error !== null) return { kind: 'error', error: chunk.error };
      const part = billSchema.safeParse(json).data;
      if (part) addToBill(bill, part);
      follow(chunk);
      last = chunk;
      let mended = false;
      const mend = (reason: string): string => {
        const usable = finishReasons.has(reason) && (reason !== 'tool_calls' || calls.size > 0);
        if (usable) return reason;
        mended = true;
        return calls.size > 0 ? 'tool_calls' : 'stop';
      };
      const mendedChoices = chunk.choices?.map((choice) => {
        if (choice.finish_reason == null) return choice;
        finished = mend(choice.finish_reason);
        return { ...choice, finish_reason: finished };
      });
      return { kind: 'pass', data: mended ? JSON.stringify({ ...chunk, choices: mendedChoices }) : data };
    },
    end: (orderly) => {
      if (finished !== undefined) return { kind: 'complete', data: undefined, toolCalls: toolCalls() };
      if (choices === 0) return { kind: 'nonsense' };
      const whole = [...calls.values()].every(({ args }) => args === '' || parseJson(args) !== undefined);
      if (!whole) return { kind: 'cut' };
      // A text that ends without a word may be cut off: `length` says so to whoever reads the answer.
      const reason = calls.size > 0 ? 'tool_calls' : orderly ? 'stop' : 'length';
      const data = JSON.stringify({
        id: last?.id ?? 'meter',
        object: 'chat.completion.chunk',
        created: last?.created ?? 0,
        model: last?.model ?? '',
        choices: [{ index: 0, delta: {}, finish_reason: reason }],
      });
      return { kind: 'complete', data, toolCalls: toolCalls() };
    },
  };
}
