import { addSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import type { Core } from '../wallet-core.ts';
import { BalanceCapError } from '../wallet-errors.ts';
import type { Balance, Holdings, MintUrl } from '../wallet-types.ts';
import { mintUrlSchema, satSchema } from './stored-proof.ts';

const incomingRow = z.object({ mint: mintUrlSchema, amount: satSchema });

/** Where the money is, from what is on disk. */
export function readBalance(core: Core): Balance {
  const mints = new Map<MintUrl, { ready: Sat; reserved: Sat; sent: Sat; incoming: Sat }>();
  const at = (mint: MintUrl) => {
    const found = mints.get(mint) ?? { ready: sat(0), reserved: sat(0), sent: sat(0), incoming: sat(0) };
    mints.set(mint, found);
    return found;
  };
  at(core.mints.defaultMint);
  let unusable = sat(0);
  for (const { mint, state, amount } of core.proofs.totals()) {
    if (state === 'unusable') unusable = addSat(unusable, amount);
    if (state === 'ready' || state === 'reserved' || state === 'sent') at(mint)[state] = amount;
  }
  // A reclaim's value is `sent` until it is taken back.
  const incoming = core.store.db.query(
    `SELECT mint, sum(amount) AS amount FROM operations
     WHERE open = 1 AND (+kind = 'mint' OR (+kind = 'receive' AND json_extract(data, '$.reclaims') IS NULL))
     GROUP BY mint`,
  );
  for (const row of incoming.all()) {
    const { mint, amount } = incomingRow.parse(row);
    at(mint).incoming = amount;
  }
  const parts = [...mints].map(([mint, holdings]) => ({ mint, ...holdings }));
  const sum = (field: keyof Holdings): Sat => addSat(...parts.map((part) => part[field]));
  return {
    ready: sum('ready'),
    reserved: sum('reserved'),
    sent: sum('sent'),
    incoming: addSat(sum('incoming'), core.kept.faceOfNew()),
    ...(unusable > 0 ? { unusable } : {}),
    mints: parts,
  };
}

/** Without kept tokens: they come in whatever the cap is, and what one is worth is not known before it is redeemed. */
function totalHoldings(core: Core): Sat {
  const { mints } = readBalance(core);
  return addSat(...mints.flatMap(({ ready, reserved, sent, incoming }) => [ready, reserved, sent, incoming]));
}

/** @throws BalanceCapError when this much more is more than the wallet may hold */
export function requireRoom(core: Core, amount: Sat): void {
  const balance = totalHoldings(core);
  const cap = core.policy.maxBalance;
  if (balance + amount > cap) throw new BalanceCapError({ balance, amount, cap });
}
