import type { Clock } from '@nostr-dm-agent/kit/clock';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { type BudgetRefusal, minimumBudget } from '@nostr-dm-agent/routstr';
import type { Owner } from '../../config/config.ts';
import type { RoutstrAccess } from '../../money/routstr-access.ts';
import type { Shares } from '../../money/shares.ts';
import type { WalletAccess } from '../../money/wallet-access.ts';
import { budgetRefusal } from '../../replies/routstr/paid-run-replies.ts';
import type { CurrentSessions } from '../../runs/current-sessions.ts';
import type { SettingsStore } from '../../store/settings-table.ts';
import type { Nodes } from './node-commands.ts';

/** A provider beside `local` and `routstr` that owners can choose. */
export type ConnectedProvider = {
  readonly name: string;
  /** Who pays, in a few words. */
  readonly meaning: string;
};

export type ProviderCommandDeps = {
  readonly routstr: RoutstrAccess;
  readonly nodes: Nodes;
  readonly purse: Pick<WalletAccess, 'wallet' | 'settled'>;
  readonly settings: SettingsStore;
  readonly currentSessions: CurrentSessions;
  readonly accounts: Shares;
  /** Who pays for the next task of this owner: his choice, else the bot's. */
  readonly chosenBy: (owner: PublicKey) => string;
  readonly connected: (owner: PublicKey) => readonly ConnectedProvider[];
  readonly clock: Clock;
};

/** What the next run of an owner may spend, and on what. */
export type Means = {
  readonly budget: Sat;
  /** Ready in the wallet, at all mints; his part of it where accounts are kept apart. */
  readonly ready: Sat;
  readonly purseName: 'Wallet' | 'Your account';
  /** As the owner chose it; undefined: the default of the configuration. */
  readonly chosenModel: string | undefined;
  /** The node's model that his next run uses; undefined: it is not known. */
  readonly model: { readonly id: string; readonly minimum: Sat } | undefined;
  /** Why that run would not begin. */
  readonly refusal: BudgetRefusal | undefined;
};

/** From the disk. @throws NoWalletError */
export function meansOf(
  {
    routstr,
    purse,
    currentSessions,
    accounts,
  }: Pick<ProviderCommandDeps, 'routstr' | 'purse' | 'currentSessions' | 'accounts'>,
  { publicKey: owner }: Owner,
): Means {
  const account = accounts.of(owner);
  const { ready } = purse.wallet().balance();
  const budget = routstr.budget();
  const chosenModel = currentSessions.choices(owner).model;
  const model = routstr.modelOf(chosenModel);
  return {
    budget,
    ready: account?.available ?? ready,
    purseName: account === undefined ? 'Wallet' : 'Your account',
    chosenModel,
    model: model && { id: model.id, minimum: sat(minimumBudget(model)) },
    refusal: routstr.provider().refusalOf({ owner, model: model?.id, budget }),
  };
}

/** A line when the owner's next run would not begin, else nothing. */
export const warningOf = ({ refusal }: Means): readonly string[] =>
  refusal === undefined ? [] : [`⚠ As it is, no run begins. ${budgetRefusal(refusal)}`];
