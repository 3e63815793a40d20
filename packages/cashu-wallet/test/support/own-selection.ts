/** For benches: how proofs are chosen. */
export { type Coin, gather, selectCoins } from '../../src/mints/selection.ts';
