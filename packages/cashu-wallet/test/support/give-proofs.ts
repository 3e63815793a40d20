import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Wallet } from '@cashu/cashu-ts';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { readMnemonic } from '../../src/crypto/seed.ts';
import { readMintUrl } from '../../src/mints/mint-list.ts';
import { createProofs } from '../../src/store/proofs.ts';
import { type StoredProof, storeProof } from '../../src/store/stored-proof.ts';
import { openStore } from '../../src/store/wallet-database.ts';
import type { MintAddress } from './wallet-kit.ts';

/** Puts proofs of exactly these amounts into a wallet that is closed, as many receipts would have. */
export async function giveProofs(
  mint: MintAddress,
  { words, directory }: { readonly words: string; readonly directory: string },
  amounts: readonly number[],
): Promise<void> {
  const maker = new Wallet(mint.url, { bip39seed: new Uint8Array(randomBytes(64)) });
  await maker.loadMint();
  const proofs: StoredProof[] = [];
  for (let from = 0; from < amounts.length; from += 20) {
    const denominations = amounts.slice(from, from + 20);
    const total = denominations.reduce((sum, amount) => sum + amount, 0);
    const quote = await maker.createMintQuoteBolt11(total);
    const output = { type: 'random', denominations } as const;
    const preview = await maker.prepareMint('bolt11', total, quote, undefined, output);
    proofs.push(...(await maker.completeMint(preview)).map(storeProof));
  }
  const store = openStore(join(directory, `${readMnemonic(words).fingerprint}.db`), readMnemonic(words));
  try {
    store.write(() =>
      createProofs(store, systemClock).add(readMintUrl(mint.url), proofs, 'ready', undefined),
    );
  } finally {
    store.close();
  }
}
