import { nullable } from '@nostr-dm-agent/kit/sqlite';
import { z } from 'zod';
import type { LedgerEntry, SpendSummary } from '../wallet-types.ts';
import { satSchema } from './stored-proof.ts';

export const ledgerColumns = `id, ts, provider, budget_sats AS budget, refund_sats AS refund, spent_sats AS spent, fee_sats AS fee,
  model, session_id AS sessionId, prompt_prefix AS promptPrefix, state, node_url AS nodeUrl, owner`;
export const ledgerRow: z.ZodType<LedgerEntry> = z.object({
  id: z.number(),
  ts: z.number(),
  provider: z.string(),
  budget: satSchema,
  refund: satSchema,
  spent: satSchema,
  fee: satSchema,
  model: nullable(z.string()),
  sessionId: nullable(z.string()),
  promptPrefix: z.string(),
  state: z.string(),
  nodeUrl: nullable(z.string()),
  owner: nullable(z.string()),
});

export const summaryRow: z.ZodType<SpendSummary> = z.object({
  day: z.string(),
  owner: nullable(z.string()),
  model: nullable(z.string()),
  runs: z.number(),
  spent: satSchema,
  open: satSchema,
});
