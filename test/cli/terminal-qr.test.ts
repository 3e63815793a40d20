import { expect, test } from 'bun:test';
import { terminalQr } from '../../src/cli/terminal-qr.ts';
import { scan } from '../support/scan-qr.ts';

const invoice = `lnbc20u1${'p'.repeat(30)}${'qpzry9x8gf2tvdw0s3jn54khce6mua7l'.repeat(8)}`.toUpperCase();
const request = `CREQB1${'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L'.repeat(8)}`;

test.each([
  ['an npub', 'nostr:npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg'],
  ['an invoice', invoice],
  ['a payment request', request],
  ['a short word', 'x'],
])('%s is read by a scanner, in its own colours, on a terminal of 80 columns', async (_, text) => {
  const drawn = await terminalQr(text, { color: true, columns: 80 });
  expect(scan(drawn ?? '')).toBe(text);
});

test('it is never wider than the terminal: first its margin is less, then it is left out', async () => {
  const [wide = ''] = (await terminalQr(invoice, { color: false, columns: undefined }))?.split('\n') ?? [];
  const narrower = await terminalQr(invoice, { color: true, columns: wide.length - 1 });
  expect(scan(narrower ?? '')).toBe(invoice);
  expect(await terminalQr(invoice, { color: true, columns: wide.length - 4 })).toBeDefined();
  expect(await terminalQr(invoice, { color: true, columns: wide.length - 5 })).toBeUndefined();
  expect(await terminalQr(invoice, { color: true, columns: 20 })).toBeUndefined();
});

test('what no code holds is left out', async () => {
  expect(await terminalQr('x'.repeat(5_000), { color: true, columns: 10_000 })).toBeUndefined();
});

test('without colours it is ink on paper', async () => {
  const drawn = await terminalQr(request, { color: false, columns: undefined });
  expect(scan(drawn ?? '', { color: false })).toBe(request);
});
