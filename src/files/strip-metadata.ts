/**
 * Takes out of a picture what it says of where, when and with what it was made (EXIF, XMP, IPTC, comments), without decoding
 * it. Colours (ICC) stay, and of EXIF the way up alone. What follows the picture in its file goes too: it may hold another.
 *
 * @returns undefined for a picture that is broken: what can't be read can't be cleaned. Other types as they are.
 */
export function stripMetadata(bytes: Uint8Array, mime: string): Uint8Array | undefined {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    if (mime === 'image/jpeg') return stripJpeg(file);
    if (mime === 'image/png') return stripPng(file);
    if (mime === 'image/webp') return stripWebp(file);
    if (mime === 'image/gif') return stripGif(file);
    return bytes;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const broken = (): never => {
  throw new RangeError('a broken picture');
};

/** @throws RangeError where it is not all there */
const slice = (file: Buffer, from: number, to: number): Buffer =>
  to > file.length || to < from ? broken() : file.subarray(from, to);

function stripJpeg(file: Buffer): Buffer {
  const kept: Buffer[] = [slice(file, 0, 2)];
  let turned: number | undefined;
  for (let at = 2; ; ) {
    if (file.readUInt8(at) !== 0xff) broken();
    const marker = file.readUInt8(at + 1);
    // Fill bytes.
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker === 0xd9) {
      kept.push(slice(file, at, at + 2));
      break;
    }
    const end = at + 2 + Math.max(2, file.readUInt16BE(at + 2));
    const segment = slice(file, at, end);
    const holds = (name: string) => segment.subarray(4, 4 + name.length).toString('latin1') === name;
    if (marker === 0xe1 && holds('Exif\0\0')) turned ??= orientationOf(segment.subarray(10));
    const isOurs =
      marker < 0xe0 ||
      (marker > 0xef && marker !== 0xfe) ||
      marker === 0xe0 ||
      marker === 0xee ||
      (marker === 0xe2 && holds('ICC_PROFILE'));
    // JFIF's own segment may hold a small picture; its other form (JFXX) is nothing else.
    if (isOurs && !holds('JFXX')) kept.push(marker === 0xe0 ? withoutThumbnail(segment) : segment);
    at = end;
    if (marker !== 0xda) continue;
    const scan = at;
    while (file.readUInt8(at) !== 0xff || isOfScan(file.readUInt8(at + 1))) at += 1;
    kept.push(file.subarray(scan, at));
  }
  if (turned !== undefined && turned > 1) {
    const exif = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiffOf(turned)]);
    const head = Buffer.from([0xff, 0xe1, 0, exif.length + 2]);
    const first = kept[1]?.readUInt8(1) === 0xe0 ? 2 : 1;
    kept.splice(first, 0, head, exif);
  }
  return Buffer.concat(kept);
}

/** A byte of the picture itself, or a restart: the scan goes on. */
const isOfScan = (next: number): boolean => next === 0 || (next >= 0xd0 && next <= 0xd7);

function withoutThumbnail(segment: Buffer): Buffer {
  if (segment.length < 18 || segment.subarray(4, 8).toString('latin1') !== 'JFIF') return segment;
  const bare = Buffer.from(segment.subarray(0, 18));
  bare.writeUInt16BE(16, 2);
  bare.writeUInt16BE(0, 16);
  return bare;
}

/** Chunks without which a picture looks the same. */
const pngText = new Set(['tEXt', 'zTXt', 'iTXt', 'tIME', 'eXIf']);

function stripPng(file: Buffer): Buffer {
  const kept: Buffer[] = [slice(file, 0, 8)];
  for (let at = 8; ; ) {
    const end = at + 12 + file.readUInt32BE(at);
    const chunk = slice(file, at, end);
    const name = chunk.subarray(4, 8).toString('latin1');
    if (name === 'eXIf') {
      const turned = orientationOf(chunk.subarray(8, -4)) ?? 1;
      if (turned > 1) kept.push(pngChunk('eXIf', tiffOf(turned)));
    } else if (!pngText.has(name)) kept.push(chunk);
    at = end;
    if (name === 'IEND') return Buffer.concat(kept);
  }
}

function pngChunk(name: string, data: Buffer): Buffer {
  const chunk = Buffer.alloc(12 + data.length);
  chunk.writeUInt32BE(data.length, 0);
  chunk.write(name, 4, 'latin1');
  data.copy(chunk, 8);
  chunk.writeUInt32BE(Bun.hash.crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length);
  return chunk;
}

