import { crc32, deflateSync, inflateSync } from 'node:zlib';

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/**
 * A picture of a page with 256 colours at the most, a third of its size. Of more, those that differ least become one.
 * @param png 8 bits a channel, RGB or RGBA without transparency, as Chromium makes them. @throws RangeError otherwise
 */
export function smallPng(png: Buffer): Buffer {
  const { width, height, channels, data } = read(png);
  for (const bits of [8, 7, 6, 5, 4, 3]) {
    const palette = new Map<number, number>();
    const lines = Buffer.alloc((width + 1) * height);
    const colours: number[] = [];
    let fits = true;
    for (let y = 0; fits && y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const at = (y * width + x) * channels;
        const full = data.readUIntBE(at, 3);
        const mask = (0xff << (8 - bits)) & 0xff;
        const near = full & ((mask << 16) | (mask << 8) | mask);
        let index = palette.get(near);
        if (index === undefined) {
          index = palette.size;
          palette.set(near, index);
          colours.push(full);
        }
        lines[y * (width + 1) + 1 + x] = index;
      }
      fits = palette.size <= 256;
    }
    if (!fits) continue;
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    header.set([8, 3, 0, 0, 0], 8);
    const entries = Buffer.from(
      colours.flatMap((colour) => [colour >> 16, (colour >> 8) & 0xff, colour & 0xff]),
    );
    return Buffer.concat([
      signature,
      chunk('IHDR', header),
      chunk('PLTE', entries),
      chunk('IDAT', deflateSync(lines, { level: 9 })),
      chunk('IEND', Buffer.alloc(0)),
    ]);
  }
  throw new RangeError('too many colours');
}

function chunk(type: string, body: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), body]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(body.length);
  check.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, check]);
}

function read(png: Buffer) {
  const parts: Buffer[] = [];
  for (let at = signature.length; at < png.length; at += 12 + png.readUInt32BE(at))
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const [width, height, depth, type] = [png.readUInt32BE(16), png.readUInt32BE(20), png[24], png[25]];
  if (depth !== 8 || (type !== 2 && type !== 6)) throw new RangeError('not a picture of Chromium');
  const channels = type === 2 ? 3 : 4;
  return {
    width,
    height,
    channels,
    data: unfiltered(inflateSync(Buffer.concat(parts)), width * channels, channels),
  };
}

/** The filters of PNG, undone: each byte is told by its neighbours. */
function unfiltered(raw: Buffer, stride: number, step: number): Buffer {
  const height = raw.length / (stride + 1);
  const data = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y += 1) {
    const filter = raw[y * (stride + 1)];
    for (let x = 0; x < stride; x += 1) {
      const left = x < step ? 0 : (data[y * stride + x - step] ?? 0);
      const up = y === 0 ? 0 : (data[(y - 1) * stride + x] ?? 0);
      const corner = x < step || y === 0 ? 0 : (data[(y - 1) * stride + x - step] ?? 0);
      const told = [0, left, up, (left + up) >> 1, nearest(left, up, corner)][filter ?? 0] ?? 0;
      data[y * stride + x] = (raw[y * (stride + 1) + 1 + x] ?? 0) + told;
    }
  }
  return data;
}

function nearest(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}
