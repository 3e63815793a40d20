import { expect, test } from 'bun:test';
import { generateSecretKey, publicKeyOf, signEvent } from '../src/event.ts';
import { watchRelayLists } from '../src/lists/watch-lists.ts';
import type { NostrEvent } from '../src/nostr-types.ts';
import type { Relay } from '../src/relay/relay.ts';
import { silentLogger } from './support/relay-client.ts';
import { createScriptedRelay } from './support/scripted-relay.ts';

test('a relay that sends the lists of others than those who were asked for is not listened to', () => {
  const [asked, other] = [generateSecretKey(), generateSecretKey()];
  const listOf = (secretKey: Uint8Array): NostrEvent =>
    signEvent(
      { kind: 10050, created_at: 1_000, tags: [['relay', 'wss://a.example']], content: '' },
      secretKey,
    );
  const scripted = createScriptedRelay('own');
  const relay: Relay = {
    ...scripted,
    subscribe: ({ onEvent }) => {
      for (const list of [listOf(other), listOf(asked)]) onEvent(list, scripted.url);
    },
  };
  const heard: string[] = [];
  using ending = new DisposableStack();
  const stop = ending.adopt(new AbortController(), (controller) => controller.abort());
  watchRelayLists({
    relays: { own: [relay], borrow: (_, use) => use(relay) },
    indexers: [],
    inboxOf: () => [],
    onEvent: ({ pubkey }) => heard.push(pubkey),
    log: silentLogger,
    signal: stop.signal,
  }).touch(publicKeyOf(asked));
  expect<readonly string[]>(heard).toEqual([publicKeyOf(asked)]);
});
