import type { FurtherCheck } from '@nostr-dm-agent/cashu-wallet';
import { isOfUserKey } from './paid-run.ts';
import type { PaidRunStore } from './paid-run-store.ts';

/**
 * What a check says of paid runs where no bot is running that could ask their nodes (`check-runs.ts`): those whose money
 * may be at a node, kept there on purpose or not. Users' keys are asked about (`checkUserKeys`).
 */
export const nameOpenRuns =
  (store: Pick<PaidRunStore, 'open'>): FurtherCheck =>
  async ({ skip }) => {
    for (const run of store.open()) {
      if (isOfUserKey(run)) continue;
      const { id, node, body, ticket } = run;
      skip({ what: 'run', run: id, node, amount: 'out' in body ? body.out : ticket.budget, why: 'no_bot' });
    }
  };
