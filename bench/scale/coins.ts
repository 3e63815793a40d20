import { type Coin, gather, selectCoins } from '@nostr-dm-agent/cashu-wallet/testing/own-selection';
import { type Figures, medianOf, seeded } from './figures.ts';

/** As many as a mint takes in one request. */
const most = 1_000;
const feePpk = 100;

/** Which of 10,000 proofs an amount is paid with: as change leaves them, and as many small payments do. */
export async function measureCoins(figures: Figures): Promise<void> {
  const random = seeded(3);
  const coins = (largest: number): readonly Coin[] =>
    Array.from({ length: 10_000 }, () => ({
      amount: 2 ** Math.floor(random() * largest),
      feePpk,
      stale: random() < 0.05,
    }));
  const [mixed, small] = [coins(12), coins(2)];
  const cases: readonly (readonly [string, readonly Coin[], number])[] = [
    ['mixed proofs, 2,000 sat', mixed, 2_000],
    ['mixed proofs, nearly all', mixed, 1_000_000],
    ['1s and 2s, 21 sat', small, 21],
    ['1s and 2s, 1,500 sat: more than one request takes', small, 1_500],
    ['1s and 2s, 9,000 sat: nearly all', small, 9_000],
  ];
  for (const [name, pool, need] of cases) {
    figures.add(`choose, ${name}`, await medianOf(9, () => selectCoins(pool, need, most)), 'ms', 50);
    figures.add(
      `with gathering, ${name}`,
      await medianOf(9, () => gather(pool, need, most, feePpk)),
      'ms',
      150,
    );
  }
  figures.print('10,000 proofs to choose from');
}
