import { z } from 'zod';
import { isSignedEvent } from './relay-event.ts';
import type { Filter, NostrEvent } from './relay-types.ts';

const filterShape = z
  .object({
    ids: z.array(z.string()).optional(),
    authors: z.array(z.string()).optional(),
    kinds: z.array(z.int()).optional(),
    since: z.int().optional(),
    until: z.int().optional(),
    limit: z.int().nonnegative().optional(),
  })
  .catchall(z.array(z.string()));

const filter = z.custom<Filter>((value) => filterShape.safeParse(value).success);
const event = z.custom<NostrEvent>(isSignedEvent);
const subscriptionId = z.string().min(1).max(64);

const clientMessage = z.union([
  z.tuple([z.literal('EVENT'), event]),
  z.tuple([z.literal('REQ'), subscriptionId]).rest(filter),
  z.tuple([z.literal('CLOSE'), subscriptionId]),
  z.tuple([z.literal('AUTH'), event]),
]);

/** What a client sends to a relay (NIP-01, NIP-42). */
export type ClientMessage = z.infer<typeof clientMessage>;

/** Reads a frame of a client; undefined when it isn't one of NIP-01. */
export function parseClientMessage(frame: string): ClientMessage | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(frame);
  } catch {
    // Answered with a NOTICE, like any other frame that is none.
    return undefined;
  }
  return clientMessage.safeParse(parsed).data;
}
