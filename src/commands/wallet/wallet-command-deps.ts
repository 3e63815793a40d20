import type { RoutstrProvider } from '@nostr-dm-agent/routstr';
import type { Money } from '../../money/money.ts';
import type { RoutstrAccess } from '../../money/routstr-access.ts';
import type { CommandDeps } from '../command-deps.ts';

/** The part of `CommandDeps` that the `!wallet` family works with. */
export type WalletCommandDeps = Pick<CommandDeps, 'clock' | 'outgoingFiles'> & {
  readonly connections: Pick<CommandDeps['connections'], 'reveal'>;
  readonly stores: Pick<CommandDeps['stores'], 'confirmations'>;
  readonly money: Pick<Money, 'wallet' | 'shares' | 'exchange' | 'autoTopUp'> & {
    /** What nodes have of the wallet's money. */
    readonly routstr: Pick<RoutstrAccess, 'freeBudgets' | 'madeAhead' | 'settled'> & {
      readonly provider: () => Pick<RoutstrProvider, 'owed'> & {
        readonly paidRuns: Pick<RoutstrProvider['paidRuns'], 'open'>;
      };
    };
  };
};
