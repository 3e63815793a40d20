import { z } from 'zod';
import type { EventTemplate, NostrEvent, RelayUrl } from '../nostr-types.ts';

/** Profile, NIP-65 relay list, NIP-17 DM relays, and the file servers of BUD-03 where there are any. */
export const announcedKinds = [0, 10002, 10050, 10063] as const;
export type AnnouncedKind = (typeof announcedKinds)[number];

/** What the profile says where nobody has said anything else. */
export type BotProfile = {
  readonly name: string;
  readonly about: string;
  /** Lightning address that zaps go to. Its operator has set it: it is said whatever else is. Absent: what is there stays. */
  readonly lud16?: string;
};

export type Content = Pick<EventTemplate, 'content' | 'tags'>;

/** NIP-17 wants one to three. */
const MAX_DM_RELAYS = 3;

/** What the event of a kind has to say, given the newest one that there is; `as it is` when that one says it. */
export function wantedContent(
  kind: AnnouncedKind,
  newest: NostrEvent | undefined,
  ours: {
    readonly own: readonly RelayUrl[];
    readonly profile: BotProfile;
    readonly fileServers?: readonly string[];
  },
): Content | 'as it is' {
  switch (kind) {
    case 0:
      return wantedProfile(newest, ours.profile);
    case 10002:
      return wantedList('r', ours.own, newest);
    case 10050:
      return wantedList('relay', ours.own.slice(0, MAX_DM_RELAYS), newest);
    case 10063:
      return wantedList('server', ours.fileServers ?? [], newest);
  }
}

function wantedList(name: string, urls: readonly string[], newest: NostrEvent | undefined) {
  const tags = urls.map((url) => [name, url]);
  const stated = newest?.tags.filter(([tag]) => tag === name);
  return JSON.stringify(stated) === JSON.stringify(tags) ? 'as it is' : { content: '', tags };
}

/** Of any client's making; only what is looked at is named. */
const profileShape = z.looseObject({ name: z.unknown().optional(), bot: z.unknown().optional() });

/** Everything that somebody has written into the profile stays; what is missing is the name, that it is a bot, or where zaps go. */
function wantedProfile(newest: NostrEvent | undefined, profile: BotProfile): Content | 'as it is' {
  const stated = profileIn(newest);
  if (stated === undefined) {
    return { content: JSON.stringify({ ...profile, bot: true }), tags: newest?.tags ?? [] };
  }
  const named = typeof stated.name === 'string' && stated.name.trim() !== '';
  const { lud16 = stated.lud16 } = profile;
  if (named && stated.bot === true && stated.lud16 === lud16) return 'as it is';
  const name = named ? stated.name : profile.name;
  const merged = { ...stated, name, bot: true, ...(lud16 === undefined ? {} : { lud16 }) };
  return { content: JSON.stringify(merged), tags: newest?.tags ?? [] };
}

/** Undefined when there is none, or one that no client can read. */
function profileIn(event: NostrEvent | undefined): z.infer<typeof profileShape> | undefined {
  if (event === undefined) return undefined;
  try {
    return profileShape.safeParse(JSON.parse(event.content)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
