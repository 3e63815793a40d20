import { afterEach, describe, expect, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startNostrRelayCore } from '@nostr-dm-agent/nostr/testing/nostr-relay-core';
import { startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import {
  Client,
  Duration,
  Filter,
  Keys,
  Kind,
  loadWasmSync,
  NostrSigner,
  PublicKey,
  UnwrappedGift,
} from '@rust-nostr/nostr-sdk';
import { startTestBot, type TestBot } from '../support/bot.ts';

loadWasmSync();

let bot: TestBot;
let stopRelay: () => Promise<void>;
afterEach(async () => {
  await bot.cleanUp();
  await stopRelay();
});

/** The owner's phone runs rust-nostr: its own NIP-44, NIP-59, NIP-42 and relay pool. */
async function rustOwner(relay: string, keys: Keys) {
  const client = new Client(NostrSigner.keys(Keys.parse(keys.secretKey.toHex())));
  client.automaticAuthentication(true);
  await client.addRelay(relay);
  await client.connect();
  const inbox = new Filter().kind(new Kind(1059)).pubkey(keys.publicKey);
  const read = async () => {
    const events = await client.fetchEvents(inbox, Duration.fromSecs(3));
    // @nostr-relay/core sends every event of the kind, whomever it is for.
    const mine = events
      .toVec()
      .filter((event) => event.asJson().includes(`["p","${keys.publicKey.toHex()}"`));
    return await Promise.all(
      mine.map(async (event) => {
        const gift = await UnwrappedGift.fromGiftWrap(
          NostrSigner.keys(Keys.parse(keys.secretKey.toHex())),
          event,
        );
        return { sender: gift.sender.toHex(), kind: gift.rumor.kind.asU16(), text: gift.rumor.content };
      }),
    );
  };
  return {
    send: (text: string) => client.sendPrivateMsgTo([relay], PublicKey.parse(bot.publicKey), text),
    hears: async (pattern: RegExp) => {
      let heard: Awaited<ReturnType<typeof read>> = [];
      await until(
        async () => {
          heard = await read();
          return heard.some(({ text }) => pattern.test(text));
        },
        `rust-nostr reads ${pattern}`,
        30_000,
      );
      return heard;
    },
    stop: () => client.disconnect(),
  };
}

const relays = {
  'the sandbox relay': () => startSandboxRelay(),
  'the sandbox relay with AUTH for everything': () => startSandboxRelay({ auth: 'all' }),
  '@nostr-relay/core': () => startNostrRelayCore(),
  '@nostr-relay/core with AUTH': () => startNostrRelayCore({ auth: true }),
};

describe('an owner with rust-nostr', () => {
  for (const [name, startRelay] of Object.entries(relays)) {
    test(`has a command and a task answered through ${name}`, async () => {
      const relay = startRelay();
      stopRelay = relay.stop;
      const keys = Keys.generate();
      bot = await startTestBot({
        relay,
        env: { BOT_OWNERS: keys.publicKey.toBech32() },
      });
      const owner = await rustOwner(relay.url, keys);
      try {
        await owner.hears(/^Ready/);
        await owner.send('!ping');
        await owner.hears(/^pong/);
        await owner.send('say it in Rust');
        const heard = await owner.hears(/^did: say it in Rust/);
        expect(new Set(heard.map(({ sender }) => sender))).toEqual(new Set([bot.publicKey]));
        const marks = await owner.hears(/^✅$/);
        expect(
          marks
            .filter(({ kind }) => kind === 7)
            .map(({ text }) => text)
            .sort(),
        ).toEqual(['✅', '👀']);
      } finally {
        await owner.stop();
      }
    });
  }
});
