import { expect } from 'bun:test';
import { soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import type { PaidWorld } from './paid-world.ts';

/** Nothing is at a node any more, to the sat; `outside` came to a node, or the wallet, beside what the wallet had. */
export async function expectHome(world: PaidWorld, outside: number): Promise<void> {
  const wallet = world.wallet();
  const { ready, ...rest } = wallet.balance();
  expect(rest).toMatchObject({ reserved: 0, sent: 0, incoming: 0 });
  const ledger = wallet.ledger.latest(100);
  expect(ledger.filter((row) => row.state !== 'settled')).toEqual([]);
  const gone = ledger.reduce((sum, row) => sum + row.spent + row.fee, 0);
  expect(ready + gone).toBe(world.funds + outside);
  expect(await wallet.check(soon())).toMatchObject({ consistent: true, problems: [], notLooked: [] });
  expect(world.node.audit()).toMatchObject({ balanced: true, balancesMsat: 0 });
}
