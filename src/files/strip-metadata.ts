/** What a picture says in words, such as the drawing that some programs put into it: its receiver may want it. */
type Options = { readonly keepsTexts?: boolean };

/**
 * A picture as an owner sent it, without where and with what it was taken: its model's provider sees it. One that can't be
 * read is left as it is.
 */
export const withoutPlace = (bytes: Uint8Array, mime: string): Uint8Array =>
  stripMetadata(bytes, mime, { keepsTexts: true }) ?? bytes;

/**
 * Takes out of a picture what it says of where, when and with what it was made (EXIF, XMP, IPTC, comments), without decoding
 * it. Colours (ICC) stay, and of EXIF the way up alone. What follows the picture in its file goes too: it may hold another.
 *
 * @returns undefined for a picture that is broken: what can't be read can't be cleaned. Other types as they are.
 */
export function stripMetadata(
  bytes: Uint8Array,
  mime: string,
  { keepsTexts = false }: Options = {},
): Uint8Array | undefined {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    if (mime === 'image/jpeg') return stripJpeg(file);
    if (mime === 'image/png') return stripPng(file, keepsTexts);
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

/** What is kept of a file, in one piece of memory however many parts the file has. */
function keeper(file: Buffer) {
  // What is put in beside it: one EXIF block with the way up.
  const made = Buffer.alloc(file.length + 128);
  let size = 0;
  return {
    /** @throws RangeError where it is not all there */
    keep: (from: number, to: number): void => {
      if (to > file.length || to < from) broken();
      size += file.copy(made, size, from, to);
    },
    add: (bytes: Buffer): void => {
      size += bytes.copy(made, size);
    },
    made: (): Buffer => made.subarray(0, size),
    size: (): number => size,
  };
}

function stripJpeg(file: Buffer): Buffer {
  const kept = keeper(file);
  kept.keep(0, 2);
  let turned: number | undefined;
  /** Behind JFIF's own segment, which is the first. */
  let headEnd = 2;
  for (let at = 2; ; ) {
    if (file.readUInt8(at) !== 0xff) broken();
    const marker = file.readUInt8(at + 1);
    // Fill bytes.
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker === 0xd9) {
      kept.keep(at, at + 2);
      break;
    }
    const end = at + 2 + Math.max(2, file.readUInt16BE(at + 2));
    const holds = (name: string) =>
      file.toString('latin1', at + 4, Math.min(end, at + 4 + name.length)) === name;
    if (marker === 0xe1 && holds('Exif\0\0')) turned ??= orientationOf(file.subarray(at + 10, end));
    if (marker === 0xe0 && holds('JFIF\0') && headEnd === 2) {
      if (end > file.length || end < at + 18) broken();
      kept.add(withoutThumbnail(file.subarray(at, at + 18)));
      headEnd = kept.size();
    } else if (marker === 0xee && holds('Adobe') && end >= at + 16) {
      // How its colours are to be read, in twelve bytes.
      kept.add(Buffer.from([0xff, 0xee, 0, 14]));
      kept.keep(at + 4, at + 16);
    } else if (marker < 0xe0 || marker === 0xda || (marker === 0xe2 && holds('ICC_PROFILE\0')))
      kept.keep(at, end);
    at = end;
    if (marker !== 0xda) continue;
    while (file.readUInt8(at) !== 0xff || isOfScan(file.readUInt8(at + 1))) at += 1;
    kept.keep(end, at);
  }
  const made = kept.made();
  if (turned === undefined || turned === 1) return made;
  const exif = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiffOf(turned)]);
  const head = Buffer.from([0xff, 0xe1, 0, exif.length + 2]);
  return Buffer.concat([made.subarray(0, headEnd), head, exif, made.subarray(headEnd)]);
}

/** A byte of the picture itself, or a restart: the scan goes on. */
const isOfScan = (next: number): boolean => next === 0 || (next >= 0xd0 && next <= 0xd7);

/** @param head of JFIF's own segment, which may hold a small picture behind that */
function withoutThumbnail(head: Buffer): Buffer {
  const bare = Buffer.from(head);
  bare.writeUInt16BE(16, 2);
  bare.writeUInt16BE(0, 16);
  return bare;
}

