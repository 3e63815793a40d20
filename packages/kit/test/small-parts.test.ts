import { expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backoffMs } from '../src/backoff.ts';
import { readFileIfThere, writeFileAtomically, writeNewFile } from '../src/files.ts';
import { createTokenBucket } from '../src/token-bucket.ts';
import { newTypedId } from '../src/typed-id.ts';

test('a pause doubles up to its most, spread by a quarter', () => {
  const limits = { baseMs: 1000, maxMs: 60_000 };
  expect([0, 1, 2, 9].map((attempt) => backoffMs(attempt, limits, () => 0.5))).toEqual([
    1000, 2000, 4000, 60_000,
  ]);
  expect([backoffMs(0, limits, () => 0), backoffMs(0, limits, () => 0.9999)].map(Math.round)).toEqual([
    750, 1250,
  ]);
  expect(backoffMs(5000, limits, () => 0.5)).toBe(60_000);
});

test('a bucket lets a burst through and then one at a time', () => {
  let now = 0;
  const bucket = createTokenBucket(2, 3, () => now);
  for (let spent = 0; spent < 3; spent++) {
    expect(bucket.waitMs()).toBe(0);
    bucket.spend();
  }
  expect(bucket.waitMs()).toBe(500);
  now += 250;
  expect(bucket.waitMs()).toBe(250);
  now += 60_000;
  bucket.spend();
  bucket.spend();
  expect(bucket.waitMs()).toBe(0);
});

test('a name that is typed holds nothing that looks like something else', () => {
  const ids = Array.from({ length: 500 }, () => newTypedId(10));
  for (const id of ids) expect(id).toMatch(/^[2-9a-hjkmnp-z]{10}$/);
  expect(new Set(ids).size).toBe(500);
});

test('a file is there whole or not at all, keeps who may read it, and is written through a link', () => {
  const folder = mkdtempSync(join(tmpdir(), 'atomic-'));
  try {
    const file = join(folder, 'file');
    writeFileAtomically(file, 'one');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    chmodSync(file, 0o640);
    const link = join(folder, 'link');
    symlinkSync(file, link);
    writeFileAtomically(link, 'two');
    expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual(['two', 0o640]);
    writeFileAtomically(link, 'two', 0o600);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect([writeNewFile(file, 'three'), writeNewFile(join(folder, 'new'), 'new')]).toEqual([false, true]);
    expect([file, join(folder, 'new'), join(folder, 'none')].map(readFileIfThere)).toEqual([
      'two',
      'new',
      undefined,
    ]);
    expect(() => writeFileAtomically(join(folder, 'missing', 'file'), 'x')).toThrow();
    expect(readdirSync(folder).sort()).toEqual(['file', 'link', 'new']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
