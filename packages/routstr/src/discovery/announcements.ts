import { type Clock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import { isLoopbackHost, isReachable, mayBePlain } from '@nostr-dm-agent/kit/net';
import type { Filter } from 'nostr-tools/filter';
import type { NostrEvent } from 'nostr-tools/pure';
import { z } from 'zod';

/** A service that somebody announces (kind 38421, RIP-02). Every text in it is its author's: short, and on one line. */
export type NodeAnnouncement = {
  /** Hex. */
  readonly author: string;
  /** Unix seconds. */
  readonly createdAt: number;
  /** Where it says that it is. At least one; https, or http on this machine where that is permitted. */
  readonly urls: readonly string[];
  readonly mints: readonly string[];
  readonly version: string | undefined;
  readonly name: string | undefined;
};

/** The newest word of a reviewer about an announcer (kind 38425). */
export type NodeReview = { readonly about: string; readonly labels: readonly string[] };

export type NodeBulletins = {
  readonly announcements: readonly NodeAnnouncement[];
  readonly reviews: readonly NodeReview[];
  /** False: no relay answered, so what is missing may exist. */
  readonly complete: boolean;
};

export type NodeBoard = {
  /** What was read in the last minutes, else what the relays say now. Never rejects but with the signal's reason. */
  readonly read: (signal: AbortSignal) => Promise<NodeBulletins>;
};

export type NodeBoardOptions = {
  /**
   * What each relay that could be asked answers, signatures checked; a relay that can't be asked is left out.
   * Rejects only with the signal's reason.
   */
  readonly query: (
    filters: readonly Filter[],
    signal: AbortSignal,
  ) => Promise<readonly (readonly NostrEvent[])[]>;
  /** Whose reviews count: a public key in hex. */
  readonly reviewer: string;
  readonly allowLoopback: boolean;
  readonly clock: Clock;
};

/** Where nodes are announced (routstr-core's default). */
export const NODE_RELAYS: readonly string[] = [
  'wss://relay.damus.io',
  'wss://nos.lol',
  'wss://relay.routstr.com',
];

/** The key that signs Routstr's reviews. */
export const ROUTSTR_REVIEWER = '4ad6fa2d16e2a9b576c863b4cf7404a70d4dc320c0c447d10ad6ff58993eacc8';

const ANNOUNCEMENT = 38421;
const REVIEW = 38425;
const keepMs = 5 * 60_000;
/** An author decides how much he writes; this much of it is looked at. */
const most = { content: 8_192, tags: 100, urls: 4, url: 200, mints: 20, name: 60, label: 30, nodes: 200 };
/** A clock may be wrong by this much, in seconds; what is dated later is not believed. */
const aheadSeconds = 3_600;

/** Keeps what relays say of nodes for a few minutes. */
export function createNodeBoard(options: NodeBoardOptions): NodeBoard {
  const { reviewer, clock } = options;
  const filters: readonly Filter[] = [
    { kinds: [ANNOUNCEMENT], limit: 300 },
    { kinds: [REVIEW], authors: [reviewer], limit: 500 },
  ];
  let last: { readonly at: number; readonly bulletins: NodeBulletins } | undefined;

  return {
    read: async (signal) => {
      signal.throwIfAborted();
      const age = last === undefined ? undefined : clock.now() - last.at;
      if (last !== undefined && age !== undefined && age >= 0 && age < keepMs) return last.bulletins;
      const answers = await options.query(filters, signal);
      signal.throwIfAborted();
      const bulletins = {
        ...readBulletins(answers.flat(), {
          reviewer,
          allowLoopback: options.allowLoopback,
          now: unixSeconds(clock),
        }),
        complete: answers.length > 0,
      };
      if (bulletins.complete) last = { at: clock.now(), bulletins };
      return bulletins;
    },
  };
}

/**
 * What verified events say: of each announcer the newest announcement by its `d` tag, of the reviewer the newest review
 * of each. Other projects use the same kinds; what has no usable `u` tag is none of ours.
 */
export function readBulletins(
  events: readonly NostrEvent[],
  rules: { readonly reviewer: string; readonly allowLoopback: boolean; readonly now: number },
): Pick<NodeBulletins, 'announcements' | 'reviews'> {
  const newest = new Map<string, NostrEvent>();
  for (const event of events) {
    if (event.created_at > rules.now + aheadSeconds) continue;
    const about =
      event.kind === ANNOUNCEMENT
        ? `node ${event.pubkey} ${tagOf(event, 'd') ?? ''}`
        : event.kind === REVIEW && event.pubkey === rules.reviewer
          ? `review ${tagOf(event, 'node') ?? ''}`
          : undefined;
    if (about === undefined) continue;
    const known = newest.get(about);
    if (known === undefined || isNewer(event, known)) newest.set(about, event);
  }
  const ordered = [...newest.values()].sort((a, b) => b.created_at - a.created_at);
  return {
    announcements: ordered.flatMap((event) => parseAnnouncement(event, rules) ?? []).slice(0, most.nodes),
    reviews: ordered.flatMap(parseReview),
  };
}

/** Undefined for what does not announce a node that can be reached. */
function parseAnnouncement(
  event: NostrEvent,
  permitted: { readonly allowLoopback: boolean },
): NodeAnnouncement | undefined {
  if (event.kind !== ANNOUNCEMENT) return undefined;
  const urls = tagsOf(event, 'u').flatMap((text) => readServiceUrl(text, permitted) ?? []);
  if (urls.length === 0) return undefined;
  const content = readContent(event.content);
  return {
    author: event.pubkey,
    createdAt: event.created_at,
    urls: [...new Set(urls)].slice(0, most.urls),
    mints: tagsOf(event, 'mint')
      .filter(({ length }) => length <= most.url)
      .slice(0, most.mints),
    version: oneLine(tagOf(event, 'version')),
    name: oneLine(content?.name),
  };
}

function parseReview(event: NostrEvent): readonly NodeReview[] {
  const about = tagOf(event, 'node');
  if (event.kind !== REVIEW || about === undefined) return [];
  return [{ about, labels: tagsOf(event, 't').map((label) => label.slice(0, most.label).toLowerCase()) }];
}

/**
 * The address of a service that somebody else chose: https and on the public internet, or an onion service where there is a
 * proxy. A DNS name may still lead inside: the network guard looks.
 */
function readServiceUrl(text: string, permitted: { readonly allowLoopback: boolean }): string | undefined {
  if (text.length > most.url) return undefined;
  const url = URL.parse(text.trim());
  if (url === null || url.username !== '' || url.password !== '' || url.search !== '') return undefined;
  const here = permitted.allowLoopback && isLoopbackHost(url.hostname);
  const permittedScheme =
    url.protocol === 'https:' || (url.protocol === 'http:' && (here || mayBePlain(url.hostname)));
  if (!permittedScheme || !(here || isReachable(url.hostname))) return undefined;
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

const contentShape = z.object({ name: z.string().optional().catch(undefined) });

function readContent(text: string): z.infer<typeof contentShape> | undefined {
  if (text.length > most.content) return undefined;
  try {
    return contentShape.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Without what would break a line, turn it round or hide in it. */
function oneLine(text: string | undefined): string | undefined {
  const plain = text
    ?.slice(0, most.name * 4)
    .replace(/[\p{C}\p{Z}\s]+/gu, ' ')
    .trim();
  return plain === undefined || plain === '' ? undefined : [...plain].slice(0, most.name).join('');
}

const tagsOf = (event: NostrEvent, name: string): readonly string[] =>
  event.tags
    .slice(0, most.tags)
    .flatMap(([tag, value]) => (tag === name && value !== undefined && value !== '' ? [value] : []));
const tagOf = (event: NostrEvent, name: string): string | undefined => tagsOf(event, name)[0];

/** NIP-01: of two at the same time, the one with the lower id. */
const isNewer = (a: NostrEvent, b: NostrEvent): boolean =>
  a.created_at === b.created_at ? a.id < b.id : a.created_at > b.created_at;
