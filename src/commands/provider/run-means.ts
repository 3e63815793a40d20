import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { type BudgetRefusal, minimumBudget } from '@nostr-dm-agent/routstr';
import type { Owner } from '../../config/config.ts';
import { budgetRefusal } from '../../replies/routstr/paid-run-replies.ts';
import type { CommandDeps } from '../command-deps.ts';

/** What the next run of an owner may spend, and on what. */
export type RunMeans = {
  readonly budget: Sat;
  /** Ready in the wallet, at all mints; their share of it where shares are kept apart. */
  readonly ready: Sat;
  readonly source: 'Wallet' | 'Your share';
  /** As the owner chose it; undefined: the default of the configuration. */
  readonly chosenModel: string | undefined;
  /** The node's model that their next run uses; undefined: it is not known. */
  readonly model: { readonly id: string; readonly minimum: Sat } | undefined;
  /** Why that run would not begin. */
  readonly refusal: BudgetRefusal | undefined;
};

/** From the disk. @throws NoWalletError */
export function meansOf(
  { money, currentSessions }: Pick<CommandDeps, 'money' | 'currentSessions'>,
  { publicKey: owner }: Owner,
): RunMeans {
  const { routstr } = money;
  const share = money.shares.of(owner);
  const { ready } = money.wallet.wallet().balance();
  const budget = routstr.budget();
  const chosenModel = currentSessions.choices(owner).model;
  const model = routstr.modelOf(chosenModel);
  return {
    budget,
    ready: share?.available ?? ready,
    source: share === undefined ? 'Wallet' : 'Your share',
    chosenModel,
    model: model && { id: model.id, minimum: sat(minimumBudget(model)) },
    refusal: routstr.provider().refusalOf({ owner, model: model?.id, budget }),
  };
}

/** A line when the owner's next run would not begin. */
export const warningOf = ({ refusal }: RunMeans): string | undefined =>
  refusal && `⚠ As it is, no run begins. ${budgetRefusal(refusal)}`;
