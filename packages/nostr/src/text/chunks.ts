import { type Fence, fenceAfter, MAX_MARKER } from './code-fence.ts';
import { graphemeStartAtOrBefore, isGraphemeStart, prefixEnd } from './text-measure.ts';
import { findUnbreakable, isolatePayments, type Unbreakable } from './unbreakable.ts';

/** Characters (UTF-16 units) of one message; its UTF-8 bytes are at most twice as many. */
export const CHUNK_LIMIT = 4000;

const MIN_LIMIT = 100;

/** A cut that is nicer than at a word has to fill this much of the room. */
const WORTHWHILE = 0.4;

/**
 * Splits a reply into messages: at a paragraph, else a line, else a word, else between graphemes; whitespace at a cut
 * is dropped. Several are numbered, `(1/3)` on a line before each. A code block that goes on is closed and opened
 * again. Tokens and invoices get a line of their own. They, URLs and Nostr references are never cut: one that is longer
 * than `limit` is a message of its own, whole and without number, to be copied as it is.
 *
 * @param limit characters of one message, its number included; at least 100
 * @returns no message at all when there is nothing but whitespace
 * @throws TokenTooLongError a token doesn't fit into any message
 */
export function chunk(text: string, limit: number = CHUNK_LIMIT): readonly string[] {
  if (!(limit >= MIN_LIMIT)) throw new RangeError(`a limit of ${limit} characters leaves no room for text`);
  const tidy = tidied(text);
  if (tidy === '') return [];
  if (prefixEnd(tidy, 0, limit, 2 * limit) === tidy.length) return [tidy];
  const unbreakable = findUnbreakable(tidy);
  for (let digits = 1; ; digits++) {
    const labelLength = '(/)\n'.length + 2 * digits;
    const pieces = [...split(tidy, unbreakable, limit - labelLength, 2 * limit - labelLength)];
    if (`${pieces.length}`.length <= digits) return numbered(pieces, limit);
  }
}

function numbered(pieces: readonly string[], limit: number): readonly string[] {
  if (pieces.length === 1) return pieces;
  return pieces.map((piece, index) => {
    const labelled = `(${index + 1}/${pieces.length})\n${piece}`;
    return labelled.length <= limit ? labelled : piece;
  });
}

/** Line ends as `\n`, no lone surrogates (UTF-8 has none), nothing empty around it, payments on their own lines. */
function tidied(text: string): string {
  const lines = text
    .toWellFormed()
    .replace(/\r\n?/g, '\n')
    .replace(/^(?:[ \t]*\n)+/, '')
    .trimEnd()
    .split('\n');
  let fence: Fence | undefined;
  return lines
    .map((line) => {
      const before = fence;
      fence = fenceAfter(line, fence);
      return before === undefined && fence === undefined ? isolatePayments(line) : line;
    })
    .join('\n');
}

/** Where a piece ends, where the next one begins, and the code block that is open between them. */
type Cut = { readonly end: number; readonly next: number; readonly fence: Fence | undefined };

function* split(
  text: string,
  unbreakable: readonly Unbreakable[],
  maxLength: number,
  maxBytes: number,
): Generator<string> {
  let position = 0;
  let fence: Fence | undefined;
  while (position < text.length) {
    const opener = fence === undefined ? '' : `${fence.opener}\n`;
    const closerLength = MAX_MARKER + 1;
    const full = prefixEnd(
      text,
      position,
      maxLength - opener.length - closerLength,
      maxBytes - Buffer.byteLength(opener) - closerLength,
    );
    if (full === text.length) {
      yield opener + text.slice(position);
      return;
    }
    const cut =
      cutAtLine(text, position, full, fence) ??
      cutAtWord(text, position, full, fence) ??
      cutInWord(text, position, full, fence, unbreakable);
    const lone = unbreakable.some(({ start, end }) => start === position && end === cut.end && end > full);
    const piece = text.slice(position, cut.end).replace(/[ \t\n]+$/, '');
    const closer = cut.fence === undefined ? '' : `\n${cut.fence.marker}`;
    if (piece.trim() !== '') yield lone ? piece : opener + piece + closer;
    ({ next: position, fence } = closedEarly(text, cut));
  }
}

