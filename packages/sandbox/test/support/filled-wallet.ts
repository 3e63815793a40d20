import { CheckStateEnum, getEncodedToken, type Proof, sumProofs, Wallet } from '@cashu/cashu-ts';

/** Somebody's ecash at one mint, for tests that are about the other side. In sat. */
export type FilledWallet = {
  readonly balance: () => number;
  /** A V4 token of fresh proofs with this face value. */
  readonly token: (face: number, memo?: string) => Promise<string>;
  /** Redeems a token of this mint; gives what came in after fees. */
  readonly receive: (token: string) => Promise<number>;
  /** The token's proofs, its short keyset ids resolved. */
  readonly proofs: (token: string) => Promise<readonly Proof[]>;
  readonly encode: (proofs: readonly Proof[], memo?: string) => string;
  readonly isSpent: (token: string) => Promise<boolean>;
  /** What the mint takes for redeeming this token. */
  readonly feeOf: (token: string) => Promise<number>;
};

/** Makes a wallet and fills it by Lightning at a mint that pays its own invoices. */
export async function openFilledWallet(mint: string, fill: number): Promise<FilledWallet> {
  const open = async () => {
    const wallet = new Wallet(mint, { unit: 'sat' });
    await wallet.loadMint();
    return wallet;
  };
  const first = await open();
  const quote = await first.createMintQuoteBolt11(fill);
  let held: Proof[] = await first.mintProofsBolt11(fill, quote);
  const proofs = async (token: string) => (await open()).decodeToken(token).proofs;
  const encode: FilledWallet['encode'] = (items, memo) =>
    getEncodedToken(
      { mint, unit: 'sat', proofs: [...items], ...(memo === undefined ? {} : { memo }) },
      { removeDleq: true },
    );
  return {
    balance: () => sumProofs(held).toNumber(),
    async token(face, memo) {
      const wallet = await open();
      for (const id of new Set(held.map((proof) => proof.id))) await wallet.keyChain.ensureKeysetKeys(id);
      const { keep, send } = await wallet.ops.send(face, held).asRandom().keepAsRandom().run();
      held = keep;
      return encode(send, memo);
    },
    async receive(token) {
      const wallet = await open();
      const fresh = await wallet.ops.receive(wallet.decodeToken(token)).asRandom().run();
      held = [...held, ...fresh];
      return sumProofs(fresh).toNumber();
    },
    proofs,
    encode,
    async isSpent(token) {
      const states = await (await open()).checkProofsStates(await proofs(token));
      return states.every(({ state }) => state === CheckStateEnum.SPENT);
    },
    feeOf: async (token) => (await open()).getFeesForProofs(await proofs(token)).toNumber(),
  };
}
