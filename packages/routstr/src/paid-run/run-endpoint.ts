import { msatToSatCeil, msatToSatFloor } from '@nostr-dm-agent/kit/sat';
import type { Meter } from '../meter/meter.ts';
import {
  defaultLimits,
  type MeteredRun,
  type MeteredRunOptions,
  type MeterPrice,
  type RunLimits,
} from '../meter/metered-run.ts';
import type { BudgetRules } from './budget-rules.ts';
import type { PreparedPaidRun, RunTicket } from './run-ticket.ts';

/** What a run spends from, and how. */
export type RunFunds = Pick<MeteredRunOptions, 'runId' | 'node' | 'agentKey' | 'nodeKey' | 'onSpent'> & {
  readonly spendMsat: number;
  readonly pricedOnly?: boolean;
  /** Of the run's model, at another node than the one whose prices are known. */
  readonly priceThere?: MeterPrice;
};

export type RunEndpointOptions = {
  readonly meter: Meter;
  readonly rules: Pick<BudgetRules, 'price' | 'entry'>;
  readonly limits: Partial<Omit<RunLimits, 'spendMsat'>> | undefined;
};

/** Opens a run's endpoint at the meter, and says how its agent gets there. */
export function openRunEndpoint(
  { meter, rules, limits }: RunEndpointOptions,
  { observer, model: asked }: RunTicket,
  { spendMsat, pricedOnly = false, priceThere, ...account }: RunFunds,
): { readonly endpoint: MeteredRun; readonly prepared: Extract<PreparedPaidRun, { state: 'ready' }> } {
  const own = asked?.replace(/^routstr\//, '');
  const entry = own === undefined ? undefined : rules.entry?.(own);
  const endpoint = meter.open({
    ...account,
    price: (model) => (priceThere && model === own ? priceThere : rules.price(model)),
    limits: { ...defaultLimits, ...limits, spendMsat, pricedOnly },
    ...(observer?.onActivity && { onActivity: observer.onActivity }),
    ...(observer?.onHoldEnd && { onHoldEnd: observer.onHoldEnd }),
    onHold: ({ neededMsat, availableMsat }) =>
      observer?.onHold?.({
        needed: neededMsat === undefined ? undefined : msatToSatCeil(neededMsat),
        available: availableMsat === undefined ? undefined : msatToSatFloor(availableMsat),
      }),
  });
  // `opencode.json` lists some of a node's models; the run's own is always there.
  const models = own === undefined || entry === undefined ? {} : { models: { [own]: entry } };
  const prepared = {
    state: 'ready',
    node: account.node,
    access: {
      variables: { ROUTSTR_API_KEY: account.agentKey },
      configuration: {
        enabled_providers: ['routstr'],
        provider: { routstr: { options: { baseURL: endpoint.baseUrl }, ...models } },
      },
    },
  } as const;
  return { endpoint, prepared };
}
