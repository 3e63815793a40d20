import {
  InsufficientFundsError,
  MintError,
  SpentElsewhereError,
  UnfinishedOperationError,
} from '@nostr-dm-agent/cashu-wallet';
import { formatSat } from '@nostr-dm-agent/kit/sat';
import * as words from '../../../../src/replies/routstr/paid-run.ts';
import { issueToken } from './deposit.ts';
import type { PaidRunDeps } from './deps.ts';
import { isIn, type PaidRun, type PaidRunIn } from './paid-run.ts';
import { PaidRunStateError } from './store.ts';

/** The row with its token, or what the owner reads when there is none. */
export async function issueOrExplain(
  deps: PaidRunDeps,
  created: PaidRun,
  signal: AbortSignal,
): Promise<PaidRunIn<'token_issued'> | string> {
  if (!isIn(created, 'created')) throw new PaidRunStateError(created.id, created.body.state);
  let issued: PaidRun;
  try {
    issued = await issueToken(deps, created, signal);
  } catch (error) {
    const reason = signal.aborted ? undefined : whyNoToken(error, created.ticket.purpose === 'run');
    if (reason === undefined) throw error;
    deps.log.warn({ run: created.id, error }, 'no budget token was made');
    return reason;
  }
  if (!isIn(issued, 'token_issued')) throw new PaidRunStateError(issued.id, issued.body.state);
  return issued;
}

/** What the owner reads when there was no token; undefined: nothing that he could do something about. */
function whyNoToken(error: unknown, forRun: boolean): string | undefined {
  if (error instanceof InsufficientFundsError) {
    const { have, need } = error;
    return forRun
      ? words.budgetRefusal({ kind: 'short', have, need })
      : `The wallet has ${formatSat(have)} ready; this needs ${formatSat(need)}, fees included. !wallet topup ${Math.max(1, need - have)} makes an invoice.`;
  }
  if (error instanceof MintError) {
    return forRun
      ? words.mintAway(error.mint)
      : `The mint ${words.mintText(error.mint)} can’t be used right now. Nothing was spent; try it again later.`;
  }
  if (error instanceof UnfinishedOperationError || error instanceof SpentElsewhereError) {
    return forRun
      ? words.tokenUnfinished
      : 'The mint did not say whether the token was made. Nothing went to the node; the money is looked after, see !wallet pending.';
  }
  return undefined;
}
