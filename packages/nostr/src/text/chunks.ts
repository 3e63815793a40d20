import { cleaned } from './clean-text.ts';
import { type Fence, fenceAfter, MAX_MARKER } from './code-fence.ts';
import { graphemeStartAtOrBefore, isGraphemeStart, prefixEnd } from './text-measure.ts';
import { findUnbreakable, isBarePayment, type Unbreakable } from './unbreakable.ts';

/** Characters (UTF-16 units) of one message; its UTF-8 bytes are at most twice as many. */
const CHUNK_LIMIT = 4000;
/** Messages of one reply. More is more than somebody reads on a phone, and each is a gift wrap. */
const MAX_MESSAGES = 10;

const MIN_LIMIT = 100;
/** A cut that is nicer than at a word has to fill this much of the room. */
const WORTHWHILE = 0.4;
/** For the line that closes a code block. */
const CLOSER_LENGTH = MAX_MARKER + 1;

/** Where a text stands among the messages of one answer that is sent bit by bit. */
export type Series = {
  /** So many messages of it were sent before. */
  readonly before: number;
  /** More of it follows: how many there will be is not known. */
  readonly open: boolean;
};
const whole: Series = { before: 0, open: false };
/** However many messages of an answer were sent before, its end has as much room. */
const LEAST_MESSAGES = 2;

/** How many messages a text may have: all that an answer consists of have one greatest length. What has more to follow is short. */
const mostOf = ({ before, open }: Series): number =>
  open ? Number.POSITIVE_INFINITY : Math.max(LEAST_MESSAGES, MAX_MESSAGES - before);

type Chunks = {
  readonly messages: readonly string[];
  /** What was too much, as a text that can be sent on: its code block is opened again. Empty when all of it fitted. */
  readonly rest: string;
};

/**
 * Splits a reply into messages: at a paragraph, else a line, else a word, else between graphemes; whitespace at a cut
 * is dropped. Several are numbered, `(1/3)` on a line before each (`(1/…)` where more follows). A code block that goes on is closed and opened
 * again. What could disturb a terminal or a chat is taken out (see `cleaned`). A token or an invoice is a message of
 * its own, whole and without number, to be copied as it is, unless it is part of code. URLs and Nostr references are
 * never cut either. Takes time in proportion to the text, whatever that consists of.
 *
 * @param limit characters of one message, its number included; at least 100
 * @param most messages at most; what does not fit is the rest
 * @param series of which answer it is a part
 * @returns no message at all when there is nothing but whitespace
 * @throws TokenTooLongError a token doesn't fit into any message
 */
export function chunk(
  text: string,
  limit: number = CHUNK_LIMIT,
  most: number = MAX_MESSAGES,
  series: Series = whole,
): Chunks {
  if (!(limit >= MIN_LIMIT)) throw new RangeError(`a limit of ${limit} characters leaves no room for text`);
  const tidy = cleaned(text);
  if (series.before === 0 && !series.open) {
    const first = pieceAt(tidy, { next: 0, fence: undefined }, limit, 0);
    if (first.next === tidy.length && (first.alone || first.text === tidy)) {
      return { messages: tidy === '' ? [] : [tidy], rest: '' };
    }
  }

  const highest = Number.isFinite(most) ? most : MAX_MESSAGES;
  const room = limit - `(${highest}/${highest})\n`.length;
  const pieces: Piece[] = [];
  let position: Position = { next: 0, fence: undefined };
  while (position.next < tidy.length && pieces.length < most) {
    const piece = pieceAt(tidy, position, room, CLOSER_LENGTH);
    if (piece.text !== '') pieces.push(piece);
    position = piece;
  }
  const opener = position.fence === undefined ? '' : `${position.fence.opener}\n`;
  const rest = tidy.slice(position.next);
  return { messages: pieces.map(numberedIn(series)), rest: rest === '' ? '' : opener + rest };
}

/**
 * Splits a reply as {@link chunk} does, into messages so small that each fits; but for what can't be split.
 * @param fits whether a message can go where it has to
 */
