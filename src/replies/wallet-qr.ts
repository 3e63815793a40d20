/**
 * A QR code as text for a chat: two rows of modules on each line, ink for the dark ones. Cells without ink are light shade
 * and not a space, because in a proportional font a space is narrower than a block and the rows would shift; all four
 * characters are of one Unicode block and have one width. Upper case makes it smaller (QR's alphanumeric mode) and is the
 * same for BOLT11.
 */
export async function qrText(invoice: string): Promise<string> {
  // Loaded with the first invoice: the bot is to be reachable before it needs one.
  const { create } = await import('qrcode');
  const { size, data } = create(invoice.toUpperCase(), { errorCorrectionLevel: 'L' }).modules;
  const quiet = 2;
  const dark = (row: number, column: number): boolean =>
    row >= 0 && row < size && column >= 0 && column < size && data[row * size + column] === 1;
  const lines: string[] = [];
  for (let row = -quiet; row < size + quiet; row += 2) {
    let line = '';
    for (let column = -quiet; column < size + quiet; column += 1) {
      line += cell(dark(row, column), dark(row + 1, column));
    }
    lines.push(line);
  }
  return lines.join('\n');
}

const cell = (upper: boolean, lower: boolean): string => (upper ? (lower ? '█' : '▀') : lower ? '▄' : '░');
