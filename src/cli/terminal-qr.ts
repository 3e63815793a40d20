/** What a QR code is shown on. */
export type QrSurface = {
  /** Escape sequences are understood. */
  readonly color: boolean;
  /** How wide it is; undefined: nobody knows, as of a pipe. */
  readonly columns: number | undefined;
};

/** Light modules around it: what the standard wants, and what cameras are content with. */
const quietZones = [4, 2] as const;
/** Black on white of the palette that no theme changes: a terminal's own colours may be the other way round, or tinted. */
const ink = '\u001b[38;5;16;48;5;231m';
const reset = '\u001b[0m';

/**
 * A QR code, two rows of modules on each line; in its own black on white where colours are.
 *
 * @param text in upper case where that means the same: it makes the code smaller (QR's alphanumeric mode)
 * @returns undefined: it is wider than the surface, or more than a QR code holds
 */
export async function terminalQr(text: string, { color, columns }: QrSurface): Promise<string | undefined> {
  // Loaded with the first code: nothing is to start slower for it.
  const { create } = await import('qrcode');
  // 2,953 bytes are the most that one holds.
  if (text.length > 2_900) return undefined;
  const { size, data } = create(text, { errorCorrectionLevel: 'L' }).modules;
  const quiet = quietZones.find((zone) => size + 2 * zone <= (columns ?? Number.POSITIVE_INFINITY));
  if (quiet === undefined) return undefined;
  const dark = (row: number, column: number): boolean =>
    row >= 0 && row < size && column >= 0 && column < size && data[row * size + column] === 1;
  const span = Array.from({ length: size + 2 * quiet }, (_, i) => i - quiet);
  const lines = span
    .filter((_, i) => i % 2 === 0)
    .map((row) => span.map((column) => cell(dark(row, column), dark(row + 1, column))).join(''));
  return lines.map((line) => (color ? `${ink}${line}${reset}` : line)).join('\n');
}

const cell = (upper: boolean, lower: boolean): string => (upper ? (lower ? '█' : '▀') : lower ? '▄' : ' ');

/** This process's standard output. */
export function standardOutput(): QrSurface {
  const { isTTY, columns } = process.stdout;
  // A terminal that nobody has given a size says 0.
  return isTTY === true
    ? { color: true, columns: columns || undefined }
    : { color: false, columns: undefined };
}
