import { describe, expect, test } from 'bun:test';
import { npubEncode } from 'nostr-tools/nip19';
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import type { NostrEvent, RelayUrl } from '../src/nostr-types.ts';
import { isJunk, type RejectionReason } from '../src/wrap/rejection.ts';
import { createUnwrap } from '../src/wrap/unwrap.ts';
import { createParty, type Forgery, forge, forgeLegacy, sealIn, wrapAnew } from './support/forge.ts';

const bot = createParty();
const owner = createParty();
const stranger = createParty();
const relay = 'wss://relay.example/' as RelayUrl;
const clock = { now: () => Date.now() };
const isOwner = (author: string) => author === owner.publicKey || author === bot.publicKey;
const unwrap = createUnwrap({ identity: bot, isOwner, clock });

/** What is junk names nobody; what is proven to be an owner's names them, so that they can be told. */
function expectRejected(event: NostrEvent, reason: RejectionReason) {
  const judged = unwrap(event, relay);
  expect(judged).toMatchObject({ verdict: 'rejected', reason });
  const refusal = judged.verdict === 'rejected' ? judged.refusal : undefined;
  if (isJunk(reason)) expect(refusal).toBeUndefined();
  else expect(refusal).toMatchObject({ reason, sender: owner.publicKey, relay });
}

test('the message that the forgeries are made of is accepted', () => {
  expect(unwrap(forge(owner, bot.publicKey, 'hello'), relay)).toMatchObject({
    verdict: 'message',
    message: { text: 'hello', sender: owner.publicKey, kind: 14, protocol: 'nip17', relay },
  });
});

describe('an owner cannot be impersonated', () => {
  test('by naming him as the author of a rumor in a seal of one’s own', () => {
    const pubkey = owner.publicKey;
    expectRejected(forge(stranger, bot.publicKey, '!wallet send 1000', { rumor: { pubkey } }), 'stranger');
    const member = createParty();
    const two = createUnwrap({ identity: bot, isOwner: () => true, clock });
    const forged = forge(member, bot.publicKey, '!wallet send 1000', { rumor: { pubkey } });
    expect(two(forged, relay)).toMatchObject({
      ...{ verdict: 'rejected', reason: 'impersonation' },
      refusal: { sender: member.publicKey },
    });
  });

  test('by writing his key on a seal that another signed', () => {
    const signedSeal = { pubkey: owner.publicKey };
    expectRejected(forge(stranger, bot.publicKey, 'x', { signedSeal }), 'seal-signature');
  });

  test('with a seal that has his key, the right id and a signature by another', () => {
    const theirs = JSON.parse(sealIn(forge(stranger, bot.publicKey, 'x'), bot));
    const { created_at, kind, tags, content } = theirs;
    const serialized = JSON.stringify([0, owner.publicKey, created_at, kind, tags, content]);
    const id = new Bun.CryptoHasher('sha256').update(serialized).digest('hex');
    expectRejected(
      forge(stranger, bot.publicKey, 'x', { signedSeal: { pubkey: owner.publicKey, id } }),
      'seal-signature',
    );
  });

  test('by altering what he sealed', () => {
    expectRejected(forge(owner, bot.publicKey, 'x', { signedSeal: { created_at: 1 } }), 'seal-signature');
    expectRejected(
      forge(owner, bot.publicKey, 'x', { signedSeal: { sig: '11'.repeat(64) } }),
      'seal-signature',
    );
    expectRejected(
      forge(owner, bot.publicKey, 'x', { signedSeal: { id: '00'.repeat(32) } }),
      'seal-signature',
    );
  });

  test('by passing on a seal that he made for somebody else', () => {
    const forAnother = sealIn(forge(owner, stranger.publicKey, 'run this'), stranger);
    expectRejected(wrapAnew(forAnother, bot.publicKey), 'seal-undecryptable');
  });

  test('by calling oneself the bot', () => {
    expectRejected(forge(stranger, bot.publicKey, 'x', { signedSeal: { pubkey: bot.publicKey } }), 'self');
    const asBot = forge(stranger, bot.publicKey, 'x', { rumor: { pubkey: bot.publicKey } });
    expectRejected(asBot, 'stranger');
  });

  test('by a kind 4 event with his key on it', () => {
    expectRejected({ ...forgeLegacy(stranger, bot.publicKey, 'x'), pubkey: owner.publicKey }, 'signature');
  });
});

describe('a wrap is rejected', () => {
  const cases: [string, Forgery, RejectionReason][] = [
    ['of another kind', { wrap: { kind: 21059 } }, 'kind'],
    ['without recipient', { wrap: { tags: [] } }, 'recipient'],
    ['for somebody else', { wrap: { tags: [['p', stranger.publicKey]] } }, 'recipient'],
    [
      'for the bot and another',
      {
        wrap: {
          tags: [
            ['p', bot.publicKey],
            ['p', stranger.publicKey],
          ],
        },
      },
      'recipient',
    ],
    [
      'for the bot twice',
      {
        wrap: {
          tags: [
            ['p', bot.publicKey],
            ['p', bot.publicKey],
          ],
        },
      },
      'recipient',
    ],
    ['with a broken signature', { signedWrap: { sig: '00'.repeat(64) } }, 'signature'],
    ['with another id', { signedWrap: { id: '00'.repeat(32) } }, 'signature'],
    ['dated anew', { signedWrap: { created_at: 1 } }, 'signature'],
    ['encrypted for nobody', { wrap: { content: Buffer.alloc(100, 2).toString('base64') } }, 'undecryptable'],
    ['in plain text', { wrap: { content: 'hello' } }, 'undecryptable'],
    [
      'past its expiration',
      {
        wrap: {
          tags: [
            ['p', bot.publicKey],
            ['expiration', '1700000000'],
          ],
        },
      },
      'expired',
    ],
  ];
  test.each(cases)('%s', (_, forgery, reason) =>
    expectRejected(forge(owner, bot.publicKey, 'x', forgery), reason),
  );

  test('that is malformed', () => {
    const wrap = forge(owner, bot.publicKey, 'x');
    expectRejected({ ...wrap, pubkey: 'f'.repeat(64) }, 'signature');
    expectRejected({ ...wrap, pubkey: wrap.pubkey.toUpperCase() }, 'kind');
  });
});

