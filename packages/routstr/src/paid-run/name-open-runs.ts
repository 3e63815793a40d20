import type { FurtherCheck } from '@nostr-dm-agent/cashu-wallet';
import type { PaidRunStore } from './paid-run-store.ts';

/**
 * What a check says of paid runs where no bot is running that could ask their nodes (`check-runs.ts`): those whose money
 * may be at a node, kept there on purpose or not.
 */
export const nameOpenRuns =
  (store: Pick<PaidRunStore, 'open'>): FurtherCheck =>
  async ({ skip }) => {
    for (const { id, node, body, ticket } of store.open()) {
      skip({ what: 'run', run: id, node, amount: 'out' in body ? body.out : ticket.budget, why: 'no_bot' });
    }
  };
