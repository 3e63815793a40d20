import { type FileType, sniffType } from '../files/sniff-type.ts';
import { adtsSeconds, mpegSeconds, webmSeconds } from './frames.ts';

/** A recording. `seconds`: as its own header says; undefined: it does not. */
export type Recording = { readonly type: FileType; readonly seconds: number | undefined };

/**
 * Whether bytes are sound and nothing else, and how long. What its sender calls it is not asked: phones label by a table of
 * their own. Films, also with sound, are files.
 */
export function recordingIn(bytes: Uint8Array): Recording | undefined {
  const type = sniffType(bytes);
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (type.mime) {
    case 'audio/mp4':
    case 'video/mp4': {
      const tracks = tracksOf(data);
      if (tracks.video || (!tracks.sound && type.mime === 'video/mp4')) return undefined;
      return { type: audioType('audio/mp4', 'm4a'), seconds: plausible(mp4Seconds(data)) };
    }
    case 'video/webm': {
      const head = data.subarray(0, 64 * 1024).toString('latin1');
      if (!/A_(?:OPUS|VORBIS|AAC|PCM)/.test(head) || /V_[A-Z]/.test(head)) return undefined;
      return { type: audioType('audio/webm', 'webm'), seconds: plausible(webmSeconds(data)) };
    }
    case 'audio/wav':
      return { type, seconds: plausible(wavSeconds(data)) };
    case 'audio/ogg':
      return { type, seconds: plausible(oggSeconds(data)) };
    case 'audio/flac':
      return { type, seconds: plausible(flacSeconds(data)) };
    case 'audio/mpeg':
      return { type, seconds: plausible(mpegSeconds(data)) };
    case 'audio/aac':
      return { type, seconds: plausible(adtsSeconds(data)) };
    default:
      return type.kind === 'audio' ? { type, seconds: undefined } : undefined;
  }
}

const audioType = (mime: string, extension: string): FileType => ({ mime, extension, kind: 'audio' });

const plausible = (seconds: number | undefined): number | undefined =>
  seconds !== undefined && Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;

/** ISO base media: `hdlr` boxes say what each track is. */
function tracksOf(data: Buffer): { readonly sound: boolean; readonly video: boolean } {
  let [sound, video] = [false, false];
  for (let at = data.indexOf('hdlr'); at !== -1; at = data.indexOf('hdlr', at + 4)) {
    const handler = data.toString('latin1', at + 12, at + 16);
    sound ||= handler === 'soun';
    video ||= handler === 'vide';
  }
  return { sound, video };
}

/** `mvhd`: time scale and duration, in 32 or 64 bits by its version. */
function mp4Seconds(data: Buffer): number | undefined {
  const at = data.indexOf('mvhd');
  if (at === -1 || at + 36 > data.length) return undefined;
  const isWide = data[at + 4] === 1;
  const scale = data.readUInt32BE(at + (isWide ? 24 : 16));
  const duration = isWide ? Number(data.readBigUInt64BE(at + 28)) : data.readUInt32BE(at + 20);
  // All ones: not known.
  return duration === 0xffffffff ? undefined : duration / scale;
}

function wavSeconds(data: Buffer): number | undefined {
  if (data.length < 44) return undefined;
  // A recorder that did not come back to write the size left 0 or all ones there: the file's own size counts.
  return (data.length - 44) / data.readUInt32LE(28);
}

/** The position of the last page, in samples: of Opus always 48,000 a second. */
function oggSeconds(data: Buffer): number | undefined {
  const last = data.lastIndexOf('OggS');
  if (last === -1 || last + 14 > data.length) return undefined;
  const vorbis = data.indexOf('\u0001vorbis', 0, 'latin1');
  const rate =
    vorbis !== -1 && vorbis < 200 && vorbis + 16 <= data.length ? data.readUInt32LE(vorbis + 12) : 48_000;
  return Number(data.readBigInt64LE(last + 6)) / rate;
}

/** STREAMINFO: 20 bits of sample rate, later 36 bits of samples. */
function flacSeconds(data: Buffer): number | undefined {
  if (data.length < 26) return undefined;
  const rate = data.readUIntBE(18, 3) >> 4;
  const samples = ((data[21] ?? 0) & 0x0f) * 2 ** 32 + data.readUInt32BE(22);
  return samples / rate;
}

/** A second of a quiet tone: for asking a service whether it works. */
export function testTone(): Uint8Array {
  const rate = 16_000;
  const wav = Buffer.alloc(44 + rate * 2);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(rate, 24);
  wav.writeUInt32LE(rate * 2, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(rate * 2, 40);
  for (let at = 0; at < rate; at++)
    wav.writeInt16LE(Math.round(1000 * Math.sin((at * 2 * Math.PI * 440) / rate)), 44 + at * 2);
  return wav;
}
