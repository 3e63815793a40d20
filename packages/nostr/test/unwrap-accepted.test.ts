import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import {
  Event,
  EventBuilder,
  Keys,
  loadWasmSync,
  NostrSigner,
  PublicKey,
  UnwrappedGift,
} from '@rust-nostr/nostr-sdk';
import fc from 'fast-check';
import * as nip59 from 'nostr-tools/nip59';
import { z } from 'zod';
import { eventHash, generateSecretKey, publicKeyOf, signEvent } from '../src/event.ts';
import type { InboundMessage, NostrEvent, RelayUrl } from '../src/nostr-types.ts';
import { conversationKey, decrypt, encrypt } from '../src/wrap/nip44.ts';
import { createUnwrap } from '../src/wrap/unwrap.ts';
import {
  createParty,
  type Forgery,
  forge,
  forgeLegacy,
  nowSeconds,
  type Party,
  plain,
} from './support/forge.ts';

const bot = createParty();
const owner = createParty();
const relay = 'wss://relay.example/' as RelayUrl;
const clock = { now: () => Date.now() };
const unwrapFor = (identity: Party) => createUnwrap({ identity, isOwner: () => true, clock });
const unwrap = unwrapFor(bot);

function messageIn(event: NostrEvent, judge = unwrap): InboundMessage {
  const judged = judge(event, relay);
  if (judged.verdict !== 'message') throw new Error(`rejected: ${judged.reason}`);
  return judged.message;
}

const received = (text: string, forgery: Forgery = {}) =>
  messageIn(forge(owner, bot.publicKey, text, forgery));

describe('published samples', () => {
  const party = (hex: string) => createParty(new Uint8Array(Buffer.from(hex, 'hex')));
  const file = new URL('./fixtures/gift-wraps.json', import.meta.url);
  const wrap = z.object({
    id: z.string(),
    pubkey: z.string(),
    created_at: z.number(),
    kind: z.number(),
    tags: z.array(z.array(z.string())),
    content: z.string(),
    sig: z.string(),
  });
  const samples = z.tuple([wrap, wrap, wrap]).parse(JSON.parse(readFileSync(file, 'utf8')));

  test('NIP-17’s wrap for the receiver is a message', () => {
    const receiver = party('511cbb07ec2028bd2dcd039c447581a7f754df9d9a0e5c16b19a5422ab391563');
    expect<unknown>(messageIn(samples[0], unwrapFor(receiver))).toEqual({
      id: 'cf4d60706f9681a31c1cd5850779bcabe1578c1ae293296be20748c2e0771749',
      sender: '44900586091b284416a0c001f677f9c49f7639a55c3f1e2ec130a8e1a7998e1b',
      protocol: 'nip17',
      kind: 14,
      text: 'Hola, que tal?',
      references: [],
      createdAt: 1703172058,
      relay,
    });
  });

  test('NIP-17’s wrap for the sender is his own copy', () => {
    const sender = party('71f8de50a46c9996a21123280c6217c48f67d1378ff4fb14d4f7612181a1ebde');
    expect(unwrapFor(sender)(samples[1], relay)).toEqual({
      ...{ verdict: 'rejected', reason: 'self' },
      ownCopyAt: expect.any(Number),
    });
  });

  test('NIP-59’s sample decrypts; its kind 1 is no DM', () => {
    const recipient = party('e108399bd8424357a710b606ae0c13166d853d327e47a6e5e038197346bdbf45');
    const open = (payload: string, pubkey: string) =>
      z
        .looseObject({ content: z.string(), pubkey: z.string() })
        .parse(JSON.parse(decrypt(payload, conversationKey(recipient.secretKey, party(pubkey).publicKey))));
    const wrapper = '4f02eac59266002db5801adc5270700ca69d5b8f761d8732fab2fbf233c90cbd';
    const author = '0beebd062ec8735f4243466049d7747ef5d6594ee838de147f8aab842b15e273';
    expect(open(open(samples[2].content, wrapper).content, author).content).toBe(
      'Are you going to the party tonight?',
    );
    expect(unwrapFor(recipient)(samples[2], relay)).toMatchObject({
      verdict: 'rejected',
      reason: 'other-kind',
    });
  });
});

