import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { chunk } from '../src/text/chunks.ts';
import { MAX_TOKEN_LENGTH, TokenTooLongError } from '../src/text/unbreakable.ts';

const withoutNumber = (message: string) => message.replace(/^\(\d+\/\d+\)\n/, '');
const withoutSpace = (text: string) => text.replace(/\s+/gu, '');
const token = (length: number) =>
  `cashuB${'o2F0gaJhaUgA_9SLj17PgGFw'.repeat(length / 24 + 1)}`.slice(0, length);
const invoice = `lnbc20u1p3y0x3hpp5743k2g0fsqqxj7n8qzuhns5gmkk4djeejk3wkp64ppevgekvc0jsdqcve5kzar2v9nr5gpqd4hkuetesp5ez2g297jduwc20t6lmqlsg3man0vf2jfd8ar9fh8fhn2g8yttfkqxqy9gcqcqzys9qrsgqrzjqtx3k77yrrav9hye7zar2rtqlfkytl094dsp0ms5majzth6gt7ca6uhdkxl983uywgqqqqlgqqqvx5qqjqrzjqd98kxkpyw0l9tyy8r8q57k7zpy9zjmh6sez752wj6gcumqnj3yxzhdsmg6qq56utgqqqqqqqqqqqeqqjq7jd56882gtxhrjm03c93aacyfy306m4fq0tskf83c0nmet8zc2lxyyg3saz8x6vwcp26xnrlagf9semau3qm2glysp7sv95693fphvsp54l567`;
const url = 'https://example.com/a/path?with=query&and=more#fragment';
const npub = 'nostr:npub1sn0wdenkukak0d9dfczzeacvhkrgz92ak56egt7vdgzn8pv2wfqqhrjdv9';

describe('a reply that fits into one message', () => {
  test('is sent as it is, without a number', () => {
    expect(chunk('Done.\n\n  indented stays')).toEqual(['Done.\n\n  indented stays']);
  });

  test('is no message at all when there is only whitespace', () => {
    expect(chunk(' \n\t\n ')).toEqual([]);
  });

  test('has its token and its invoice on lines of their own', () => {
    expect(chunk(`Take ${token(100)}, or pay (${invoice}) now`)).toEqual([
      `Take\n${token(100)}\n, or pay (\n${invoice}\n) now`,
    ]);
    expect(chunk(`- lightning:${invoice}`)).toEqual([`-\nlightning:${invoice}`]);
  });

  test('keeps a token where it is part of code, and links in their sentence', () => {
    const texts = [
      `curl -H "X-Cashu: ${token(60)}" ${url}`,
      `KEY=${token(60)}`,
      `\`${token(60)}\``,
      `\`\`\`sh\necho ${token(60)}\n\`\`\``,
      `See ${url} and ask ${npub} about it`,
      `https://wallet.example/?token=${token(60)} opens it`,
    ];
    for (const text of texts) expect(chunk(text)).toEqual([text]);
  });
});

describe('a long reply', () => {
  test('is cut at paragraphs, else lines, else words, and numbered', () => {
    const paragraph = (letter: string) => `${letter.repeat(30)} `.repeat(2).trim();
    expect(chunk(`${paragraph('a')}\n\n${paragraph('b')}\n\n${paragraph('c')}`, 150)).toEqual([
      `(1/2)\n${paragraph('a')}\n\n${paragraph('b')}`,
      `(2/2)\n${paragraph('c')}`,
    ]);
    expect(chunk(`${'a'.repeat(80)}\n  ${'b'.repeat(80)}`, 150)).toEqual([
      `(1/2)\n${'a'.repeat(80)}`,
      `(2/2)\n  ${'b'.repeat(80)}`,
    ]);
    for (const message of chunk('word '.repeat(1000), 200)) {
      expect(withoutNumber(message)).toMatch(/^word( word)*$/);
    }
  });

  test('closes a code block where it is cut and opens it again in the next message', () => {
    const code = Array.from({ length: 40 }, (_, line) => `  const line${line} = ${line};`).join('\n');
    const messages = chunk(`Look:\n\n\`\`\`ts\n${code}\n\`\`\`\nThat was it.`, 400);
    expect(messages.length).toBeGreaterThan(2);
    for (const message of messages) {
      const fences = message.split('\n').filter((line) => line.startsWith('```'));
      expect(fences).toEqual(['```ts', '```']);
    }
    const lines = messages.flatMap((message) => message.split('\n').filter((line) => line.startsWith('  ')));
    expect(lines.join('\n')).toBe(code);
  });

  test('does not open a code block again only to close it', () => {
    const before = `\`\`\`\n${'x'.repeat(60)}\n\`\`\``;
    for (let limit = 100; limit < 200; limit++) {
      for (const message of chunk(`${before}\n${'y'.repeat(150)}`, limit)) {
        expect(message).not.toMatch(/```\n```/);
      }
    }
  });

  test('sends a token that is longer than a message whole, by itself, without a number', () => {
    const large = token(5000);
    expect(chunk(`Your token:\n${large}\nKeep it safe.`)).toEqual([
      '(1/3)\nYour token:',
      large,
      '(3/3)\nKeep it safe.',
    ]);
    expect(chunk(large)).toEqual([large]);
  });

  test('refuses a token that no relay would take, and does not repeat it in the error', () => {
    expect(chunk(token(MAX_TOKEN_LENGTH))).toHaveLength(1);
    const tooLong = token(MAX_TOKEN_LENGTH + 1);
    expect(() => chunk(`x ${tooLong}`)).toThrow(TokenTooLongError);
    expect(() => chunk(`x ${tooLong}`)).not.toThrow(tooLong.slice(0, 40));
  });

  test('cuts an endless URL, which is no money', () => {
    expect(chunk(`https://example.com/${'a'.repeat(40_000)}`).length).toBeGreaterThan(10);
  });

  test('counts bytes too: 4000 Chinese characters are more than one message', () => {
    const messages = chunk('漢'.repeat(4000));
    expect(messages.length).toBe(2);
    for (const message of messages) expect(Buffer.byteLength(message)).toBeLessThanOrEqual(8000);
  });

  test('is cut in reasonable time, whatever it consists of', () => {
    const started = performance.now();
    for (const unit of [
      '\n',
      ' ',
      'a',
      'a ',
      '`',
      '```\n',
      'a\n\n',
      '́',
      '👨‍👩‍👧',
      'https://a.b ',
      'cashuA',
    ]) {
      chunk(`x${unit.repeat(200_000 / unit.length)}x`);
    }
    expect(performance.now() - started).toBeLessThan(10_000);
  }, 20_000);
});

