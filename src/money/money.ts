import type { AutoTopUp } from './auto-top-up.ts';
import type { ExchangeRate } from './exchange-rate.ts';
import type { NodeChoice } from './node-choice.ts';
import type { RoutstrAccess } from './routstr-access.ts';
import type { Shares } from './shares.ts';
import type { WalletAccess } from './wallet-access.ts';

/** The wallet, provider `routstr` with its nodes, and whose money it is, as commands use them. */
export type Money = {
  readonly wallet: WalletAccess;
  readonly routstr: RoutstrAccess;
  readonly nodes: NodeChoice;
  readonly shares: Shares;
  readonly autoTopUp: Pick<
    AutoTopUp,
    'state' | 'read' | 'check' | 'examine' | 'set' | 'setCap' | 'off' | 'isOne' | 'counts'
  >;
  /** undefined: sats are not explained in money. */
  readonly exchange: () => ExchangeRate | undefined;
};
