import { describe, expect, test } from 'bun:test';
import { generateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import fc from 'fast-check';
import { npubEncode, nsecEncode } from 'nostr-tools/nip19';
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { createLogger } from '../src/logging/create-logger.ts';
import { createRedactor, type Redactor, redacted } from '../src/logging/redact.ts';

/** A logger whose lines are kept. */
async function collecting(redactor: Redactor, format: 'json' | 'pretty' = 'json') {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const log = await createLogger({ level: 'debug', format, redactor, destination, color: false });
  return { log, output: () => lines.join('') };
}

const alphanumeric = (min: number, max: number) =>
  fc.string({
    unit: fc.constantFrom(...'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789'),
    minLength: min,
    maxLength: max,
  });
const bech32 = fc.string({
  unit: fc.constantFrom(...'qpzry9x8gf2tvdw0s3jn54khce6mua7l'),
  minLength: 40,
  maxLength: 80,
});
const mnemonicOf = (strength: number) =>
  fc.noShrink(fc.constant(0).map(() => generateMnemonic(wordlist, strength)));

/** Every kind of secret that has a shape of its own. */
const shaped = fc.oneof(
  alphanumeric(30, 200).map((body) => `cashuB${body}`),
  alphanumeric(30, 200).map((body) => `cashuA${body}`),
  alphanumeric(30, 200).map((body) => `creqA${body}`),
  bech32.map((body) => `nsec1${body}`),
  bech32.map((body) => `ncryptsec1${body}`),
  bech32.map((body) => `nsec1${body}`.toUpperCase()),
  alphanumeric(16, 60).map((body) => `sk-${body}`),
  alphanumeric(16, 60).map((body) => `sk-ant-api03-${body}`),
  alphanumeric(16, 60).map((body) => `ghp_${body}`),
  alphanumeric(16, 60).map((body) => `github_pat_${body}`),
  alphanumeric(30, 60).map((body) => `AIza${body}`),
  alphanumeric(60, 107).map((body) => `xprv${body}`),
  mnemonicOf(128),
  mnemonicOf(256),
);

/** Puts a secret somewhere inside of facts: nested in objects, arrays, maps, sets and errors. */
const planted = (secret: string): fc.Arbitrary<unknown> => {
  const around = fc
    .tuple(fc.constantFrom('', 'got ', 'url?x=', '{"a":"', 'line\n'), fc.constantFrom('', ' end', '"}', '\n'))
    .map(([before, after]): unknown => before + secret + after);
  const wrap = (inner: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
    fc.oneof(
      inner.map((value) => ({ note: 'x', value })),
      inner.map((value) => [1, value, null]),
      inner.map((value) => new Map([['k', value]])),
      inner.map((value) => new Set([value])),
      inner.map((value) => new Error('outer', { cause: value })),
      inner.map((value) => Object.assign(new Error('facts'), { value })),
      inner.map((value) => new AggregateError([value], 'several')),
      inner.map((value) => ({ toJSON: () => value })),
    );
  let level: fc.Arbitrary<unknown> = fc.oneof(
    around,
    around.map((text) => new Error(String(text))),
    around.map((text) => ({ [String(text)]: true })),
  );
  for (let depth = 0; depth < 5; depth++) level = fc.oneof(level, wrap(level));
  return level;
};

describe('a secret never reaches the log', () => {
  test('whatever its kind and wherever in the facts or the message it is', async () => {
    const { log, output } = await collecting(createRedactor());
    await fc.assert(
      fc.asyncProperty(
        shaped.chain((secret) => fc.tuple(fc.constant(secret), planted(secret))),
        async ([secret, facts]) => {
          log.child({ first: facts }).error({ facts }, `failed with ${secret}`);
          const text = output();
          expect(text).not.toContain(secret);
          expect(text).not.toContain(JSON.stringify(secret).slice(1, -1));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('when it was registered, also deep inside and in another letter case', async () => {
    const redactor = createRedactor();
    const { log, output } = await collecting(redactor);
    const hex = Buffer.from(generateSecretKey()).toString('hex');
    const child = log.child({ key: hex });
    redactor.add(hex);
    child.info({ deep: { deeper: [{ error: new Error(`bad key ${hex.toUpperCase()}`) }] } }, hex);
    expect(output().toLowerCase()).not.toContain(hex);
    expect(output()).toContain(redacted);
  });

  test('until the last one who registered it takes it back', () => {
    const redactor = createRedactor();
    const [first, second] = [redactor.add('correct horse'), redactor.add('correct horse')];
    first();
    first();
    expect(redactor.text('a correct horse')).toBe(`a ${redacted}`);
    second();
    expect(redactor.text('a correct horse')).toBe('a correct horse');
  });

  test('under a name that says it is secret, whatever it looks like', () => {
    const value = {
      token: 'plain',
      apiKey: 'plain',
      'X-API-Key': 'plain',
      BOT_KEY: 'plain',
      CASHU_MNEMONIC: ['plain'],
      headers: { Authorization: 'Basic plain', Cookie: 'plain', 'X-Cashu': 'plain' },
      proofs: [{ amount: 8, secret: 'plain' }],
    };
    const text = JSON.stringify(createRedactor().value(value));
    expect(text).not.toContain('plain');
    expect(text).toContain('"amount":8');
  });

  test.each([
    ['an HTTP body that was quoted', '{"error":{"api_key":"hunter2hunter2"}}'],
    ['a body quoted inside of another', '{\\"apiKey\\":\\"hunter2hunter2\\"}'],
    ['a command line', 'ROUTSTR_API_KEY=hunter2hunter2 opencode run'],
    ['a query', 'https://node/v1?api_key=hunter2hunter2&x=1'],
    ['a header', 'Authorization: Bearer hunter2hunter2'],
  ])('in %s', (_, text) => {
    const output = createRedactor().text(text);
    expect(output).not.toContain('hunter2');
    expect(output).toContain(redacted);
  });

  test.each([
    ['one to a line', '\n'],
    ['with commas', ', '],
    ['as JSON', '", "'],
    ['with escaped line breaks', '\\n'],
  ])('as twelve words %s', (_, separator) => {
    const words = generateMnemonic(wordlist, 128).split(' ');
    const output = createRedactor().text(`Words: "${words.join(separator)}" were refused`);
    expect(output).toBe(`Words: "${redacted}" were refused`);
    expect(createRedactor().value({ list: words })).toEqual({ list: redacted });
  });

  test('in the pretty format either', async () => {
    const { log, output } = await collecting(createRedactor(), 'pretty');
    const nsec = nsecEncode(generateSecretKey());
    log.warn({ cause: new Error(nsec), note: 'kept' }, `key ${nsec}`);
    expect(output()).not.toContain(nsec);
    expect(output()).toContain('kept');
  });

  test('as raw bytes', () => {
    expect(createRedactor().value({ key: generateSecretKey() })).toEqual({ key: '[32 bytes]' });
  });
});

describe('what is public stays readable', () => {
  test('64-hex keys and ids, npubs, invoices, relay URLs and ordinary sentences', () => {
    const redactor = createRedactor();
    redactor.add(Buffer.from(generateSecretKey()).toString('hex'));
    const publicKey = getPublicKey(generateSecretKey());
    for (const text of [
      publicKey,
      npubEncode(publicKey),
      `lnbc20u1p3y0x3hpp5${'q'.repeat(50)}`,
      'wss://relay.example/inbox',
      'a risk-averse task-list',
      'expected a cashuA or cashuB token, or nsec1…',
      'the quick brown fox jumps over the lazy dog and then it sleeps all day long under a big tree',
      'used 120 tokens, 3 steps',
    ]) {
      expect(redactor.text(text)).toBe(text);
    }
  });

  test('numbers, dates, flags, counts of tokens, and errors with their facts', () => {
    class RelayError extends Error {
      override readonly name = 'RelayError';
      readonly relay = 'wss://relay.example';
    }
    const value = createRedactor().value({
      tokens: { input: 3 },
      hasToken: true,
      token: undefined,
      at: new Date(0),
      sats: 21n,
      url: new URL('https://mint.example/v1'),
      error: new RelayError('closed', { cause: new TypeError('reset') }),
    });
    expect(value).toMatchObject({
      tokens: { input: 3 },
      hasToken: true,
      at: '1970-01-01T00:00:00.000Z',
      sats: '21',
      url: 'https://mint.example/v1',
      error: {
        type: 'RelayError',
        message: 'closed',
        relay: 'wss://relay.example',
        cause: { type: 'TypeError', message: 'reset' },
      },
    });
  });
});

describe('whatever is logged, logging does not throw', () => {
  test('circular, throwing, bottomless and odd values', async () => {
    const { log, output } = await collecting(createRedactor());
    const circular: Record<string, unknown> = { name: 'loop' };
    circular.self = circular;
    let bottomless: unknown = 'bottom';
    for (let depth = 0; depth < 10_000; depth++) bottomless = { bottomless };
    const throwing = {
      get bad() {
        throw new Error('no');
      },
      good: 1,
    };
    log.info({ circular, bottomless, throwing, f: () => 1, s: Symbol('s'), n: Number.NaN }, 'odd');
    expect(output()).toContain('[circular]');
    expect(output()).toContain('"good":1');
    expect(output()).toContain('"msg":"odd"');
  });

  test('any value of fast-check', () => {
    const redactor = createRedactor();
    fc.assert(
      fc.property(fc.anything({ withMap: true, withSet: true, withNullPrototype: true }), (value) => {
        redactor.value(value);
      }),
    );
  });
});

test('a level below the chosen one is not even looked at', async () => {
  const log = await createLogger({
    level: 'warn',
    format: 'json',
    redactor: createRedactor(),
    destination: {
      write: () => {
        throw new Error('written');
      },
    },
  });
  log.info({}, 'quiet');
  expect(() => log.warn({}, 'loud')).toThrow('written');
});