describe('what clients do to a text is undone', () => {
  const texts: [string, string, string][] = [
    ['Amethyst’s first line', '[//]: # (nip18)\n!status', '!status'],
    ['Amethyst’s first line, with a carriage return', '[//]: # (nip18)\r\n!status', '!status'],
    ['zero-width characters before it', '\u200b\ufeff!status', '!status'],
    ['both, in any order', '\u200b[//]: # (nip18)\n\u2060!status', '!status'],
    [
      'nothing else: other lines and inner ones stay',
      'a\n[//]: # (nip18)\nb\u200b ',
      'a\n[//]: # (nip18)\nb\u200b ',
    ],
    ['another comment stays', '[//]: # (nip19)\nx', '[//]: # (nip19)\nx'],
    ['a script that begins with a format character stays', '\u0600\u0661', '\u0600\u0661'],
  ];
  test.each(texts)('%s', (_, sent, read) => {
    expect(received(sent).text).toBe(read);
    expect(messageIn(forgeLegacy(owner, bot.publicKey, sent)).text).toBe(read);
  });

  test('a reaction is left as it is', () => {
    expect(received('\u200d👍', { rumor: { kind: 7 } }).text).toBe('\u200d👍');
  });
});

test('texts, files, reactions and deletions are messages', () => {
  for (const kind of [14, 15, 7, 5]) expect<number>(received('x', { rumor: { kind } }).kind).toBe(kind);
});

test('what a message refers to is read from its e tags, once each, nonsense left out', () => {
  const one = 'a'.repeat(64);
  const two = 'b'.repeat(64);
  const tags = [
    ['p', bot.publicKey],
    ['e', one, 'wss://x', 'reply'],
    ['e', 'junk'],
    ['e'],
    ['e', two],
    ['e', one],
  ];
  expect<readonly string[]>(received('x', { rumor: { tags } }).references).toEqual([one, two]);
  expect<readonly string[]>(messageIn(forgeLegacy(owner, bot.publicKey, 'x', { tags })).references).toEqual([
    one,
    two,
  ]);
});

test('tags on a seal are tolerated, and a sender among the recipients', () => {
  expect(received('x', { seal: { tags: [['p', bot.publicKey]] } }).text).toBe('x');
  expect(
    received('x', {
      rumor: {
        tags: [
          ['p', owner.publicKey],
          ['p', bot.publicKey],
        ],
      },
    }).text,
  ).toBe('x');
  expect(received('x', { rumor: { tags: [] } }).text).toBe('x');
});

test('an expiration ahead, or one that is no number, does not matter', () => {
  for (const value of [String(nowSeconds() + 600), 'soon', ''])
    expect(
      received('x', {
        rumor: {
          tags: [
            ['p', bot.publicKey],
            ['expiration', value],
          ],
        },
      }).text,
    ).toBe('x');
});

test('without an id and a time, the same words are another message in another seal, and the same one in the same', () => {
  const undated = (sealedAt: number) =>
    received('go on', { rumor: { id: undefined, created_at: undefined }, seal: { created_at: sealedAt } }).id;
  const now = nowSeconds();
  expect(undated(now)).not.toBe(undated(now - 7));
  expect(undated(now)).toBe(undated(now));
});

