/**
 * How far the text from index `from` fits into `maxLength` UTF-16 units and `maxBytes` UTF-8 bytes: an index that is
 * never inside a surrogate pair.
 */
export function prefixEnd(text: string, from: number, maxLength: number, maxBytes: number): number {
  let bytes = 0;
  let end = from;
  while (end < text.length) {
    const codePoint = text.codePointAt(end) ?? 0;
    const units = codePoint > 0xffff ? 2 : 1;
    bytes += codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
    if (end + units - from > maxLength || bytes > maxBytes) return end;
    end += units;
  }
  return end;
}

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Enough of the text on both sides of an index to tell whether whitespace there joins with its neighbour. */
const CONTEXT = 32;

/** Whether a user-perceived character (UAX #29) begins at whitespace index `index`, or right after whitespace. */
export function isGraphemeStart(text: string, index: number): boolean {
  // Below U+0300 nothing combines.
  if (text.charCodeAt(index) < 0x300 && text.charCodeAt(index - 1) < 0x300) return true;
  const from = Math.max(0, index - CONTEXT);
  return graphemeStartAtOrBefore(text, isLowSurrogate(text, from) ? from + 1 : from, index) === index;
}

/** The last beginning of a user-perceived character at or before `index`, counted from `from`, which is one. */
export function graphemeStartAtOrBefore(text: string, from: number, index: number): number {
  if (index >= text.length) return text.length;
  const segments = segmenter.segment(text.slice(from, index + CONTEXT));
  return from + (segments.containing(index - from)?.index ?? 0);
}

const isLowSurrogate = (text: string, index: number): boolean => {
  const unit = text.charCodeAt(index);
  return unit >= 0xdc00 && unit <= 0xdfff;
};
