import { type Fence, fenceAfter } from './code-fence.ts';

/**
 * Where the last complete paragraph of a text that is still being written ends: something else has begun there, behind an
 * empty line or behind a code block. An open code block, the point of a list with what is indented below it, and lines
 * without an empty one between them are not complete. 0: nothing is.
 */
export function endOfParagraphs(text: string): number {
  let fence: Fence | undefined;
  let isBreak = false;
  let end = 0;
  for (let start = 0; start < text.length; ) {
    const lineEnd = text.indexOf('\n', start);
    const line = text.slice(start, lineEnd === -1 ? text.length : lineEnd);
    if (isBreak && fence === undefined && /^\S/.test(line)) end = start;
    // It may become anything yet.
    if (lineEnd === -1) break;
    const before = fence;
    fence = fenceAfter(line, before);
    const isClosed = before !== undefined && fence === undefined;
    isBreak = fence === undefined && (isClosed || line.trim() === '');
    start = lineEnd + 1;
  }
  return end;
}
