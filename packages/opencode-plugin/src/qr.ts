/** A QR code as lines of a terminal, dark on light: the colours are for whoever draws it. */
export type TerminalQr = { readonly lines: readonly string[]; readonly columns: number };

/** Light modules around it: what the standard wants, and what cameras are content with. */
const quietZones = [4, 2] as const;

/** How many rows of modules one line has; the denser is for a window that is low. */
const halves = { columns: 1, rows: 2 } as const;
/** 2 × 3 modules in a character (Unicode 13's sextants): half the width and two thirds of the height. */
const sextants = { columns: 2, rows: 3 } as const;

/**
 * The code of a text, as large as fits into a window; undefined: it fits in no way. Text in upper case makes a smaller
 * code (QR's alphanumeric mode).
 */
export async function qrFor(
  text: string,
  window: { readonly columns: number; readonly rows: number },
): Promise<TerminalQr | undefined> {
  // Loaded with the first code: nothing is to start slower for it.
  const { create } = await import('qrcode');
  // 2,953 bytes are the most that one holds.
  if (text.length > 2_900) return undefined;
  const { size, data } = create(text, { errorCorrectionLevel: 'L' }).modules;
  for (const cell of [halves, sextants]) {
    for (const quiet of quietZones) {
      const span = size + 2 * quiet;
      const columns = Math.ceil(span / cell.columns);
      const rows = Math.ceil(span / cell.rows);
      if (columns > window.columns || rows > window.rows) continue;
      const dark = (row: number, column: number): boolean => {
        const [y, x] = [row - quiet, column - quiet];
        return y >= 0 && y < size && x >= 0 && x < size && data[y * size + x] === 1;
      };
      const lines = Array.from({ length: rows }, (_, line) =>
        Array.from({ length: columns }, (_, column) =>
          character(cell, (row, across) => dark(line * cell.rows + row, column * cell.columns + across)),
        ).join(''),
      );
      return { lines, columns };
    }
  }
  return undefined;
}

function character(
  cell: typeof halves | typeof sextants,
  dark: (row: number, column: number) => boolean,
): string {
  if (cell === halves) return dark(0, 0) ? (dark(1, 0) ? '█' : '▀') : dark(1, 0) ? '▄' : ' ';
  let bits = 0;
  for (let bit = 0; bit < 6; bit += 1) if (dark(bit >> 1, bit & 1)) bits |= 1 << bit;
  return sextant(bits);
}

/** Of the bits of upper left, upper right, middle left, … Four of the 64 are characters that were there before. */
function sextant(bits: number): string {
  if (bits === 0) return ' ';
  if (bits === 0b01_0101) return '▌';
  if (bits === 0b10_1010) return '▐';
  if (bits === 0b11_1111) return '█';
  const before = bits > 0b10_1010 ? 2 : bits > 0b01_0101 ? 1 : 0;
  return String.fromCodePoint(0x1fb00 + bits - 1 - before);
}
