import type { Books, MintUrl } from '@nostr-dm-agent/cashu-wallet';
import { addSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { MeterPrice } from '../meter/metered-run.ts';
import type { OpencodeModel } from '../models/usable-models.ts';
import type { NodeUrl } from '../node/node-url.ts';
import { chooseMint, type MintHoldings, type MintsOf } from './mint-match.ts';
import type { PaidRunStore } from './paid-run-store.ts';

/** What a run of a model costs, as its node says. */
export type ModelTerms = {
  readonly id: string;
  /** `minimumBudget` of `usable-models.ts`. */
  readonly minimum: Sat;
};

/** The owner's settings and the node's prices, as they are when a run begins. */
export type BudgetRules = {
  /** `!provider budget`. */
  readonly budget: () => Sat;
  /** `!provider limit`, per day; undefined: none. */
  readonly dayLimit: () => Sat | undefined;
  /** `!limit`, what this owner may spend per day, beside that; undefined: no limit of his own. */
  readonly ownerLimit?: (owner: string) => Sat | undefined;
  /** What there is for this owner where accounts are kept apart; undefined: all that is in the wallet. */
  readonly ownMoney?: (owner: string) => Sat | undefined;
  /** Beginning of the day that the limit counts in, Unix milliseconds. */
  readonly dayStart: () => number;
  /** undefined: the model is not known, and a run of it is not held back. `model` is without `routstr/`. */
  readonly terms: (model: string | undefined) => ModelTerms | undefined;
  readonly price: (model: string) => MeterPrice | undefined;
  /** Its entry in `opencode.json`, for a run that asks for it. */
  readonly entry?: (model: string) => OpencodeModel | undefined;
  readonly mintsOf?: MintsOf;
};

/** Why a run does not begin. Amounts in sat. */
export type BudgetRefusal =
  | { readonly kind: 'no_budget' }
  | { readonly kind: 'below_minimum'; readonly budget: Sat; readonly minimum: Sat; readonly model: string }
  /** `mint`: where it is missing, when that is not the default mint. */
  | { readonly kind: 'short'; readonly have: Sat; readonly need: Sat; readonly mint?: MintUrl }
  /** More than the wallet takes in. */
  | { readonly kind: 'over_cap'; readonly most: Sat; readonly need: Sat }
  /** There is enough, at a mint that the node does not list. */
  | {
      readonly kind: 'elsewhere';
      readonly node: NodeUrl;
      readonly have: Sat;
      readonly need: Sat;
      readonly mint: MintUrl;
      readonly from: MintUrl;
      readonly move: Sat;
    }
  /** The node lists none of the wallet's mints. */
  | { readonly kind: 'no_common_mint'; readonly node: NodeUrl; readonly listed: readonly string[] }
  | { readonly kind: 'day_limit'; readonly limit: Sat; readonly used: Sat; readonly budget: Sat }
  /** The owner's own limit, or his own money where accounts are kept apart. */
  | { readonly kind: 'owner_limit'; readonly limit: Sat; readonly used: Sat; readonly budget: Sat }
  | { readonly kind: 'own_money'; readonly have: Sat; readonly need: Sat };

/** What was spent since a moment (ms), runs that are not settled counted with all that they took; by one owner when he is named. */
export const usedSince = (
  wallet: Pick<Books, 'ledger'>,
  store: Pick<PaidRunStore, 'atStakeSince'>,
  since: number,
  owner?: string,
): Sat => addSat(wallet.ledger.spentSince(since, owner), store.atStakeSince(since, owner));

/** What says whether there is enough. */
type RefusingWallet = MintHoldings & Pick<Books, 'ledger'>;

/** Whether a run may spend this much more, wherever the money is: from what is on disk, nobody is asked. */
export function refuseSpending(
  rules: Pick<BudgetRules, 'dayLimit' | 'dayStart' | 'ownerLimit' | 'ownMoney'>,
  wallet: RefusingWallet,
  store: PaidRunStore,
  budget: Sat,
  owner: string,
): BudgetRefusal | undefined {
  if (budget === 0) return { kind: 'no_budget' };
  const limit = rules.dayLimit();
  const used = usedSince(wallet, store, rules.dayStart());
  if (limit !== undefined && used + budget > limit) return { kind: 'day_limit', limit, used, budget };
  const own = rules.ownerLimit?.(owner);
  const usedByHim = usedSince(wallet, store, rules.dayStart(), owner);
  if (own !== undefined && usedByHim + budget > own) {
    return { kind: 'owner_limit', limit: own, used: usedByHim, budget };
  }
  const money = rules.ownMoney?.(owner);
  return money !== undefined && money < budget ? { kind: 'own_money', have: money, need: budget } : undefined;
}

/** Whether this much may leave the wallet for a run. */
export const refuseMore = (
  rules: Parameters<typeof refuseSpending>[0] & Pick<BudgetRules, 'mintsOf'>,
  wallet: RefusingWallet,
  store: PaidRunStore,
  budget: Sat,
  owner: string,
  node: NodeUrl,
): BudgetRefusal | undefined =>
  refuseSpending(rules, wallet, store, budget, owner) ?? refuseMint(rules, wallet, budget, node);

/** Whether there is a mint to make a budget for this node at. */
export function refuseMint(
  rules: Pick<BudgetRules, 'mintsOf'>,
  wallet: RefusingWallet,
  budget: Sat,
  node: NodeUrl,
): BudgetRefusal | undefined {
  const choice = chooseMint(wallet, rules.mintsOf?.(node), budget);
  switch (choice.state) {
    case 'chosen':
      return undefined;
    case 'short': {
      const { mint, have } = choice;
      const most = wallet.info().maxBalance;
      if (budget > most) return { kind: 'over_cap', most, need: budget };
      const other = mint === wallet.info().defaultMint ? {} : { mint };
      return { kind: 'short', have, need: budget, ...other };
    }
    case 'elsewhere': {
      const { state, ...facts } = choice;
      return { kind: state, node, need: budget, ...facts };
    }
    case 'none':
      return { kind: 'no_common_mint', node, listed: choice.listed };
  }
}

/** Whether a run with this budget may begin; where its money is to come from is another question (`refuseMint`). */
export function refuseBudget(
  rules: BudgetRules,
  wallet: RefusingWallet,
  store: PaidRunStore,
  run: {
    readonly budget: Sat;
    readonly model: string | undefined;
    readonly owner: string;
  },
): BudgetRefusal | undefined {
  const { budget } = run;
  const terms = budget === 0 ? undefined : rules.terms(run.model);
  if (terms && budget < terms.minimum) {
    return { kind: 'below_minimum', budget, minimum: terms.minimum, model: terms.id };
  }
  return refuseSpending(rules, wallet, store, budget, run.owner);
}