/** The last end of a paragraph, else of a line, outside of code rather than in it; none that wastes the room. */
function cutAtLine(text: string, from: number, full: number, open: Fence | undefined): Cut | undefined {
  const worthwhile = from + (full - from) * WORTHWHILE;
  let best: { readonly cut: Cut; readonly rank: number } | undefined;
  let fence = open;
  for (let start = from; ; ) {
    const end = text.indexOf('\n', start);
    if (end === -1 || end > full) return best?.cut;
    const line = text.slice(start, end);
    if (isLineStart(text, start)) fence = fenceAfter(line, fence);
    if (line.trim() !== '' && end >= worthwhile) {
      const next = afterBreak(text, end);
      const blankLine = text.slice(end + 1, next).includes('\n');
      const rank = fence !== undefined ? 0 : blankLine ? 2 : 1;
      if (rank >= (best?.rank ?? 0)) best = { cut: { end, next, fence }, rank };
    }
    start = end + 1;
  }
}

function cutAtWord(text: string, from: number, full: number, open: Fence | undefined): Cut | undefined {
  const firstInk = from + text.slice(from, full).search(/[^ \t\n]/);
  for (let end = full; end > firstInk; end--) {
    if (!isBreak(text[end]) || isBreak(text[end - 1])) continue;
    if (!isGraphemeStart(text, end)) continue;
    return { end, next: afterBreak(text, end), fence: fenceWithin(text, from, end, open) };
  }
  return undefined;
}

/** One word fills the room: it is cut between two graphemes, or before what may not be cut, or after it. */
function cutInWord(
  text: string,
  from: number,
  full: number,
  open: Fence | undefined,
  unbreakable: readonly Unbreakable[],
): Cut {
  const at = (end: number, next = afterBreak(text, end)): Cut => ({
    end,
    next,
    fence: fenceWithin(text, from, end, open),
  });
  const grapheme = graphemeStartAtOrBefore(text, from, full);
  const wanted = grapheme > from ? grapheme : full;
  const hit = unbreakable.find(({ start, end }) => start < wanted && end > wanted);
  if (hit === undefined) return at(wanted);
  return hit.start > from ? at(hit.start, hit.start) : at(hit.end);
}

function fenceWithin(text: string, from: number, end: number, open: Fence | undefined): Fence | undefined {
  const [first = '', ...others] = text.slice(from, end).split('\n');
  const afterFirst = isLineStart(text, from) ? fenceAfter(first, open) : open;
  return others.reduce((fence, line) => fenceAfter(line, fence), afterFirst);
}

/** The rest of a line that was cut at a word opens and closes no code block. */
const isLineStart = (text: string, index: number) => index === 0 || text[index - 1] === '\n';

const isBreak = (char: string | undefined) => char === ' ' || char === '\t' || char === '\n';

/** Past the whitespace of a cut: blank lines go, the indentation of the next line stays. */
function afterBreak(text: string, end: number): number {
  let next = end;
  while (isBreak(text[next])) next++;
  // A combining mark makes one character with the space before it.
  if (next > end && !isGraphemeStart(text, next)) next--;
  const lineBreak = text.slice(end, next).lastIndexOf('\n');
  return lineBreak === -1 ? next : end + lineBreak + 1;
}

/** A block whose closing line comes right after the cut is over: it was closed before the cut. */
function closedEarly(text: string, cut: Cut): { readonly next: number; readonly fence: Fence | undefined } {
  if (cut.fence === undefined || cut.next === cut.end) return cut;
  const lineEnd = text.indexOf('\n', cut.next);
  const line = text.slice(cut.next, lineEnd === -1 ? undefined : lineEnd);
  if (fenceAfter(line, cut.fence) !== undefined) return cut;
  return { next: lineEnd === -1 ? text.length : lineEnd + 1, fence: undefined };
}
