import { describe, expect, test } from 'bun:test';
import { systemClock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import { Event, Keys, loadWasmSync, NostrSigner, UnwrappedGift } from '@rust-nostr/nostr-sdk';
import { unwrapEvent } from 'nostr-tools/nip59';
import { generateSecretKey, publicKeyOf, signEvent, verifyEvent } from '../src/event.ts';
import type { Identity, RelayUrl } from '../src/nostr-types.ts';
import { giftWrap, rewrapNow } from '../src/wrap/gift-wrap.ts';
import { conversationKey, decrypt, PlaintextSizeError } from '../src/wrap/nip44.ts';
import { createUnwrap } from '../src/wrap/unwrap.ts';

loadWasmSync();

const newIdentity = (): Identity => {
  const secretKey = generateSecretKey();
  return { secretKey, publicKey: publicKeyOf(secretKey) };
};
const bot = newIdentity();
const owner = newIdentity();
const relay = 'wss://relay.example.com' as RelayUrl;
const DAY_S = 86_400;

const message = (content: string) => ({
  kind: 14,
  created_at: unixSeconds(systemClock),
  tags: [['p', owner.publicKey]],
  content,
});
const seeded = seededRandom(1);
const wrapped = (content: string, random: () => number = seeded) =>
  giftWrap(message(content), { from: bot, to: owner.publicKey, clock: systemClock, random });
const seconds = () => unixSeconds(systemClock);

describe('a gift wrap', () => {
  test('is read by rust-nostr', async () => {
    const { wrap, rumorId } = wrapped('hello, 世界 👋');
    const signer = NostrSigner.keys(Keys.parse(Buffer.from(owner.secretKey).toString('hex')));
    const gift = await UnwrappedGift.fromGiftWrap(signer, Event.fromJson(JSON.stringify(wrap)));
    expect(gift.sender.toHex()).toBe(bot.publicKey);
    expect(gift.rumor.content).toBe('hello, 世界 👋');
    expect(gift.rumor.id?.toHex()).toBe(rumorId);
  });

  test('is read by nostr-tools', () => {
    const { wrap, rumorId } = wrapped('hello');
    const rumor = unwrapEvent(wrap, owner.secretKey);
    expect(rumor).toEqual({
      ...message('hello'),
      pubkey: bot.publicKey,
      id: rumorId,
      created_at: rumor.created_at,
    });
  });

  test('is read by our own unwrap', () => {
    const { wrap, rumorId } = wrapped('hello');
    const unwrap = createUnwrap({ identity: owner, isOwner: () => true, clock: systemClock });
    const verdict = unwrap(wrap, relay);
    expect(verdict).toMatchObject({
      verdict: 'message',
      message: { id: rumorId, sender: bot.publicKey, text: 'hello' },
    });
  });

  test('tells no stranger who wrote it or when', () => {
    const wraps = Array.from({ length: 40 }, () => wrapped('hello').wrap);
    expect(new Set(wraps.map((wrap) => wrap.pubkey)).size).toBe(40);
    for (const wrap of wraps) {
      expect(verifyEvent(wrap)).toBe(true);
      expect(wrap.kind).toBe(1059);
      expect(wrap.tags).toEqual([['p', owner.publicKey]]);
      expect(JSON.stringify(wrap)).not.toContain(bot.publicKey);
      expect(wrap.created_at).toBeLessThanOrEqual(seconds());
      expect(wrap.created_at).toBeGreaterThan(seconds() - 2 * DAY_S - 10);
    }
    const times = wraps.map((wrap) => wrap.created_at);
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(DAY_S / 2);
  });

  test('dates seal and wrap apart', () => {
    const draws = [0.25, 0.75];
    const { seal, wrap } = wrapped('hello', () => draws.shift() ?? 0);
    expect(Math.abs(seal.created_at - (seconds() - DAY_S / 2))).toBeLessThan(10);
    expect(Math.abs(wrap.created_at - (seconds() - 1.5 * DAY_S))).toBeLessThan(10);
  });

  test('has a signed seal without tags inside', () => {
    const { seal, wrap } = wrapped('hello');
    const key = conversationKey(owner.secretKey, publicKeyOf(owner.secretKey));
    expect(() => decrypt(wrap.content, key)).toThrow();
    expect(seal.kind).toBe(13);
    expect(seal.tags).toEqual([]);
    expect(seal.pubkey).toBe(bot.publicKey);
    expect(verifyEvent(seal)).toBe(true);
  });

  test('is not made for more than every client can read', () => {
    expect(() => wrapped('x'.repeat(70_000))).toThrow(PlaintextSizeError);
    // It is the seal inside the wrap that grows beyond it here.
    expect(() => wrapped('x'.repeat(60_000))).toThrow(PlaintextSizeError);
  });

  test('can be wrapped again, dated now, with the same message in it', () => {
    const first = wrapped('hello', () => 0.99);
    const again = rewrapNow(first.seal, { to: owner.publicKey, relayHint: relay, clock: systemClock });
    expect(verifyEvent(again)).toBe(true);
    expect(again.id).not.toBe(first.wrap.id);
    expect(again.pubkey).not.toBe(first.wrap.pubkey);
    expect(again.tags).toEqual([['p', owner.publicKey, relay]]);
    expect(Math.abs(again.created_at - seconds())).toBeLessThan(10);
    expect(unwrapEvent(again, owner.secretKey).id).toBe(first.rumorId);
  });

  test('carries a reaction that rust-nostr reads', async () => {
    const target = signEvent(message('do it'), owner.secretKey);
    const { wrap } = giftWrap(
      {
        kind: 7,
        created_at: seconds(),
        tags: [
          ['e', target.id],
          ['p', owner.publicKey],
          ['k', '14'],
        ],
        content: '👀',
      },
      { from: bot, to: owner.publicKey, clock: systemClock, random: seededRandom(1) },
    );
    const signer = NostrSigner.keys(Keys.parse(Buffer.from(owner.secretKey).toString('hex')));
    const { rumor } = await UnwrappedGift.fromGiftWrap(signer, Event.fromJson(JSON.stringify(wrap)));
    expect(rumor.kind.asU16()).toBe(7);
    expect(rumor.content).toBe('👀');
    expect(rumor.tags.map((tag) => tag.asVec())).toEqual([
      ['e', target.id],
      ['p', owner.publicKey],
      ['k', '14'],
    ]);
  });
});
