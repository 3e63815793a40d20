import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { chunk as chunkUpTo } from '../src/text/chunks.ts';
import { cleaned } from '../src/text/clean-text.ts';
import { MAX_TOKEN_LENGTH, TokenTooLongError } from '../src/text/unbreakable.ts';

/** All of a text, however long. */
const chunk = (text: string, limit?: number): readonly string[] => chunkUpTo(text, limit, 9999).messages;
const withoutNumber = (message: string) => message.replace(/^\(\d+\/\d+\)\n/, '');
/** What is left of a text when its punctuation may go: alone between two payments it says nothing. */
const ink = (text: string) => text.replace(/[\s\p{P}]+/gu, '');
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

  test('has its token and its invoice in messages of their own, to be copied as they are', () => {
    expect(chunk(`Take ${token(100)}, or pay (${invoice}) now`)).toEqual([
      '(1/5)\nTake',
      token(100),
      '(3/5)\n, or pay (',
      invoice,
      '(5/5)\n) now',
    ]);
    expect(chunk(`Here it is:\n\n${token(100)}`)).toEqual(['(1/2)\nHere it is:', token(100)]);
    expect(chunk(`${invoice}\nlightning:${invoice}\n`)).toEqual([invoice, `lightning:${invoice}`]);
    expect(chunk(`- ${token(100)}\n- ${invoice}.`)).toEqual([token(100), invoice]);
    expect(chunk(`\n  ${token(100)} \n`)).toEqual([token(100)]);
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
});

describe('an answer that is sent bit by bit', () => {
  const part = (text: string, before: number, open: boolean) =>
    chunkUpTo(text, 400, open ? Number.POSITIVE_INFINITY : 10 - before, { before, open }).messages;
  test('is numbered as it comes, and says how many there were when it ends', () => {
    expect(part('One.', 0, true)).toEqual(['(1/…)\nOne.']);
    expect(part(`${'a'.repeat(380)}\n\nThree.`, 1, true)).toEqual([
      `(2/…)\n${'a'.repeat(380)}`,
      '(3/…)\nThree.',
    ]);
    expect(part('The end.', 3, false)).toEqual(['(4/4)\nThe end.']);
    expect(part('word '.repeat(5_000), 8, false)).toHaveLength(2);
    for (const message of part('word '.repeat(5_000), 8, true))
      expect(message.length).toBeLessThanOrEqual(400);
  });
  test('has its token alone, be it in the middle', () => {
    expect(part(`Here:\n\n${token(100)}\n\nDone.`, 2, true)).toEqual([
      '(3/…)\nHere:',
      token(100),
      '(5/…)\nDone.',
    ]);
  });
});

describe('a reply without end', () => {
  test('is ten messages, and the rest can be sent on', () => {
    const words = Array.from({ length: 30_000 }, (_, index) => `word${index}`);
    const sent: string[] = [];
    let rest = words.join(' ');
    for (let replies = 0; rest !== ''; replies++) {
      const next = chunkUpTo(rest);
      expect(next.messages.length).toBeLessThanOrEqual(10);
      expect(next.rest.length).toBeLessThan(rest.length);
      if (next.rest !== '') expect(next.messages[9]).toStartWith('(10/10)\n');
      expect(replies).toBeLessThan(10);
      sent.push(...next.messages);
      ({ rest } = next);
    }
    expect(sent.map(withoutNumber).join(' ').split(' ')).toEqual(words);
  });

  test('goes on inside its code block', () => {
    const { messages, rest } = chunkUpTo(`\`\`\`ts\n${'const a = 1;\n'.repeat(100)}\`\`\``, 100, 3);
    expect(messages).toHaveLength(3);
    expect(messages[2]).toEndWith('\n```');
    expect(rest).toStartWith('```ts\nconst a = 1;\n');
    expect(rest).toEndWith('\n```');
  });

  test('leaves no token in halves', () => {
    const text = `${'word '.repeat(60)}${token(400)} end`;
    for (let most = 1; most < 12; most++) {
      const { messages, rest } = chunkUpTo(text, 100, most);
      expect([...messages, ...rest.split(' ')].filter((one) => one === token(400))).toHaveLength(1);
    }
  });

  const cpuMs = (work: () => unknown): number => {
    const started = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(started);
    return (user + system) / 1000;
  };
  const least = (work: () => unknown): number => Math.min(...Array.from({ length: 3 }, () => cpuMs(work)));

  // Growth and not seconds, which are another machine's: what grows with the square takes 16 times as long for four times
  // the text. Some ms more are a clock's and a garbage collector's.
  test.each([
    ...[
      'https://a ',
      'https://a/',
      'cashuA ',
      '\n',
      ' ',
      'a',
      'a ',
      'a\n\n',
      '`',
      '```\n',
      '́',
      ' ́',
      '👨‍👩‍👧',
    ],
    ...['\u001B]', '\u001B[', '\r\n', `\`${token(24)}\``, `${'a '.repeat(2000)}${token(2000)} `],
  ])('takes time in proportion to its length (repetition %#)', (unit) => {
    const [short, long] = [500_000, 2_000_000].map((length) => `x${unit.repeat(length / unit.length)}x`);
    chunk(short ?? '');
    expect(least(() => chunk(long ?? ''))).toBeLessThan(8 * least(() => chunk(short ?? '')) + 30);
  });

  test('costs no more than its ten messages', () => {
    const [short, long] = [50_000, 5_000_000].map((length) => 'https://a '.repeat(length / 10));
    chunkUpTo(short ?? '');
    expect(least(() => chunkUpTo(long ?? ''))).toBeLessThan(100 * least(() => chunkUpTo(short ?? '')) + 30);
  });
});

