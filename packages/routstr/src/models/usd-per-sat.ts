import type { RoutstrModel } from './model-list.ts';

/**
 * What a sat is worth by a node's own prices, which are in both (`pricing`, `sats_pricing`): the middle of what its models
 * say, so that one odd entry says nothing.
 *
 * @returns undefined: no model has both
 */
export function usdPerSat(models: readonly Pick<RoutstrModel, 'usd' | 'sat'>[]): number | undefined {
  const rates = models
    .flatMap(({ usd, sat }) => [
      [usd?.prompt, sat?.prompt],
      [usd?.completion, sat?.completion],
    ])
    .flatMap(([usd = 0, sat = 0]) => (usd > 0 && sat > 0 ? [usd / sat] : []))
    .filter((rate) => Number.isFinite(rate))
    .sort((a, b) => a - b);
  return rates[Math.floor(rates.length / 2)];
}
