/** What a file is, by its own first bytes: what its sender calls it is not asked. */
export type FileType = {
  readonly mime: string;
  /** Of the name that it gets here. */
  readonly extension: string;
  readonly kind: 'picture' | 'audio' | 'text' | 'other';
};

const type = (mime: string, extension: string, kind: FileType['kind'] = 'other'): FileType => ({
  mime,
  extension,
  kind,
});

/** First bytes in hex. Pictures that models take are the first four. */
const magic: readonly (readonly [RegExp, FileType])[] = [
  [/^ffd8ff/, type('image/jpeg', 'jpg', 'picture')],
  [/^89504e470d0a1a0a/, type('image/png', 'png', 'picture')],
  // GIF87a, GIF89a
  [/^474946383[79]61/, type('image/gif', 'gif', 'picture')],
  // RIFF….WEBP
  [/^52494646.{8}57454250/, type('image/webp', 'webp', 'picture')],
  // ….ftyp, and heic, heix, mif1, msf1, avif
  [/^.{8}66747970(?:68656963|68656978|6d696631|6d736631|61766966)/, type('image/heic', 'heic')],
  // RIFF….WAVE
  [/^52494646.{8}57415645/, type('audio/wav', 'wav', 'audio')],
  // OggS
  [/^4f676753/, type('audio/ogg', 'ogg', 'audio')],
  // ID3, or a frame
  [/^(?:494433|ff(?:f2|f3|fb))/, type('audio/mpeg', 'mp3', 'audio')],
  // ADTS: AAC without a container
  [/^fff[19]/, type('audio/aac', 'aac', 'audio')],
  // fLaC
  [/^664c6143/, type('audio/flac', 'flac', 'audio')],
  // ….ftypM4A, ….ftyp
  [/^.{8}667479704d3441/, type('audio/mp4', 'm4a', 'audio')],
  [/^.{8}66747970/, type('video/mp4', 'mp4')],
  [/^1a45dfa3/, type('video/webm', 'webm')],
  // %PDF-
  [/^255044462d/, type('application/pdf', 'pdf')],
  // PK
  [/^504b(?:0304|0506)/, type('application/zip', 'zip')],
  [/^1f8b/, type('application/gzip', 'gz')],
  [/^377abcaf271c/, type('application/x-7z-compressed', '7z')],
  // ELF
  [/^7f454c46/, type('application/x-executable', 'bin')],
];

/** One that models take. */
export const isPicture = (mime: string): boolean =>
  magic.slice(0, 4).some(([, known]) => known.mime === mime);

export function sniffType(bytes: Uint8Array): FileType {
  const head = Buffer.from(bytes.subarray(0, 16)).toString('hex');
  const known = magic.find(([start]) => start.test(head))?.[1];
  if (known !== undefined) return known;
  return isText(bytes) ? type('text/plain', 'txt', 'text') : type('application/octet-stream', 'bin');
}

const textTypes: Readonly<Record<string, string>> = {
  ...{ md: 'text/markdown', html: 'text/html', csv: 'text/csv', diff: 'text/x-diff' },
  ...{ json: 'application/json', svg: 'image/svg+xml' },
};

/** Of a text: what the ending of its name says. */
export function textType(name: string): FileType {
  const extension = /\.([a-z0-9]{1,8})$/i.exec(name)?.[1]?.toLowerCase() ?? 'txt';
  return type(textTypes[extension] ?? 'text/plain', extension, 'text');
}

function isText(bytes: Uint8Array): boolean {
  const part = bytes.subarray(0, 64 * 1024);
  if (part.length === 0 || part.includes(0)) return false;
  try {
    // A character may be cut at the end of the part.
    new TextDecoder('utf-8', { fatal: true }).decode(part, { stream: true });
    return true;
  } catch {
    return false;
  }
}