describe('what no message may hold', () => {
  test('is taken out: what a terminal obeys, and what turns the direction of a text round', () => {
    const hidden = (text: string) => chunk(`a${text}b`).join('|');
    expect(hidden('\u001B[31m')).toBe('ab');
    expect(hidden('\u001B]0;title\u0007')).toBe('ab');
    expect(hidden('\u001B]8;;https://evil.example\u001B\\')).toBe('ab');
    expect(hidden('\u009B2J')).toBe('ab');
    expect(hidden('\u001B')).toBe('a');
    for (let code = 0; code < 0x20; code++) {
      const wanted = [9, 10, 13, 0x1b].includes(code) ? undefined : 'ab';
      if (wanted !== undefined) expect(hidden(String.fromCharCode(code))).toBe(wanted);
    }
    for (let code = 0x7f; code < 0xa0; code++) {
      if (code !== 0x85 && code !== 0x9b) expect(hidden(String.fromCharCode(code))).toBe('ab');
    }
    for (const mark of '\u202A\u202B\u202C\u202D\u202E\u2066\u2067\u2068\u2069')
      expect(hidden(mark)).toBe('ab');
    expect(hidden('\ud800')).toBe('a\ufffdb');
    expect(hidden('\r\n\t\u2028')).toBe('a\n\t\nb');
  });

  test('is no letter of any writing, and no part of an emoji', () => {
    const texts = ['می‌خواهم', 'क्‍ष', '👨‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿❤️', 'שלום\u200F abc\u200E', 'a\u00ADb\u00A0c'];
    for (const text of texts) expect(chunk(text)).toEqual([text]);
  });

  test('an escape sequence that never ends takes nothing with it but itself', () => {
    expect(chunk(`before \u001B]${'words '.repeat(3)}after`)).toEqual(['before words words words after']);
  });

  test('hides no token from being alone', () => {
    expect(chunk(`Here:\u202E ${token(100)}\u0007`)).toEqual(['(1/2)\nHere:', token(100)]);
  });
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
        expect(ink(together)).toBe(ink(cleaned(original)));
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

  test('keeps every token, invoice and link whole, payments alone in their message', () => {
    fc.assert(
      fc.property(text, limit, (original, max) => {
        const messages = chunk(original, max);
        for (const payment of [invoice, `lightning:${invoice}`, token(90), token(400), token(1500)]) {
          const wanted = original.split(/[ \n]/).filter((word) => word === payment).length;
          expect(messages.filter((message) => message === payment).length).toBeGreaterThanOrEqual(wanted);
        }
        for (const link of [url, npub]) {
          const wanted = original.split(link).length;
          expect(messages.join('\n').split(link).length).toBe(wanted);
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
