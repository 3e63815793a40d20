/*
 * How long a recording is whose header does not say so, by its own parts: what a decoder plays is what is counted. Bytes that are
 * no part of it count as sound of the thinnest kind, so that nothing is had for nothing.
 */

const thinnest = 1_000;

/** Tags of an MP3 in front of its sound: `ID3`, four times seven bits of size. */
const afterTags = (data: Buffer): number => {
  let at = 0;
  while (data.toString('latin1', at, at + 3) === 'ID3' && at + 10 <= data.length) {
    const size = [6, 7, 8, 9].reduce((sum, place) => sum * 128 + ((data[at + place] ?? 0) & 0x7f), 0);
    at += 10 + size;
  }
  return Math.min(at, data.length);
};

/** A frame: so many bytes, of so many seconds. */
type Frame = { readonly bytes: number; readonly seconds: number };

/** Frame after frame; where none begins the next is looked for, as decoders do. undefined: there is none at all. */
function secondsOf(
  data: Buffer,
  from: number,
  frameAt: (at: number) => Frame | undefined,
): number | undefined {
  let seconds = 0;
  let strange = 0;
  for (let at = from; at < data.length; ) {
    const frame = frameAt(at);
    // Every frame begins with this byte.
    const next = frame === undefined ? data.indexOf(0xff, at + 1) : at + frame.bytes;
    const end = next === -1 ? data.length : next;
    if (frame === undefined) strange += end - at;
    else seconds += frame.seconds;
    at = end;
  }
  return seconds === 0 ? undefined : seconds + strange / thinnest;
}

const kbps = {
  layer1: [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
  layer2: [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  layer3: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  low1: [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
  low: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
} as const;

/** MPEG 1, 2 and 2.5, layers 1 to 3. */
export const mpegSeconds = (data: Buffer): number | undefined =>
  secondsOf(data, afterTags(data), (at) => {
    const [sync = 0, kind = 0, rates = 0] = [data[at], data[at + 1], data[at + 2]];
    if (sync !== 0xff || (kind & 0xe0) !== 0xe0) return undefined;
    const version = (kind >> 3) & 3;
    const layer = 4 - ((kind >> 1) & 3);
    const isFirst = version === 3;
    const table = isFirst
      ? [kbps.layer1, kbps.layer2, kbps.layer3][layer - 1]
      : layer === 1
        ? kbps.low1
        : kbps.low;
    const bits = (table?.[rates >> 4] ?? 0) * 1000;
    const rate = ([44_100, 48_000, 32_000][(rates >> 2) & 3] ?? 0) / (isFirst ? 1 : version === 2 ? 2 : 4);
    if (version === 1 || layer === 4 || bits === 0 || rate === 0) return undefined;
    const samples = layer === 1 ? 384 : layer === 3 && !isFirst ? 576 : 1152;
    const padding = ((rates >> 1) & 1) * (layer === 1 ? 4 : 1);
    return {
      bytes: Math.max(4, Math.floor((samples / 8) * (bits / rate)) + padding),
      seconds: samples / rate,
    };
  });

const adtsRates = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
];

/** AAC without a container: 1,024 samples in each block. */
export const adtsSeconds = (data: Buffer): number | undefined =>
  secondsOf(data, 0, (at) => {
    if (at + 7 > data.length || data[at] !== 0xff || ((data[at + 1] ?? 0) & 0xf6) !== 0xf0) return undefined;
    const rate = adtsRates[((data[at + 2] ?? 0) >> 2) & 0x0f];
    const bytes = (data.readUInt32BE(at + 3) >> 13) & 0x1fff;
    const blocks = ((data[at + 6] ?? 0) & 3) + 1;
    return rate === undefined || bytes < 7 ? undefined : { bytes, seconds: (blocks * 1024) / rate };
  });

const ids = { segment: 0x18538067, info: 0x1549a966, cluster: 0x1f43b675, group: 0xa0 } as const;
const [scaleId, timeId, blockId, simpleId] = [0x2ad7b1, 0xe7, 0xa1, 0xa3];
const containers: ReadonlySet<number> = new Set(Object.values(ids));
/** What one block plays beyond its own time, at most: 120 ms of Opus. */
const lastMs = 120;

/** Matroska: the latest time of a block. Recorders of browsers and phones write no duration. */
export function webmSeconds(data: Buffer): number | undefined {
  let scaleNs = 1_000_000;
  let cluster = 0;
  let latest: number | undefined;
  for (let at = 0; at < data.length; ) {
    const id = vint(data, at, true);
    const size = id && vint(data, at + id.length, false);
    if (id === undefined || size === undefined) break;
    const body = at + id.length + size.length;
    if (containers.has(id.value)) {
      at = body;
      continue;
    }
    const end = Math.min(data.length, body + size.value);
    if (id.value === scaleId && end - body <= 6 && end > body) scaleNs = data.readUIntBE(body, end - body);
    if (id.value === timeId && end - body <= 6 && end > body) cluster = data.readUIntBE(body, end - body);
    if (id.value === blockId || id.value === simpleId) {
      const track = vint(data, body, false);
      if (track !== undefined && body + track.length + 2 <= end)
        latest = Math.max(latest ?? 0, cluster + data.readInt16BE(body + track.length));
    }
    at = end;
  }
  return latest === undefined ? undefined : (latest * scaleNs) / 1e9 + lastMs / 1000;
}

/** A number of one to eight bytes; its first bit that is set says how many. An id keeps that bit. */
function vint(
  data: Buffer,
  at: number,
  isId: boolean,
): { readonly value: number; readonly length: number } | undefined {
  const first = data[at] ?? 0;
  const length = Math.clz32(first) - 23;
  if (first === 0 || at + length > data.length) return undefined;
  let value = isId ? first : first & (0xff >> length);
  for (let place = 1; place < length; place += 1) value = value * 256 + (data[at + place] ?? 0);
  return { value, length };
}
