import jsQR from 'jsqr';

/** What a phone reads that is pointed at it; escape sequences set the colours, and those must be its own. */
export function scan(drawn: string, { scale = 3, color = true } = {}): string | undefined {
  const lines = drawn.split('\n').map((line) => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    const [, cells] = /^\u001b\[38;5;16;48;5;231m([ █▀▄]+)\u001b\[0m$/.exec(line) ?? [];
    if ((cells !== undefined) !== color) throw new Error('the colours are not those that were asked for');
    return [...(cells ?? line)];
  });
  const [width, height] = [lines[0]?.length ?? 0, lines.length * 2];
  const pixels = new Uint8ClampedArray(width * scale * height * scale * 4);
  for (let y = 0; y < height * scale; y += 1) {
    for (let x = 0; x < width * scale; x += 1) {
      const row = Math.floor(y / scale);
      const character = lines[row >> 1]?.[Math.floor(x / scale)] ?? ' ';
      const isDark = character === '█' || character === (row % 2 === 0 ? '▀' : '▄');
      pixels.fill(isDark ? 0 : 255, (y * width * scale + x) * 4, (y * width * scale + x) * 4 + 3);
      pixels[(y * width * scale + x) * 4 + 3] = 255;
    }
  }
  return jsQR(pixels, width * scale, height * scale)?.data;
}

/** The codes in what a terminal was sent, one after the other. */
export const scanAll = (sent: string): readonly (string | undefined)[] =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
  Array.from(sent.matchAll(/(?:\u001b\[38;5;16;48;5;231m[ █▀▄]+\u001b\[0m\n)+/g), ([drawn]) =>
    scan(drawn.trimEnd()),
  );
