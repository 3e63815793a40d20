const [ESC, BEL, CSI, ST] = ['\u001B', '\u0007', '\u009B', '\u009C'];
/** Escape sequences of terminals (ECMA-48): OSC and its like with their end, CSI, those of two characters. */
const ESCAPE = new RegExp(
  [
    `${ESC}[\\]PX^_][^${BEL}${ESC}${ST}]*(?:${BEL}|${ESC}\\\\|${ST})`,
    `(?:${ESC}\\[|${CSI})[0-?]*[ -/]*[@-~]?`,
    `${ESC}[ -/]*[0-~]?`,
  ].join('|'),
  'g',
);
/** Control characters but for tab and line feed; embeddings, overrides and isolates of direction; annotation marks. */
const DISTURBING = /(?![\t\n])\p{Cc}|[\u202A-\u202E\u2066-\u2069\uFFF9-\uFFFB]/gu;

/**
 * A text as it may leave the bot: line ends as `\n`, no lone surrogate (UTF-8 has none), nothing blank around it, and
 * nothing that a terminal obeys or that shows a text in another order than it is written.
 */
export const cleaned = (text: string): string =>
  text
    .toWellFormed()
    .replace(/\r\n?|[\u0085\u2028\u2029]/g, '\n')
    .replace(ESCAPE, '')
    .replace(DISTURBING, '')
    .trimEnd()
    .replace(/^(?:[ \t]*\n)+/, '');