function stripWebp(file: Buffer): Buffer {
  const whole = slice(file, 0, 8 + file.readUInt32LE(4));
  const chunks: Buffer[] = [];
  let turned = 1;
  for (let at = 12; at < whole.length; ) {
    const size = whole.readUInt32LE(at + 4);
    const chunk = Buffer.from(slice(whole, at, Math.min(whole.length, at + 8 + size + (size % 2))));
    if (chunk.length < 8 + size) broken();
    const name = chunk.subarray(0, 4).toString('latin1');
    if (name === 'EXIF') turned = orientationOf(withoutName(chunk.subarray(8, 8 + size))) ?? 1;
    else if (name !== 'XMP ') chunks.push(chunk);
    at += chunk.length;
  }
  const head = chunks.find((chunk) => chunk.subarray(0, 4).toString('latin1') === 'VP8X');
  // Its flags say what there is: EXIF (8) and XMP (4).
  if (head !== undefined) head.writeUInt8((head.readUInt8(8) & ~(0x08 | 0x04)) | (turned > 1 ? 0x08 : 0), 8);
  if (head !== undefined && turned > 1) {
    const tiff = tiffOf(turned);
    const exif = Buffer.alloc(8 + tiff.length);
    exif.write('EXIF', 0, 'latin1');
    exif.writeUInt32LE(tiff.length, 4);
    tiff.copy(exif, 8);
    chunks.push(exif);
  }
  const made = Buffer.concat([slice(whole, 0, 12), ...chunks]);
  made.writeUInt32LE(made.length - 8, 4);
  return made;
}

const withoutName = (exif: Buffer): Buffer =>
  exif.subarray(0, 6).toString('latin1') === 'Exif\0\0' ? exif.subarray(6) : exif;

function stripGif(file: Buffer): Buffer {
  const coloursAt = (at: number): number =>
    file.readUInt8(at) & 0x80 ? 3 * 2 ** ((file.readUInt8(at) & 7) + 1) : 0;
  const afterBlocks = (from: number): number => {
    let at = from;
    while (file.readUInt8(at) !== 0) at += 1 + file.readUInt8(at);
    return at + 1;
  };
  let at = 13 + coloursAt(10);
  const kept: Buffer[] = [slice(file, 0, at)];
  for (;;) {
    const kind = file.readUInt8(at);
    if (kind === 0x3b) return Buffer.concat([...kept, slice(file, at, at + 1)]);
    let end: number;
    let isKept = true;
    if (kind === 0x2c) end = afterBlocks(at + 11 + coloursAt(at + 9));
    else if (kind === 0x21) {
      end = afterBlocks(at + 2);
      const label = file.readUInt8(at + 1);
      // Of applications' own, how often it is shown is the one that is seen.
      const isLoop = file.subarray(at + 3, at + 14).toString('latin1') === 'NETSCAPE2.0';
      isKept = label === 0xf9 || label === 0x01 || (label === 0xff && isLoop);
    } else return broken();
    if (isKept) kept.push(slice(file, at, end));
    at = end;
  }
}

/** Which way up (1 to 8), of a TIFF block as EXIF has it; undefined: it does not say. */
function orientationOf(tiff: Buffer): number | undefined {
  try {
    const isLittle = tiff.readUInt16BE(0) === 0x4949;
    const two = (at: number) => (isLittle ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
    const start = isLittle ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4);
    for (let entry = 0; entry < two(start); entry++) {
      const at = start + 2 + 12 * entry;
      if (two(at) !== 0x0112) continue;
      const turned = two(at + 8);
      return turned >= 1 && turned <= 8 ? turned : undefined;
    }
  } catch (error) {
    // It points out of itself.
    if (!(error instanceof RangeError)) throw error;
  }
  return undefined;
}

/** A TIFF block that says which way up, and nothing else. */
function tiffOf(turned: number): Buffer {
  const tiff = Buffer.alloc(26);
  tiff.write('MM', 0, 'latin1');
  tiff.writeUInt16BE(42, 2);
  tiff.writeUInt32BE(8, 4);
  tiff.writeUInt16BE(1, 8);
  tiff.writeUInt16BE(0x0112, 10);
  tiff.writeUInt16BE(3, 12);
  tiff.writeUInt32BE(1, 14);
  tiff.writeUInt16BE(turned, 18);
  return tiff;
}