/** Chunks of the picture itself, of its colours, and of its moves. What else there is, programs have put there. */
const pngParts = new Set([
  ...['IHDR', 'PLTE', 'IDAT', 'IEND', 'tRNS', 'acTL', 'fcTL', 'fdAT', 'bKGD', 'pHYs', 'sBIT', 'sPLT', 'hIST'],
  ...['cHRM', 'gAMA', 'iCCP', 'sRGB', 'cICP', 'mDCV', 'cLLI'],
]);

/** Words, and those in which EXIF, XMP and IPTC are kept by some programs. */
const pngText = new Set(['tEXt', 'zTXt', 'iTXt']);
const pngPlace = /^(?:XML:com\.adobe\.xmp|Raw profile type )/;

function stripPng(file: Buffer, keepsTexts: boolean): Buffer {
  const kept = keeper(file);
  kept.keep(0, 8);
  let turned: number | undefined;
  for (let at = 8; ; ) {
    const end = at + 12 + file.readUInt32BE(at);
    if (end > file.length) broken();
    const name = file.toString('latin1', at + 4, at + 8);
    if (name === 'eXIf' && turned === undefined) {
      turned = orientationOf(file.subarray(at + 8, end - 4)) ?? 1;
      if (turned > 1) kept.add(pngChunk('eXIf', tiffOf(turned)));
    } else if (
      pngParts.has(name) ||
      (keepsTexts && pngText.has(name) && !pngPlace.test(file.toString('latin1', at + 8, at + 48)))
    )
      kept.keep(at, end);
    at = end;
    if (name === 'IEND') return kept.made();
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

/** The same of WebP. */
const webpParts = new Set(['VP8 ', 'VP8L', 'VP8X', 'ALPH', 'ANIM', 'ANMF', 'ICCP']);

function stripWebp(file: Buffer): Buffer {
  const whole = file.subarray(0, 8 + file.readUInt32LE(4));
  if (whole.length < 8 + file.readUInt32LE(4)) broken();
  const kept = keeper(whole);
  kept.keep(0, 12);
  let turned = 1;
  let head: number | undefined;
  for (let at = 12; at < whole.length; ) {
    const size = whole.readUInt32LE(at + 4);
    if (at + 8 + size > whole.length) broken();
    const end = Math.min(whole.length, at + 8 + size + (size % 2));
    const name = whole.toString('latin1', at, at + 4);
    if (name === 'EXIF') turned = orientationOf(withoutName(whole.subarray(at + 8, at + 8 + size))) ?? 1;
    if (name === 'VP8X' && head === undefined) {
      if (size < 10) broken();
      head = kept.size();
    }
    if (webpParts.has(name)) kept.keep(at, end);
    at = end;
  }
  if (head !== undefined && turned > 1) {
    const tiff = tiffOf(turned);
    const exif = Buffer.alloc(8);
    exif.write('EXIF', 0, 'latin1');
    exif.writeUInt32LE(tiff.length, 4);
    kept.add(Buffer.concat([exif, tiff]));
  }
  const made = kept.made();
  // Its flags say what there is: EXIF (8) and XMP (4).
  if (head !== undefined) {
    made.writeUInt8((made.readUInt8(head + 8) & ~(0x08 | 0x04)) | (turned > 1 ? 0x08 : 0), head + 8);
  }
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
  const kept = keeper(file);
  kept.keep(0, at);
  for (;;) {
    const kind = file.readUInt8(at);
    if (kind === 0x3b) {
      kept.keep(at, at + 1);
      return kept.made();
    }
    let end: number;
    let isKept = true;
    if (kind === 0x2c) end = afterBlocks(at + 11 + coloursAt(at + 9));
    else if (kind === 0x21) {
      end = afterBlocks(at + 2);
      const label = file.readUInt8(at + 1);
      // Of applications' own, how often it is shown is the one that is seen.
      const isLoop = file.toString('latin1', at + 3, at + 14) === 'NETSCAPE2.0';
      isKept = label === 0xf9 || label === 0x01 || (label === 0xff && isLoop);
    } else return broken();
    if (isKept) kept.keep(at, end);
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
