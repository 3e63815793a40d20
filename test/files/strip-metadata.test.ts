import { expect, test } from 'bun:test';
import { sniffType } from '../../src/files/sniff-type.ts';
import { stripMetadata } from '../../src/files/strip-metadata.ts';

const secret = 'GPS 52.5N 13.4E, Anna’s phone';
const bytes = (...parts: readonly (string | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
const hex = (text: string) => Buffer.from(text, 'hex');
const u32 = (value: number) => hex(value.toString(16).padStart(8, '0'));
const segment = (marker: string, data: string) =>
  bytes(hex(`ff${marker}`), hex((data.length + 2).toString(16).padStart(4, '0')), data);
const chunk = (name: string, data: string) => bytes(u32(data.length), name, data, hex('00000000'));
const riff = (name: string, data: string) => {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(data.length);
  return bytes(name, size, data, data.length % 2 ? '\0' : '');
};
const webpOf = (...chunks: readonly Buffer[]) => riff('RIFF', bytes('WEBP', ...chunks).toString('latin1'));
/** Where programs leave what nobody sees → what is seen stays. */
const hidden: readonly (readonly [string, Buffer, readonly string[]])[] = [
  [
    'JPEG: what cameras and programs leave in their own segments',
    bytes(
      ...[hex('ffd8'), segment('e0', `CIFF ${secret}`), segment('ee', `Mine ${secret}`)],
      ...[segment('e2', `MPF ${secret}`), segment('eb', `JUMBF ${secret}`), segment('f7', secret)],
      ...[segment('ee', `Adobe\0\x64\0\0\0\0\x01${secret}`), segment('db', 'table')],
      ...[hex('ffda0003011122ffd9'), secret],
    ),
    ['table', 'Adobe'],
  ],
  [
    'PNG: chunks that are of no picture',
    bytes(
      ...[hex('89504e470d0a1a0a'), chunk('IHDR', 'head'), chunk('caBX', secret), chunk('iDOT', secret)],
      ...[chunk('prVW', secret), chunk('gAMA', 'gggg'), chunk('fdAT', 'frame'), chunk('IDAT', 'data')],
      ...[chunk('IEND', ''), secret],
    ),
    ['head', 'gggg', 'frame', 'data'],
  ],
  [
    'WebP: chunks that are of no picture',
    webpOf(riff('VP8X', '\0'.repeat(10)), riff('C2PA', secret), riff('VP8L', 'data'), riff('note', secret)),
    ['data'],
  ],
];
for (const [name, file, kept] of hidden) {
  test(`${name}: taken out, and nothing else`, () => {
    const { mime } = sniffType(file);
    const clean = Buffer.from(stripMetadata(file, mime) ?? []);
    expect(clean.includes('GPS')).toBe(false);
    for (const each of kept) expect(clean.includes(each)).toBe(true);
    expect(Buffer.from(stripMetadata(clean, mime) ?? [])).toEqual(clean);
  });
}

test('millions of the smallest parts cost no more memory than the file', () => {
  const size = 6 * 1024 * 1024;
  const many = (part: Buffer) => Buffer.alloc(size - (size % part.length), part);
  const files: readonly (readonly [string, Buffer])[] = [
    ['image/jpeg', bytes(hex('ffd8'), many(hex('ffdb0002fffe0002')), hex('ffd9'))],
    ['image/png', bytes(hex('89504e470d0a1a0a'), many(chunk('IDAT', '')), chunk('IEND', ''))],
    ['image/webp', webpOf(many(riff('ALPH', '')))],
    ['image/gif', bytes('GIF89a', Buffer.alloc(7), many(hex('21f90021fe00')), ';')],
  ];
  for (const [mime, file] of files) {
    Bun.gc(true);
    const before = process.memoryUsage().heapUsed;
    const clean = stripMetadata(file, mime);
    expect([mime, clean !== undefined]).toEqual([mime, true]);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(8 * size);
  }
});
