import { expect, test } from 'bun:test';
import { inflateSync } from 'node:zlib';
import jsQR from 'jsqr';
import { qrPicture } from '../../src/files/qr-picture.ts';

/** The pixels of a PNG of 8 bits a channel with alpha, as a screen shows them. */
function pixelsOf(png: Buffer) {
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  expect([png[24], png[25], png[28]]).toEqual([8, 6, 0]);
  const packed: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const isData = png.toString('latin1', at + 4, at + 8) === 'IDAT';
    if (isData) packed.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  }
  const rows = inflateSync(Buffer.concat(packed));
  const stride = width * 4;
  const pixels = new Uint8ClampedArray(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (stride + 1)] ?? 0;
    for (let x = 0; x < stride; x++) {
      const at = (dx: number, dy: number) =>
        x < dx || y < dy ? 0 : (pixels[(y - dy) * stride + x - dx] ?? 0);
      const [left, up, corner] = [at(4, 0), at(0, 1), at(4, 1)];
      const far = (one: number) => Math.abs(left + up - corner - one);
      const paeth =
        far(left) <= far(up) && far(left) <= far(corner) ? left : far(up) <= far(corner) ? up : corner;
      const guess = [0, left, up, (left + up) >> 1, paeth][filter] ?? 0;
      pixels[y * stride + x] = ((rows[y * (stride + 1) + 1 + x] ?? 0) + guess) & 255;
    }
  }
  return { pixels, width, height };
}

test('a camera reads an invoice off the picture of its code', async () => {
  const invoice = `LNBC${'50U1P5XYZ02QP'.repeat(25)}`;
  const { pixels, width, height } = pixelsOf(Buffer.from((await qrPicture(invoice)) ?? []));
  expect(jsQR(pixels, width, height)?.data).toBe(invoice);
  expect(await qrPicture('x'.repeat(3_000))).toBeUndefined();
});
