/** A line of output; `oversized` stands for one that was longer than the cap and was thrown away. */
export type Line =
  | { readonly type: 'line'; readonly text: string }
  | { readonly type: 'oversized'; readonly bytes: number };

const newline = 0x0a;

/**
 * Splits a byte stream into lines. A line is decoded as a whole, so a character cut by a chunk is no problem, and it
 * may be as long as `maxBytes`; nothing is read ahead of the consumer. A last line without a newline counts.
 */
export async function* readLines(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Line> {
  let parts: Uint8Array[] = [];
  let size = 0;
  const add = (part: Uint8Array): void => {
    size += part.length;
    if (size <= maxBytes) parts.push(part);
    else parts = [];
  };
  const take = (): Line => {
    const line: Line =
      size <= maxBytes
        ? { type: 'line', text: Buffer.concat(parts).toString('utf8') }
        : { type: 'oversized', bytes: size };
    parts = [];
    size = 0;
    return line;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      add(chunk.subarray(from, at));
      yield take();
      from = at + 1;
    }
    add(chunk.subarray(from));
  }
  if (size > 0) yield take();
}
