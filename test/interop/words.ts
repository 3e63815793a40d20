import { CheckStateEnum, Wallet } from '@cashu/cashu-ts';
import { mnemonicToSeedSync } from '@scure/bip39';

/** More than the numbers that an operation burns when it is killed. */
const gap = 100;

/**
 * What somebody who has the words, and nothing else, finds unspent at the mint (NUT-09, NUT-13, NUT-07), with cashu-ts
 * alone. Pending proofs are an error: nothing may hang when this is asked.
 */
export async function unspentFromWords(mintUrl: string, words: string): Promise<number> {
  const wallet = new Wallet(mintUrl, { unit: 'sat', bip39seed: new Uint8Array(mnemonicToSeedSync(words)) });
  await wallet.loadMint();
  let total = 0;
  for (const { id } of wallet.keyChain.getKeysets()) {
    await wallet.keyChain.ensureKeysetKeys(id);
    const { proofs } = await wallet.batchRestore(gap, gap, 0, id);
    if (proofs.length === 0) continue;
    const states = await wallet.checkProofsStates(proofs);
    for (const [i, proof] of proofs.entries()) {
      const state = states[i]?.state;
      if (state === CheckStateEnum.PENDING) throw new Error('a proof is pending at the mint');
      if (state === CheckStateEnum.UNSPENT) total += proof.amount.toNumber();
    }
  }
  return total;
}