describe('what a client writes otherwise than NIP-17 has it is read as it was meant, for its author is proven', () => {
  const tags = [['p', bot.publicKey]];
  const inTime = (createdAt: number) => Math.abs(createdAt - nowSeconds()) <= 2;
  test.each([
    ['no id', { id: undefined }],
    ['null for an id', { id: null }],
    ['an empty id', { id: '' }],
    ['a fraction of a second', { created_at: Date.now() / 1000 }],
    ['milliseconds', { created_at: Date.now() }],
    ['microseconds', { created_at: Date.now() * 1000 }],
    ['seconds as text', { created_at: String(nowSeconds()) }],
    ['no time', { created_at: undefined }],
    ['a time that is none', { created_at: 'now' }],
    ['a time before all times', { created_at: -1 }],
    ['an hour ahead', { created_at: nowSeconds() + 3_600 }],
    ['years ahead', { created_at: nowSeconds() + 10 ** 8 }],
    ['milliseconds and no id', { created_at: Date.now(), id: undefined }],
    [
      'a number in a tag',
      {
        tags: [
          ['p', bot.publicKey, 1],
          ['x', 5, null, 'y'],
        ],
      },
    ],
    ['tags that are no lists', { tags: ['p', ...tags, null, 7] }],
    ['a recipient who is nobody', { tags: [['p'], ...tags] }],
    ['no tags', { tags: undefined }],
    ['an object for tags', { tags: {} }],
    ['the recipient in capitals', { tags: [['p', bot.publicKey.toUpperCase()]] }],
    ['the recipient as npub', { tags: [['p', ` nostr:${bot.npub}`]] }],
    ['empty and odd recipients', { tags: [['p', ''], ['p', 'me'], ...tags] }],
    ['its author in capitals', { pubkey: owner.publicKey.toUpperCase() }],
    ['no author', { pubkey: undefined, id: undefined }],
    ['a kind as text', { kind: '14' }],
  ])('%s', (_, rumor) => {
    const message = received('do it', { rumor });
    expect(message).toMatchObject({ text: 'do it', sender: owner.publicKey, kind: 14 });
    expect(message.id).toMatch(/^[0-9a-f]{64}$/);
    expect(inTime(message.createdAt)).toBe(true);
  });

  test('an id in capitals is the same id', () => {
    const id = '3fa'.repeat(22).slice(0, 64);
    expect(() => received('x', { rumor: { id: id.toUpperCase() } })).toThrow('rumor-id');
    const rumor = { created_at: nowSeconds(), tags };
    const right = received('x', { rumor }).id;
    expect(received('x', { rumor: { ...rumor, id: right.toUpperCase() } }).id).toBe(right);
  });

  test('the same rumor without an id is the same message in every wrap of it', () => {
    const rumor = { id: undefined, created_at: nowSeconds() - 7.25 };
    expect(received('once', { rumor }).id).toBe(received('once', { rumor }).id);
    expect(received('once', { rumor }).id).not.toBe(received('twice', { rumor }).id);
  });

  test('a clock that is ahead is told, one that is minutes ahead or right is not', () => {
    const ahead = (seconds: number) =>
      received('x', { rumor: { created_at: nowSeconds() + seconds } }).aheadSeconds;
    expect(ahead(3_600)).toBeGreaterThan(3_590);
    expect(ahead(100)).toBeUndefined();
    expect(ahead(-3_600)).toBeUndefined();
    expect(received('old', { rumor: { created_at: 1_600_000_000 } }).createdAt).toBe(1_600_000_000);
  });

  test('whatever stands in its time, tags and id, a proven owner’s text is read or they are told why not', () => {
    const anything = fc.oneof(fc.jsonValue(), fc.constant(undefined), fc.double(), fc.integer());
    fc.assert(
      fc.property(anything, anything, fc.option(fc.constantFrom('', null)), (created_at, tags, id) => {
        const judged = unwrap(forge(owner, bot.publicKey, 'x', { rumor: { created_at, tags, id } }), relay);
        if (judged.verdict === 'message') {
          expect(judged.message.createdAt).toBeLessThanOrEqual(nowSeconds());
        } else expect(judged.refusal?.sender).toBe(owner.publicKey);
      }),
      { numRuns: 100 },
    );
  });
});

test('many peers at once: each message is read with its own sender’s key', () => {
  const parties = Array.from({ length: 300 }, () => createParty());
  for (const round of [1, 2])
    for (const party of parties) {
      const message = messageIn(forge(party, bot.publicKey, `${round} ${party.npub}`));
      expect(message.text).toBe(`${round} ${party.npub}`);
      expect(message.sender).toBe(party.publicKey);
    }
}, 30_000);

