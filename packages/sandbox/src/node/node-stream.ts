import { isObject } from './pricing.ts';

/** One event of a stream from upstream. */
export type StreamEvent =
  /** A JSON object, with the other fields of its event in front. */
  | { readonly kind: 'chunk'; readonly fields: string; readonly chunk: Record<string, unknown> }
  | { readonly kind: 'other'; readonly fields: string; readonly data: string }
  | { readonly kind: 'done' };

/**
 * Splits a stream at its blank lines, wherever the network cut it. Comments and events without data are dropped, and
 * so is an event that the end of the stream left incomplete.
 */
export async function* readEvents(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder();
  let buffer = '';
  for await (const piece of bytes) {
    buffer = (buffer + decoder.decode(piece, { stream: true })).replaceAll('\r\n', '\n');
    for (let at = buffer.indexOf('\n\n'); at >= 0; at = buffer.indexOf('\n\n')) {
      const event = readEvent(buffer.slice(0, at));
      buffer = buffer.slice(at + 2);
      if (event) yield event;
    }
  }
  const event = readEvent(buffer);
  if (event && event.kind !== 'other') yield event;
}

function readEvent(text: string): StreamEvent | undefined {
  const data: string[] = [];
  let fields = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('data:')) data.push(line.slice('data:'.length).replace(/^ +/, ''));
    else if (!line.startsWith(':') && line !== '') fields += `${line}\n`;
  }
  const joined = data.join('\n').trim();
  if (joined === '') return undefined;
  if (joined === '[DONE]') return { kind: 'done' };
  let chunk: unknown;
  try {
    chunk = JSON.parse(joined);
  } catch {
    return { kind: 'other', fields, data: joined };
  }
  return isObject(chunk) ? { kind: 'chunk', fields, chunk } : { kind: 'other', fields, data: joined };
}

export const dataLine = (value: unknown, fields = ''): string =>
  `${fields}data: ${JSON.stringify(value)}\n\n`;
