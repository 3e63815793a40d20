import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { parsePublicKey } from '@nostr-dm-agent/nostr/keys';
import { type Event, verifyEvent } from 'nostr-tools/pure';
import { z } from 'zod';
import { hashOf, newSecret, type RandomBytes } from './secrets.ts';

/** HTTP Auth, NIP-98. */
const httpAuthKind = 27235;
/** NIP-98: 60 s are suggested; a phone's clock may be a little off. */
const ageMs = 60_000;
const mostChallenges = 200;

const httpAuth = z.object({
  id: z.string().length(64),
  pubkey: z.string().regex(/^[0-9a-f]{64}$/),
  created_at: z.int(),
  kind: z.literal(httpAuthKind),
  tags: z.array(z.array(z.string().max(2_000)).max(10)).max(20),
  content: z.string().max(2_000),
  sig: z.string().length(128),
});

/** Signing in with a Nostr extension (NIP-07): it signs for one address, one moment and one challenge (NIP-98). */
export type NostrSignIn = {
  /** What the event is to carry in its `challenge` tag; good for one time and five minutes. */
  readonly challenge: () => string;
  /** Who signed; undefined: it is not right in some way, which is nobody's business. */
  readonly verify: (event: unknown, url: string) => PublicKey | undefined;
};

export function createNostrSignIn(clock: Clock, randomBytes: RandomBytes): NostrSignIn {
  const challenges = new Map<string, number>();
  const tidy = () => {
    for (const [hash, until] of challenges)
      if (until <= clock.now() || challenges.size > mostChallenges) challenges.delete(hash);
  };
  return {
    challenge: () => {
      const secret = newSecret(randomBytes);
      challenges.set(hashOf(secret), clock.now() + 5 * 60_000);
      tidy();
      return secret;
    },
    verify: (given, url) => {
      tidy();
      const parsed = httpAuth.safeParse(given);
      if (!parsed.success) return undefined;
      const event: Event = parsed.data;
      const valuesOf = (name: string) =>
        event.tags.filter((tag) => tag[0] === name).map((tag) => tag[1] ?? '');
      const only = (name: string): string | undefined => {
        const values = valuesOf(name);
        return values.length === 1 ? values[0] : undefined;
      };
      // Used up whatever else is wrong: it can't be tried again.
      const fresh = challenges.delete(hashOf(only('challenge') ?? ''));
      const right =
        fresh &&
        only('u') === url &&
        only('method')?.toUpperCase() === 'POST' &&
        Math.abs(clock.now() - event.created_at * 1000) <= ageMs &&
        verifyEvent(event);
      return right ? parsePublicKey(event.pubkey) : undefined;
    },
  };
}
