import { createHash } from 'node:crypto';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { z } from 'zod';
import type { Completion, Ending, Step } from './completion.ts';
import { addToBill, type Bill, type BillPart, billSchema, emptyBill } from './cost.ts';

const eventSchema = z.looseObject({ type: z.string() });
export type NamedEvent = z.infer<typeof eventSchema>;

/** A node's own, in the middle of another's stream. */
const bareError = z.looseObject({ error: z.looseObject({}) });

/** An event whose name is the type of its data. */
export const namedFrame = (data: string): string => {
  const type = eventSchema.safeParse(parseJson(data)).data?.type;
  return type === undefined || !/^[\w.]+$/.test(type)
    ? `data: ${data}\n\n`
    : `event: ${type}\ndata: ${data}\n\n`;
};

/** What one API makes of its events. */
export type EventReader = {
  /** Its parts of the bill, as a chat completion says them. */
  readonly bill: (event: NamedEvent) => BillPart | undefined;
  /** Characters of text, reasoning and tool arguments in it. */
  readonly characters: (event: NamedEvent) => number;
  /** A tool call, or a part of one: what it is known by, and what is in it. */
  readonly tool: (event: NamedEvent) => { readonly key: string; readonly text: string } | undefined;
  /** Why the answer failed, if this says that it did. */
  readonly failure: (event: NamedEvent) => unknown;
  /** Nothing of the answer comes after it. */
  readonly isLast: (event: NamedEvent) => boolean;
};

/** Follows a stream of named events. Only its own last event ends it: what broke off before is no answer. */
export function followEvents(reader: EventReader): Completion {
  const bill: Bill = emptyBill();
  const calls = new Map<string, string>();
  let received = 0;
  let seen = false;
  let finished = false;

  const next = (data: string): Step => {
    // Some upstreams say it in every API.
    if (data.trim() === '[DONE]') return { kind: 'skip' };
    const json = parseJson(data);
    // What the node adds of its own: the cost, in an event without a type that agents know.
    const own = billSchema.safeParse(json).data;
    if (own) addToBill(bill, own);
    const event = eventSchema.safeParse(json).data;
    const bare = event === undefined ? bareError.safeParse(json).data : undefined;
    if (bare) return { kind: 'error', error: bare.error };
    if (event === undefined) return own === undefined ? { kind: 'nonsense' } : { kind: 'skip' };
    if (event.type === 'cost') return { kind: 'skip' };
    const failure = reader.failure(event);
    if (failure !== undefined) return { kind: 'error', error: failure };
    const part = reader.bill(event);
    if (part) addToBill(bill, part);
    received += reader.characters(event);
    const tool = reader.tool(event);
    if (tool) calls.set(tool.key, (calls.get(tool.key) ?? '') + tool.text);
    seen = true;
    finished ||= reader.isLast(event);
    return { kind: 'pass', data };
  };
  const toolCalls = (): string | undefined => {
    if (calls.size === 0) return undefined;
    const hash = createHash('sha256');
    for (const text of calls.values()) hash.update(`${text}\n`);
    return hash.digest('base64');
  };
  return {
    bill,
    next,
    finished: () => finished,
    receivedCharacters: () => received,
    end: (): Ending => {
      if (finished) return { kind: 'complete', data: undefined, toolCalls: toolCalls() };
      return { kind: seen ? 'cut' : 'nonsense' };
    },
  };
}
