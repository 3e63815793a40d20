import type { Clock } from '../../clock.ts';
import type { Owner } from '../../config.ts';
import type { SettingsStore } from '../../db/settings.ts';
import type { PublicKey } from '../../nostr/types.ts';
import { minimumBudget } from '../../providers/routstr/model-mapping.ts';
import type { SessionDesk } from '../../runs/desk.ts';
import { type Sat, sat, zeroSat } from '../../sat.ts';
import type { Purse } from '../wallet/deps.ts';
import type { Routstr } from './deps.ts';
import type { Nodes } from './nodes.ts';

/** A provider beside `local` and `routstr` that owners can choose. */
export type ConnectedProvider = {
  readonly name: string;
  /** Who pays, in a few words. */
  readonly meaning: string;
};

export type ProviderCommandDeps = {
  readonly routstr: Routstr;
  readonly nodes: Nodes;
  readonly purse: Pick<Purse, 'wallet' | 'settled'>;
  readonly settings: SettingsStore;
  readonly desk: SessionDesk;
  /** Who pays for the next task of this owner: his choice, else the bot's. */
  readonly chosenBy: (owner: PublicKey) => string;
  readonly connected: (owner: PublicKey) => readonly ConnectedProvider[];
  readonly clock: Clock;
};

/** What the budget of a run is to be held against. */
export type Means = {
  readonly budget: Sat;
  /** Ready at the mint that runs are paid from. */
  readonly ready: Sat;
  readonly dayLimit: Sat | undefined;
  /** As the owner chose it; undefined: the default of the configuration. */
  readonly chosenModel: string | undefined;
  /** The node's model that his next run uses; undefined: the node is not known to have it. */
  readonly model: { readonly id: string; readonly minimum: Sat } | undefined;
};

/** From the disk. @throws NoWalletError */
export function meansOf(
  { routstr, purse, desk }: Pick<ProviderCommandDeps, 'routstr' | 'purse' | 'desk'>,
  owner: Owner,
): Means {
  const wallet = purse.wallet();
  const { defaultMint } = wallet.info();
  const chosenModel = desk.choices(owner.publicKey).model;
  const model = routstr.modelOf(chosenModel);
  return {
    budget: routstr.budget(),
    ready: wallet.balance().mints.find(({ mint }) => mint === defaultMint)?.ready ?? zeroSat,
    dayLimit: routstr.dayLimit(),
    chosenModel,
    model: model && { id: model.id, minimum: sat(minimumBudget(model)) },
  };
}
