import { type Clock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Identity, NostrEvent, PublicKey, PublishOutcome, Relay } from '@nostr-dm-agent/nostr';
import { createRumor, createSeal, createWrap, unwrapEvent } from 'nostr-tools/nip59';
import {
  type Answer,
  asksOwner,
  isComplete,
  isPassedOn,
  noAnswer,
  withReaction,
  withText,
} from './answer.ts';

export type BotMessage =
  | { readonly type: 'text'; readonly text: string; readonly about: string | undefined }
  | { readonly type: 'reaction'; readonly reaction: string; readonly about: string | undefined };

/** A message on its way. Neither promise rejects for anything but the caller's signal. */
export type SentMessage = {
  /** Id of the rumor: what the bot's answer refers to. */
  readonly id: string;
  readonly delivered: Promise<PublishOutcome>;
  /**
   * Resolves once the whole answer was handed to `onMessage`: for a task that asks its owner something, with what it asks;
   * for the word that goes on with it, when the task is done or asks again.
   */
  readonly answered: Promise<void>;
};

export type ChatClient = {
  readonly send: (text: string) => SentMessage;
};

export type ChatClientOptions = {
  /** Whoever opened it closes it. */
  readonly relay: Relay;
  /** The owner's. */
  readonly identity: Identity;
  readonly bot: PublicKey;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onMessage: (message: BotMessage) => void;
};

const publishMs = 30_000;
/** Gift wraps are dated back by up to two days (NIP-59). */
const wrapWindowS = 3 * 24 * 60 * 60;

/**
 * A small NIP-17 client for one conversation. It shares nothing with the bot but the relay connection: what it
 * understands, another client will. Ends with the signal.
 */
export function createChatClient(options: ChatClientOptions, signal: AbortSignal): ChatClient {
  const { relay, identity, bot, clock, log } = options;
  const answers = new Map<string, { answer: Answer; complete: () => void }>();
  /** Tasks that wait for their owner's word, until they are done or ask again. */
  const asked = new Map<string, Promise<void>>();
  const seen = new Set<string>();
  let lastCreatedAt = 0;

  const change = (about: string | undefined, next: (answer: Answer) => Answer): void => {
    const entry = about === undefined ? undefined : answers.get(about);
    if (about === undefined || entry === undefined) return;
    entry.answer = next(entry.answer);
    if (!isComplete(entry.answer)) return;
    answers.delete(about);
    asked.delete(about);
    entry.complete();
  };
  const hear = (about: string | undefined, text: string): void => {
    const entry = about === undefined ? undefined : answers.get(about);
    if (about !== undefined && entry !== undefined && asksOwner(text)) {
      const { complete } = entry;
      const { promise, resolve } = Promise.withResolvers<void>();
      entry.complete = resolve;
      asked.set(about, promise);
      complete();
    } else if (entry !== undefined && isPassedOn(text)) {
      const { complete } = entry;
      entry.complete = () => void Promise.all(asked.values()).then(() => complete());
    }
    change(about, (answer) => withText(answer, text));
  };

  const receive = (wrap: NostrEvent): void => {
    if (seen.has(wrap.id)) return;
    seen.add(wrap.id);
    let rumor: ReturnType<typeof unwrapEvent>;
    try {
      rumor = unwrapEvent(wrap, identity.secretKey);
    } catch (error) {
      log.debug({ error, wrap: wrap.id }, 'a gift wrap can not be opened');
      return;
    }
    if (rumor.pubkey !== bot || seen.has(rumor.id)) return;
    seen.add(rumor.id);
    const about = rumor.tags.find(([name]) => name === 'e')?.[1];
    if (rumor.kind === 7) {
      options.onMessage({ type: 'reaction', reaction: rumor.content, about });
      change(about, (answer) => withReaction(answer, rumor.content));
    } else if (rumor.kind === 14) {
      options.onMessage({ type: 'text', text: rumor.content, about });
      hear(about, rumor.content);
    }
  };

  // The relay keeps gift wraps: what is sent before it serves this subscription comes with it.
  relay.subscribe(
    {
      filters: () => [{ kinds: [1059], '#p': [identity.publicKey], since: unixSeconds(clock) - wrapWindowS }],
      known: (id) => seen.has(id),
      onEvent: receive,
    },
    signal,
  );

  const send = (text: string): SentMessage => {
    // The same text twice in one second would be the same rumor, which a bot acts on once.
    lastCreatedAt = Math.max(unixSeconds(clock), lastCreatedAt + 1);
    const tags = [['p', bot, relay.url]];
    const template = { kind: 14, content: text, created_at: lastCreatedAt, tags };
    const rumor = createRumor(template, identity.secretKey);
    const wrap = createWrap(createSeal(rumor, identity.secretKey, bot), bot);
    const { promise: answered, resolve: complete } = Promise.withResolvers<void>();
    answers.set(rumor.id, { answer: noAnswer, complete });
    return { id: rumor.id, delivered: relay.publish(wrap, publishMs, signal), answered };
  };

  return { send };
}
