import type { EventId, PublicKey, RelayUrl } from '@nostr-dm-agent/nostr';
import { z } from 'zod';

/** Columns that several tables share. What is in them passed its check when it was written. */
export const publicKeyColumn = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((value) => value as PublicKey);

export const eventIdColumn = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((value) => value as EventId);

export const relayUrlColumn = z
  .string()
  .regex(/^wss?:\/\//)
  .transform((value) => value as RelayUrl);
