import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { isTokenLike, tokensIn, withoutTokens } from '../src/token-text.ts';

/** V3: JSON in base64 of either alphabet, with or without padding. */
const v3 = fc
  .tuple(fc.string({ minLength: 12, maxLength: 200, unit: 'binary' }), fc.constantFrom('base64', 'base64url'))
  .map(
    ([memo, alphabet]) =>
      `cashuA${Buffer.from(JSON.stringify({ token: [], memo })).toString(alphabet as 'base64')}`,
  );
/** V4: CBOR, a map of three or four entries. */
const v4 = fc
  .tuple(fc.constantFrom(0xa3, 0xa4), fc.uint8Array({ minLength: 20, maxLength: 300 }))
  .map(([map, rest]) => `cashuB${Buffer.from([map, ...rest]).toString('base64url')}`);
const token = fc.oneof(v3, v4);
const scheme = fc.constantFrom('', 'cashu:', 'cashu://', 'web+cashu:', 'web+cashu://', 'CASHU:');
/** What stands in front of a token and behind it, where people put one. */
const around = fc.constantFrom(
  ['', ''],
  ['Here you are: ', '. Thanks!'],
  ['`', '`'],
  ['"', '"'],
  ['(', ')'],
  ['https://wallet.example/#token=', ' '],
  ['https://wallet.example/?token=', '&from=me'],
  ['\n\n', '\nand the rest'],
);

describe('the tokens in a text', () => {
  test('are found whole, wherever they stand and in either alphabet', () => {
    fc.assert(
      fc.property(token, scheme, around, token, (one, prefix, [before, after], other) => {
        const text = `${before}${prefix}${one}${after}`;
        expect(tokensIn(text)).toEqual([one]);
        expect(tokensIn(`${text} ${other}`)).toEqual([one, other]);
      }),
    );
  });

  test('are taken out whole, with their scheme, and nothing else is', () => {
    fc.assert(
      fc.property(token, scheme, around, (one, prefix, [before, after]) => {
        expect(withoutTokens(`${before}${prefix}${one}${after}`, '[token]')).toBe(`${before}[token]${after}`);
      }),
    );
  });

  test('are read as a wallet reads them: escaped in a URL, with the capital that a phone made, or lowered', () => {
    const plus = `cashuA${Buffer.from('{"token":[],"memo":"???>>>???>>>~~~"}').toString('base64')}`;
    expect(plus).toMatch(/[+/]/);
    expect(tokensIn(`https://wallet.example/?token=${encodeURIComponent(plus)}`)).toEqual([plus]);
    expect(withoutTokens(`a=${encodeURIComponent(plus)}&b=c`, '-')).toBe('a=-&b=c');
    const b = `cashuBo2F0gaJhaUgArSaMTR9YJmFwgaNhYQFhc3hA`;
    for (const written of [b, `C${b.slice(1)}`, `cashub${b.slice(6)}`])
      expect(tokensIn(written)).toEqual([b]);
  });

  test('are none of the names that begin like one', () => {
    for (const text of [
      'https://github.com/cashubtc/nuts/blob/main/00.md',
      'https://github.com/cashubtc/cashu-ts/releases/tag/v4.8.0-and-more',
      'cashubtc-organisation-members-and-friends',
      'cashuA and cashuB are how tokens begin',
      'my cashubag, my cashuapp',
    ]) {
      expect(tokensIn(text)).toEqual([]);
      expect(withoutTokens(text, '[token]')).toBe(text);
    }
  });

  test('that were cut off are taken out where it is asked for', () => {
    expect(withoutTokens('bad token cashuBo2F0ga', '[token]')).toBe('bad token cashuBo2F0ga');
    expect(withoutTokens('bad token cashuBo2F0ga.', '[token]', 1)).toBe('bad token [token].');
  });

  test('cost time in proportion to the text', () => {
    for (const unit of ['cashua', 'cashu:', 'web+cashu://', 'cashuB%2', 'cashubtc/']) {
      const text = unit.repeat(1_000_000 / unit.length);
      const start = performance.now();
      withoutTokens(text, '', 1);
      tokensIn(text);
      expect(performance.now() - start).toBeLessThan(2_000);
    }
  });
});

test('a token alone is known by its form', () => {
  fc.assert(
    fc.property(token, (one) => {
      expect(isTokenLike(one)).toBe(true);
      expect(isTokenLike(`${one} `)).toBe(false);
    }),
  );
});