export function chunkToFit(text: string, fits: (message: string) => boolean, series: Series = whole): Chunks {
  for (let limit = CHUNK_LIMIT; ; limit = Math.max(LEAST_LIMIT, Math.floor(limit * SHRINK))) {
    const chunks = chunk(text, limit, mostOf(series), series);
    // A token is as long as it is.
    if (
      limit === LEAST_LIMIT ||
      chunks.messages.every((message) => message.length > limit || fits(message))
    ) {
      return chunks;
    }
  }
}

/** Smaller messages than that are no reading. */
const LEAST_LIMIT = 400;
const SHRINK = 0.8;

const numberedIn =
  ({ before, open }: Series) =>
  ({ text, alone }: Piece, index: number, { length }: readonly unknown[]): string => {
    const all = before + length;
    return alone || (all === 1 && !open) ? text : `(${before + index + 1}/${open ? '…' : all})\n${text}`;
  };

/** Where the next piece begins, and the code block that is open there. */
type Position = { readonly next: number; readonly fence: Fence | undefined };
/** Where a piece ends as well. */
type Cut = Position & { readonly end: number };
/** `alone`: it is to be copied as it is. */
type Piece = Position & { readonly text: string; readonly alone: boolean };

/**
 * The next piece of at most `room` characters, `reserve` of which are kept for the end of a code block. Empty where there
 * is nothing to be read between two payments.
 */
function pieceAt(text: string, { next: from, fence }: Position, room: number, reserve: number): Piece {
  const opener = fence === undefined ? '' : `${fence.opener}\n`;
  const bytes = 2 * room - Buffer.byteLength(opener) - reserve;
  const full = prefixEnd(text, from, room - opener.length - reserve, bytes);
  const unbreakable = findUnbreakable(text, from, full);
  const payment = unbreakable.find((found) => isOnItsOwn(text, from, fence, found));
  if (payment?.start === from) {
    const { end } = payment;
    return { text: text.slice(from, end), next: afterBreak(text, end), fence: undefined, alone: true };
  }
  if (payment !== undefined || full === text.length) {
    const next = payment?.start ?? text.length;
    const all = opener + trimmedEnd(text.slice(from, next));
    const before = from > 0 || payment !== undefined;
    return { text: before && /^[\s\p{P}]*$/u.test(all) ? '' : all, next, fence: undefined, alone: false };
  }
  const cut =
    cutAtLine(text, from, full, fence) ??
    cutAtWord(text, from, full, fence) ??
    cutInWord(text, from, full, fence, unbreakable);
  const alone = unbreakable.some(({ start, end }) => start === from && end === cut.end && end > full);
  const ink = trimmedEnd(text.slice(from, cut.end));
  const closer = cut.fence === undefined ? '' : `\n${cut.fence.marker}`;
  const whole = alone ? ink : opener + ink + closer;
  return { text: ink.trim() === '' ? '' : whole, ...closedEarly(text, cut), alone };
}

/** Whether a payment stands by itself and in no code block. */
const isOnItsOwn = (text: string, from: number, open: Fence | undefined, found: Unbreakable): boolean =>
  isBarePayment(text, found) && fenceWithin(text, from, found.start, open) === undefined;

const trimmedEnd = (text: string): string => {
  let end = text.length;
  while (isBreak(text[end - 1])) end--;
  return text.slice(0, end);
};

/** The last end of a paragraph, else of a line, outside of code rather than in it; none that wastes the room. */
function cutAtLine(text: string, from: number, full: number, open: Fence | undefined): Cut | undefined {
  const worthwhile = from + (full - from) * WORTHWHILE;
  const window = text.slice(0, full + 1);
  let best: { readonly cut: Cut; readonly rank: number } | undefined;
  let fence = open;
  for (let start = from; ; ) {
    const end = window.indexOf('\n', start);
    if (end === -1) return best?.cut;
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

/** The longest line that can close a code block, but for one with a tail of spaces. */
const CLOSING_LINE = 100;

/** A block whose closing line comes right after the cut is over: it was closed before the cut. */
function closedEarly(text: string, { end, next, fence }: Cut): Position {
  if (fence === undefined || next === end) return { next, fence };
  const window = text.slice(next, next + CLOSING_LINE);
  const lineEnd = window.indexOf('\n');
  const line = lineEnd === -1 ? window : window.slice(0, lineEnd);
  if (fenceAfter(line, fence) !== undefined) return { next, fence };
  return { next: next + line.length + (lineEnd === -1 ? 0 : 1), fence: undefined };
}