describe('a seal is rejected', () => {
  const cases: [string, Forgery, RejectionReason][] = [
    ['of another kind', { seal: { kind: 1 } }, 'seal'],
    ['that is null', { sealJson: 'null' }, 'seal'],
    ['that is no JSON', { sealJson: 'not json' }, 'undecryptable'],
    ['without signature', { signedSeal: { sig: undefined } }, 'seal'],
    ['without id', { signedSeal: { id: undefined } }, 'seal'],
    ['past its expiration', { seal: { tags: [['expiration', '1700000000']] } }, 'expired'],
    ['that holds no ciphertext', { seal: { content: 'hello' } }, 'seal-undecryptable'],
  ];
  test.each(cases)('%s', (_, forgery, reason) =>
    expectRejected(forge(owner, bot.publicKey, 'x', forgery), reason),
  );

  test('of a stranger, whatever else is wrong with it', () => {
    expectRejected(forge(stranger, bot.publicKey, 'hello'), 'stranger');
    expectRejected(forge(stranger, bot.publicKey, 'x', { signedSeal: { sig: '00'.repeat(64) } }), 'stranger');
  });

  test('of the bot itself: its own copy of what it sent', () => {
    expectRejected(
      forge(bot, bot.publicKey, 'an answer', { rumor: { tags: [['p', owner.publicKey]] } }),
      'self',
    );
  });
});

describe('a rumor is rejected', () => {
  const third = getPublicKey(generateSecretKey());
  const cases: [string, Forgery, RejectionReason][] = [
    ['with another id', { rumor: { id: '00'.repeat(32) } }, 'rumor-id'],
    ['with its id in capitals', { rumor: { id: 'AB'.repeat(32) } }, 'rumor-id'],
    ['whose content is a number', { rumor: { content: 5 } }, 'rumor'],
    ['whose content is missing', { rumor: { content: undefined } }, 'rumor'],
    ['whose kind is a word', { rumor: { kind: 'fourteen' } }, 'rumor'],
    ['whose kind is a fraction', { rumor: { kind: 14.5 } }, 'rumor'],
    ['that is null', { rumorJson: 'null' }, 'rumor'],
    ['that is a list', { rumorJson: '[]' }, 'rumor'],
    ['that is no JSON', { rumorJson: '{"id":' }, 'seal-undecryptable'],
    [
      'of a group',
      {
        rumor: {
          tags: [
            ['p', bot.publicKey],
            ['p', third],
          ],
        },
      },
      'group',
    ],
    ['for somebody else', { rumor: { tags: [['p', third]] } }, 'group'],
    ['for somebody else in capitals', { rumor: { tags: [['p', third.toUpperCase()]] } }, 'group'],
    ['for somebody else as npub', { rumor: { tags: [['p', npubEncode(third)]] } }, 'group'],
    [
      'past its expiration',
      {
        rumor: {
          tags: [
            ['p', bot.publicKey],
            ['expiration', '1700000000'],
          ],
        },
      },
      'expired',
    ],
    ['that is endless', { rumor: { content: 'x'.repeat(140_000) } }, 'too-large'],
    ['that is a Marmot welcome', { rumor: { kind: 444 } }, 'other-kind'],
    ['that is a note', { rumor: { kind: 1 } }, 'other-kind'],
    ['that is a NIP-04 DM', { rumor: { kind: 4 } }, 'other-kind'],
  ];
  test.each(cases)('%s', (_, forgery, reason) =>
    expectRejected(forge(owner, bot.publicKey, 'x', forgery), reason),
  );
});

describe('a NIP-04 DM is rejected', () => {
  const dm = (template: Parameters<typeof forgeLegacy>[3]) =>
    forgeLegacy(owner, bot.publicKey, 'x', template);
  const cases: [string, NostrEvent, RejectionReason][] = [
    ['of a stranger', forgeLegacy(stranger, bot.publicKey, 'x'), 'stranger'],
    ['of the bot itself', forgeLegacy(bot, bot.publicKey, 'x'), 'self'],
    ['without recipient', dm({ tags: [] }), 'recipient'],
    [
      'for two',
      dm({
        tags: [
          ['p', bot.publicKey],
          ['p', stranger.publicKey],
        ],
      }),
      'recipient',
    ],
    ['with a broken signature', { ...dm({}), sig: '00'.repeat(64) }, 'signature'],
    ['altered', { ...dm({}), content: forgeLegacy(owner, bot.publicKey, 'y').content }, 'signature'],
    [
      'past its expiration',
      dm({
        tags: [
          ['p', bot.publicKey],
          ['expiration', '1700000000'],
        ],
      }),
      'expired',
    ],
    ['that does not decrypt', dm({ content: 'hello' }), 'seal-undecryptable'],
    ['that is endless', forgeLegacy(owner, bot.publicKey, 'x'.repeat(200_000)), 'too-large'],
  ];
  test.each(cases)('%s', (_, event, reason) => expectRejected(event, reason));
});
