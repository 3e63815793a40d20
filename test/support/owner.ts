import { until } from '@nostr-dm-agent/kit/testing/until';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { NostrEvent } from 'nostr-tools/core';
import * as nip04 from 'nostr-tools/nip04';
import * as nip59 from 'nostr-tools/nip59';
import { finalizeEvent, generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { z } from 'zod';

/** What the bot said: a text, or a reaction. */
export type Said = {
  readonly id: string;
  readonly kind: number;
  readonly text: string;
  /** The message that it answers or reacts to. */
  readonly about: string | undefined;
  /** When it reached the owner. */
  readonly at: number;
};

const frame = z.tuple([z.string()]).rest(z.unknown());
const eventShape = z.looseObject({
  id: z.string(),
  pubkey: z.string(),
  created_at: z.number(),
  kind: z.number(),
  content: z.string(),
  tags: z.array(z.array(z.string())),
  sig: z.string(),
});

/**
 * An owner on the phone: an independent client on nostr-tools and a plain WebSocket. Uses nothing of `src/`, so that
 * a mistake there is not made twice.
 */
export async function createOwner(
  relayUrl: string,
  bot: string,
  secretKey: Uint8Array = generateSecretKey(),
) {
  const publicKey = getPublicKey(secretKey);
  const said: Said[] = [];
  const seen = new Set<string>();
  const accepted = new Set<string>();
  let socket: WebSocket;
  let closed = false;

  const receive = (event: NostrEvent) => {
    if (seen.has(event.id)) return;
    seen.add(event.id);
    // @nostr-relay/core sends every event of the kind, whomever it is for.
    if (!event.tags.some(([name, key]) => name === 'p' && key === publicKey)) return;
    const at = performance.now();
    if (event.kind === 4) {
      if (event.pubkey !== bot) return;
      const text = nip04.decrypt(secretKey, event.pubkey, event.content);
      const about = event.tags.find(([name]) => name === 'e')?.[1];
      said.push({ id: event.id, kind: 4, text, about, at });
      return;
    }
    const rumor = nip59.unwrapEvent(event, secretKey);
    if (rumor.pubkey !== bot) return;
    const about = rumor.tags.find(([name]) => name === 'e')?.[1];
    said.push({ id: rumor.id, kind: rumor.kind, text: rumor.content, about, at });
  };

  const connect = () =>
    new Promise<void>((resolve) => {
      socket = new WebSocket(relayUrl);
      socket.onopen = () => {
        socket.send(JSON.stringify(['REQ', 'dm', { kinds: [1059, 4], '#p': [publicKey] }]));
        resolve();
      };
      socket.onmessage = ({ data }) => {
        const [type, first, second] = frame.parse(JSON.parse(String(data)));
        if (type === 'EVENT') receive(eventShape.parse(second));
        if (type === 'OK' && second === true) accepted.add(String(first));
      };
      socket.onclose = () => {
        if (!closed) setTimeout(() => connect(), 100);
      };
    });
  await connect();

  const publish = async (event: NostrEvent) => {
    const deliver = () => {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(['EVENT', event]));
    };
    deliver();
    const again = setInterval(deliver, 1000);
    await until(() => accepted.has(event.id), 'the relay takes the message').finally(() =>
      clearInterval(again),
    );
  };

  const now = () => Math.floor(Date.now() / 1000);
  const rumorOf = (text: string, options: { kind?: number; tags?: string[][]; createdAt?: number } = {}) =>
    nip59.createRumor(
      {
        kind: options.kind ?? 14,
        content: text,
        // The same words twice in a second would be one rumor.
        tags: [['p', bot], ...(options.tags ?? []), ['client', crypto.randomUUID()]],
        created_at: options.createdAt ?? now(),
      },
      secretKey,
    );

  return {
    publicKey: publicKey as PublicKey,
    secretKey,
    said,
    publish,
    /** Sends a NIP-17 DM; resolves with its rumor id once the relay has it. */
    send: async (text: string, options: Parameters<typeof rumorOf>[1] = {}) => {
      const rumor = rumorOf(text, options);
      const seal = nip59.createSeal(rumor, secretKey, bot);
      await publish(nip59.createWrap(seal, bot));
      return rumor.id;
    },
    /** The same rumor, in as many wraps as asked for. */
    wraps: (text: string, count: number, options: Parameters<typeof rumorOf>[1] = {}) => {
      const rumor = rumorOf(text, options);
      const wraps = Array.from({ length: count }, () =>
        nip59.createWrap(nip59.createSeal(rumor, secretKey, bot), bot),
      );
      return { id: rumor.id, wraps };
    },
    sendNip04: async (text: string) => {
      const content = nip04.encrypt(secretKey, bot, text);
      const event = finalizeEvent({ kind: 4, content, tags: [['p', bot]], created_at: now() }, secretKey);
      await publish(event);
      return event.id;
    },
    /** The first text about this message that matches. */
    answer: async (about: string, pattern: RegExp = /./, ms = 30_000): Promise<Said> => {
      const find = () => said.find((one) => one.kind !== 7 && one.about === about && pattern.test(one.text));
      await until(() => find() !== undefined, `an answer like ${pattern}; said: ${JSON.stringify(said)}`, ms);
      const found = find();
      if (found === undefined) throw new Error('gone');
      return found;
    },
    heard: async (pattern: RegExp, ms = 30_000): Promise<Said> => {
      const find = () => said.find((one) => one.kind !== 7 && pattern.test(one.text));
      await until(() => find() !== undefined, `a message like ${pattern}; said: ${JSON.stringify(said)}`, ms);
      const found = find();
      if (found === undefined) throw new Error('gone');
      return found;
    },
    reaction: (about: string, reaction: string, ms = 30_000) =>
      until(
        () => said.some((one) => one.kind === 7 && one.about === about && one.text === reaction),
        `a ${reaction}; said: ${JSON.stringify(said)}`,
        ms,
      ),
    texts: () => said.filter(({ kind }) => kind !== 7).map(({ text }) => text),
    close: () => {
      closed = true;
      socket.close();
    },
  };
}

export type TestOwner = Awaited<ReturnType<typeof createOwner>>;
