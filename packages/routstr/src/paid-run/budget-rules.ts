import type { MintUrl } from '@nostr-dm-agent/cashu-wallet';
import { addSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { MeterPrice } from '../meter/metered-run.ts';
import type { OpencodeModel } from '../models/usable-models.ts';
import type { NodeUrl } from '../node/node-url.ts';
import { chooseMint } from './mint-match.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';

/** What a run of a model costs, as its node says. */
export type ModelTerms = {
  readonly id: string;
  /** The least budget that gets anywhere. */
  readonly minimum: Sat;
  readonly price: MeterPrice;
  /** Its entry in `opencode.json`, for a run that asks for it. */
  readonly entry?: OpencodeModel;
};

/** The owner's settings and the node's prices, as they are when a run begins. */
export type BudgetRules = {
  /** Of a run. */
  readonly budget: () => Sat;
  /** Of everybody together, per day; undefined: none. */
  readonly dayLimit: () => Sat | undefined;
  /** Of one owner, beside that. */
  readonly ownerLimit?: (owner: string) => Sat | undefined;
  /** What there is for this owner where shares are kept apart; undefined: all that is in the wallet. */
  readonly ownMoney?: (owner: string) => Sat | undefined;
  /** Beginning of the day that the limits count in, Unix milliseconds. */
  readonly dayStart: () => number;
  /** Undefined: it is not known, and a run of it is not held back. The name is without `routstr/`; undefined: the default. */
  readonly model: (name: string | undefined) => ModelTerms | undefined;
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
  /** The owner's own limit, or share. */
  | { readonly kind: 'owner_limit'; readonly limit: Sat; readonly used: Sat; readonly budget: Sat }
  | { readonly kind: 'own_money'; readonly have: Sat; readonly need: Sat };

/** What was spent since a moment (ms), with all that runs took which are not settled; by one owner when they are named. */
export const usedSince = ({ wallet, store }: Books, since: number, owner?: string): Sat =>
  addSat(wallet.ledger.spentSince(since, owner), store.atStakeSince(since, owner));

type Books = Pick<PaidRunDeps, 'wallet' | 'store'>;

/** Whether an owner may spend this much more, wherever the money is: from what is on disk, nobody is asked. */
export function refuseSpending(
  rules: BudgetRules,
  books: Books,
  budget: Sat,
  owner: string,
): BudgetRefusal | undefined {
  if (budget === 0) return { kind: 'no_budget' };
  const limit = rules.dayLimit();
  const used = usedSince(books, rules.dayStart());
  if (limit !== undefined && used + budget > limit) return { kind: 'day_limit', limit, used, budget };
  const ownLimit = rules.ownerLimit?.(owner);
  const usedByOwner = usedSince(books, rules.dayStart(), owner);
  if (ownLimit !== undefined && usedByOwner + budget > ownLimit) {
    return { kind: 'owner_limit', limit: ownLimit, used: usedByOwner, budget };
  }
  const have = rules.ownMoney?.(owner);
  return have !== undefined && have < budget ? { kind: 'own_money', have, need: budget } : undefined;
}

/** The same for a run with this budget; where its money is to come from is another question (`refuseMint`). */
export function refuseBudget(
  rules: BudgetRules,
  books: Books,
  run: { readonly budget: Sat; readonly model: string | undefined; readonly owner: string },
): BudgetRefusal | undefined {
  const { budget } = run;
  const model = budget === 0 ? undefined : rules.model(run.model);
  if (model && budget < model.minimum) {
    return { kind: 'below_minimum', budget, minimum: model.minimum, model: model.id };
  }
  return refuseSpending(rules, books, budget, run.owner);
}

/**
 * Somebody is to pay this much at a node now. Where no mint that it takes has enough, what is on its way is waited for, and
 * what is set aside for runs to come is given back. To be called before `refuseMint` refuses anything.
 */
export type MakeRoom = (amount: Sat, node: NodeUrl, signal: AbortSignal) => Promise<void>;

/** Whether there is a mint to make a budget for this node at. */
export function refuseMint(
  { wallet, nodes }: Pick<PaidRunDeps, 'wallet' | 'nodes'>,
  budget: Sat,
  node: NodeUrl,
): BudgetRefusal | undefined {
  const choice = chooseMint(wallet, nodes.mintsOf(node), budget);
  switch (choice.state) {
    case 'chosen':
      return undefined;
    case 'short': {
      const { mint, have } = choice;
      const { maxBalance: most, defaultMint } = wallet.info();
      if (budget > most) return { kind: 'over_cap', most, need: budget };
      return { kind: 'short', have, need: budget, ...(mint !== defaultMint && { mint }) };
    }
    case 'elsewhere': {
      const { state, ...facts } = choice;
      return { kind: state, node, need: budget, ...facts };
    }
    case 'none':
      return { kind: 'no_common_mint', node, listed: choice.listed };
  }
}
