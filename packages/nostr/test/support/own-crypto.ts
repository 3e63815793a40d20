/** What is written by hand beside nostr-tools, for `bench/unwrap.ts` to hold against it. */
export { eventHash, verifyEvent } from '../../src/event.ts';
export { sharedX } from '../../src/wrap/ecdh.ts';
export { giftWrap } from '../../src/wrap/gift-wrap.ts';
export * as nip04 from '../../src/wrap/nip04.ts';
export * as nip44 from '../../src/wrap/nip44.ts';
