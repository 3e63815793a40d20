import { expect, test } from 'bun:test';
import jsQR from 'jsqr';
import { qrFor, type TerminalQr } from '../src/qr.ts';

/** As long as invoices of nodes are. */
const invoice = `LNBC10U1P${'3ZYC7Q8Q9RLD0X2N5KTW4A6J'.repeat(13)}`.slice(0, 300);

/** What a phone reads: a character is twice as high as it is wide. */
function scan({ lines, columns }: TerminalQr): string | undefined {
  const [wide, high] = [6, 12];
  const [width, height] = [columns * wide, lines.length * high];
  const pixels = new Uint8ClampedArray(width * height * 4).fill(255);
  for (const [y, line] of lines.entries()) {
    for (const [x, character] of [...line].entries()) {
      for (let row = 0; row < high; row += 1) {
        for (let column = 0; column < wide; column += 1) {
          if (!isDark(character, column / wide, row / high)) continue;
          pixels.fill(
            0,
            ((y * high + row) * width + x * wide + column) * 4,
            ((y * high + row) * width + x * wide + column) * 4 + 3,
          );
        }
      }
    }
  }
  return jsQR(pixels, width, height)?.data;
}

/** By Unicode's chart of block elements and sextants. */
function isDark(character: string, across: number, down: number): boolean {
  switch (character) {
    case ' ':
      return false;
    case '█':
      return true;
    case '▀':
      return down < 0.5;
    case '▄':
      return down >= 0.5;
    case '▌':
      return across < 0.5;
    case '▐':
      return across >= 0.5;
  }
  const point = (character.codePointAt(0) ?? 0) - 0x1fb00;
  expect(point).toBeWithin(0, 60);
  // BLOCK SEXTANT-1, -2, -12, … in the order of their bits, without the three that are older.
  const bits =
    [...Array(64).keys()].filter((value) => ![0, 0b01_0101, 0b10_1010, 0b11_1111].includes(value))[point] ??
    0;
  return ((bits >> (Math.floor(down * 3) * 2 + Math.floor(across * 2))) & 1) === 1;
}

for (const [columns, rows] of [
  [77, 22],
  [48, 22],
  [100, 40],
  [120, 60],
] as const) {
  test(`an invoice's code fits into ${columns} × ${rows} and is read there`, async () => {
    const qr = await qrFor(invoice, { columns, rows });
    if (qr === undefined) throw new Error('it does not fit');
    expect(qr.lines.length).toBeLessThanOrEqual(rows);
    expect(qr.columns).toBeLessThanOrEqual(columns);
    for (const line of qr.lines) expect([...line]).toHaveLength(qr.columns);
    expect(scan(qr)).toBe(invoice);
  });
}

test('a window that is too small, and a text that is too long, have no code', async () => {
  expect(await qrFor(invoice, { columns: 20, rows: 24 })).toBeUndefined();
  expect(await qrFor(invoice, { columns: 80, rows: 10 })).toBeUndefined();
  expect(await qrFor('x'.repeat(3_000), { columns: 500, rows: 500 })).toBeUndefined();
});
