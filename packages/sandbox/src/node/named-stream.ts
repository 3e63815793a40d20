import { dataLine, readEvents } from './node-stream.ts';
import { type Cost, isObject } from './pricing.ts';

/** Streams of OpenAI's responses and Anthropic's messages: events with names, whose usage is in several places. */
export const hasNamedEvents = (path: string): boolean => /(?:^|\/)(?:responses|messages)$/.test(path);

/** Passes them on, and says at the end what they cost, in an event of the node's own. */
export async function* namedPieces(
  upstream: ReadableStream<Uint8Array>,
  settle: (usage: Record<string, unknown> | undefined) => Cost,
): AsyncGenerator<string> {
  let usage: Record<string, unknown> | undefined;
  for await (const event of readEvents(upstream)) {
    if (event.kind === 'done') continue;
    if (event.kind === 'other') {
      yield `${event.fields}data: ${event.data}\n\n`;
      continue;
    }
    const { chunk } = event;
    for (const part of [chunk, chunk.response, chunk.message]) {
      if (isObject(part) && isObject(part.usage)) usage = { ...usage, ...part.usage };
    }
    yield dataLine(chunk, event.fields);
  }
  yield dataLine({ cost: settle(usage) }, 'event: cost\n');
}