describe('between implementations', () => {
  test('any message of nostr-tools is read as it was written', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }).map((text) => `.${text}`),
        fc.constantFrom(14, 15, 7, 5),
        fc.array(
          fc.array(fc.string(), { minLength: 1 }).filter(([name]) => name !== 'p' && name !== 'expiration'),
        ),
        fc.integer({ min: 0, max: nowSeconds() }),
        (content, kind, tags, created_at) => {
          const template = { kind, content, tags: [['p', bot.publicKey], ...tags], created_at };
          const wrap = plain(nip59.wrapEvent(template, owner.secretKey, bot.publicKey));
          const reference = nip59.unwrapEvent(plain(wrap), bot.secretKey);
          expect<unknown>(messageIn(wrap)).toMatchObject({
            id: reference.id,
            sender: owner.publicKey,
            kind,
            text: reference.content,
            createdAt: created_at,
          });
        },
      ),
      { numRuns: 40 },
    );
  });

  test('a wrap built on our own encryption is read by nostr-tools', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }), (content) => {
        const wrapKey = generateSecretKey();
        const rumor = { kind: 14, created_at: nowSeconds(), tags: [], content, pubkey: bot.publicKey };
        const sealed = encrypt(
          JSON.stringify({ ...rumor, id: eventHash(rumor) }),
          conversationKey(bot.secretKey, owner.publicKey),
        );
        const seal = signEvent({ kind: 13, created_at: 1, tags: [], content: sealed }, bot.secretKey);
        const wrapped = encrypt(JSON.stringify(seal), conversationKey(wrapKey, owner.publicKey));
        const tags = [['p', owner.publicKey]];
        const wrap = signEvent({ kind: 1059, created_at: 1, tags, content: wrapped }, wrapKey);
        expect(nip59.unwrapEvent(wrap, owner.secretKey)).toMatchObject({ ...rumor, id: eventHash(rumor) });
        expect(messageIn(wrap, unwrapFor(owner)).sender).toBe(bot.publicKey);
      }),
      { numRuns: 40 },
    );
  });

  test('a message of rust-nostr is read', async () => {
    loadWasmSync();
    const keys = Keys.generate();
    const event = await EventBuilder.privateMsg(
      NostrSigner.keys(keys),
      PublicKey.parse(bot.publicKey),
      'hello from rust',
    );
    expect(messageIn(JSON.parse(event.asJson()))).toMatchObject({ kind: 14, text: 'hello from rust' });
    expect<string>(messageIn(JSON.parse(event.asJson())).sender).toBe(keys.publicKey.toHex());
  });

  test('rust-nostr reads what our encryption and signatures are made into', async () => {
    loadWasmSync();
    const keys = Keys.generate();
    const to = createParty(new Uint8Array(Buffer.from(keys.secretKey.toHex(), 'hex'))).publicKey;
    const wrapKey = generateSecretKey();
    const rumor = {
      kind: 14,
      created_at: nowSeconds(),
      tags: [['p', to]],
      content: 'hello',
      pubkey: bot.publicKey,
    };
    const content = encrypt(
      JSON.stringify({ ...rumor, id: eventHash(rumor) }),
      conversationKey(bot.secretKey, to),
    );
    const seal = signEvent({ kind: 13, created_at: 1, tags: [], content }, bot.secretKey);
    const wrap = signEvent(
      {
        kind: 1059,
        created_at: 1,
        tags: [['p', to]],
        content: encrypt(JSON.stringify(seal), conversationKey(wrapKey, to)),
      },
      wrapKey,
    );
    const gift = await UnwrappedGift.fromGiftWrap(
      NostrSigner.keys(keys),
      Event.fromJson(JSON.stringify(wrap)),
    );
    expect(gift.rumor.content).toBe('hello');
    expect<string>(gift.sender.toHex()).toBe(publicKeyOf(bot.secretKey));
  });
});
