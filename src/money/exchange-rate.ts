import type { NodeUrl } from '@nostr-dm-agent/routstr';
import type { NodeModels } from './node-models.ts';

/** What a sat is worth in money, as a node has told it. */
export type ExchangeRate = {
  /** ISO 4217. */
  readonly currency: string;
  readonly perSat: number;
  readonly node: NodeUrl;
};

/** In the operator's currency (`BOT_CURRENCY`). undefined: none is wanted, or nobody has told a rate: nodes know USD alone. */
export function exchangeRate(
  currency: string | undefined,
  models: Pick<NodeModels, 'node' | 'usdPerSat'> | undefined,
): ExchangeRate | undefined {
  if (currency !== 'USD' || models?.usdPerSat === undefined) return undefined;
  return { currency, perSat: models.usdPerSat, node: models.node };
}