describe('any text', () => {
  const special = fc.constantFrom(
    invoice,
    `lightning:${invoice}`,
    token(90),
    token(400),
    token(1500),
    `creqA${token(80)}`,
    url,
    npub,
    '👨‍👩‍👧‍👦',
    'e\u0301\u0302',
    ' \u0301',
    '🇩🇪🇫🇷',
    '漢字',
    '\n',
    '\n\n',
    '\r\n',
    ' ',
    '    ',
    '\ud800',
  );
  const text = fc
    .array(fc.oneof(special, fc.string({ unit: 'grapheme', maxLength: 40 }), fc.lorem({ maxCount: 20 })), {
      maxLength: 40,
      size: 'max',
    })
    .map((parts) => parts.join(' '))
    // Code blocks add lines at the cuts; they have a test of their own.
    .filter((joined) => !/```|~~~/.test(joined));
  const limit = fc.integer({ min: 100, max: 900 });

  test('comes back when the numbers are taken off, but for whitespace', () => {
    fc.assert(
      fc.property(text, limit, (original, max) => {
        const together = chunk(original, max).map(withoutNumber).join('');
        expect(withoutSpace(together)).toBe(withoutSpace(original.toWellFormed()));
      }),
      { numRuns: 500 },
    );
  });

  test('makes no message over the limit but a lone token, and none that is empty', () => {
    fc.assert(
      fc.property(text, limit, (original, max) => {
        for (const message of chunk(original, max)) {
          expect(message.trim()).not.toBe('');
          if (/^(?:lightning:|lnbc|cashu|creq|https:|nostr:)\S+$/.test(message)) continue;
          expect(message.length).toBeLessThanOrEqual(max);
          expect(Buffer.byteLength(message)).toBeLessThanOrEqual(2 * max);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('keeps every token, invoice and link whole, payments alone on their line', () => {
    fc.assert(
      fc.property(text, limit, (original, max) => {
        const lines = chunk(original, max).flatMap((message) => message.split('\n'));
        for (const payment of [invoice, `lightning:${invoice}`, token(90), token(400), token(1500)]) {
          const wanted = original.split(/[ \n]/).filter((word) => word === payment).length;
          expect(lines.filter((line) => line === payment).length).toBeGreaterThanOrEqual(wanted);
        }
        for (const link of [url, npub]) {
          const wanted = original.split(link).length;
          expect(lines.join('\n').split(link).length).toBe(wanted);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('is never cut inside a character as people see it', () => {
    const graphemes = (value: string) =>
      [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(value)]
        .map(({ segment }) => segment)
        .filter((segment) => segment.trim() !== '');
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('👨‍👩‍👧‍👦', '🇩🇪', 'e\u0301', 'a', ' ', ' \u0301', '漢'), {
          size: 'max',
          maxLength: 30,
        }),
        limit,
        (units, max) => {
          const original = `x${units.join('').repeat(20)}x`;
          const messages = chunk(original, max).map(withoutNumber);
          expect(messages.flatMap(graphemes)).toEqual(graphemes(original));
          for (const message of messages) expect(message.isWellFormed()).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});
