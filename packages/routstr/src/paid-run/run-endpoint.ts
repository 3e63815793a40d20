import { msatToSatCeil, msatToSatFloor } from '@nostr-dm-agent/kit/sat';
import type { Meter } from '../meter/meter.ts';
import {
  defaultLimits,
  type MeteredRun,
  type MeteredRunOptions,
  type MeterPrice,
  type RunLimits,
  type RunUsage,
} from '../meter/metered-run.ts';
import type { BudgetRules } from './budget-rules.ts';
import { nameAtNode, type ReadyRun, type RunTicket } from './run-ticket.ts';

/** What a run spends from, and how. */
export type RunFunds = Pick<MeteredRunOptions, 'node' | 'agentKey' | 'nodeKey' | 'onSpent'> & {
  readonly spendMsat: number;
  readonly pricedOnly?: boolean;
  /** Of the run's model, at another node than the one whose prices are known. */
  readonly priceThere?: MeterPrice | undefined;
};

/** The endpoints of the runs that are under way at the meter. */
export type RunEndpoints = {
  /** Opens a run's endpoint, and says how its agent gets there. */
  readonly open: (ticket: RunTicket, funds: RunFunds) => ReadyRun;
  readonly find: (runId: string) => MeteredRun | undefined;
  /** Ends what the run has under way. Gives what it has used; undefined: it has none. */
  readonly close: (runId: string) => Promise<RunUsage | undefined>;
  readonly closeAll: () => Promise<void>;
};

export function createRunEndpoints(
  meter: Meter,
  rules: Pick<BudgetRules, 'model'>,
  limits: Partial<Omit<RunLimits, 'spendMsat'>> | undefined,
): RunEndpoints {
  const metered = new Map<string, MeteredRun>();

  function open({ runId, observer, model }: RunTicket, funds: RunFunds): ReadyRun {
    const { spendMsat, pricedOnly = false, priceThere, ...rest } = funds;
    const own = nameAtNode(model);
    const entry = own === undefined ? undefined : rules.model(own)?.entry;
    const endpoint = meter.open({
      ...rest,
      runId,
      price: (name) => (priceThere && name === own ? priceThere : rules.model(name)?.price),
      limits: { ...defaultLimits, ...limits, spendMsat, pricedOnly },
      ...(observer?.onActivity && { onActivity: observer.onActivity }),
      ...(observer?.onHoldEnd && { onHoldEnd: observer.onHoldEnd }),
      onHold: ({ neededMsat, availableMsat }) =>
        observer?.onHold?.({
          needed: neededMsat === undefined ? undefined : msatToSatCeil(neededMsat),
          available: availableMsat === undefined ? undefined : msatToSatFloor(availableMsat),
        }),
    });
    metered.set(runId, endpoint);
    // `opencode.json` lists some of a node's models; the run's own is always there.
    const models = own === undefined || entry === undefined ? {} : { models: { [own]: entry } };
    const configuration = {
      enabled_providers: ['routstr'],
      provider: { routstr: { options: { baseURL: endpoint.baseUrl }, ...models } },
    };
    const access = { variables: { ROUTSTR_API_KEY: funds.agentKey }, configuration };
    return { state: 'ready', node: funds.node, access };
  }

  return {
    open,
    find: (runId) => metered.get(runId),
    close: async (runId) => {
      const usage = await metered.get(runId)?.close();
      metered.delete(runId);
      return usage;
    },
    closeAll: async () => {
      await Promise.all([...metered.values()].map((run) => run.close()));
      metered.clear();
    },
  };
}
