import type { RoutstrProvider } from '@nostr-dm-agent/routstr';
import type { StandingPayment } from '../backends/payment.ts';
import { fellBack, news, runRefusal } from '../replies/routstr/paid-run-replies.ts';
import type { Provider } from './provider.ts';

/** Provider `routstr`: the wallet pays. @param named its models, and how a server of them is paid */
export const createPaidProvider = (
  routstr: Pick<
    RoutstrProvider,
    'refusalOfRun' | 'prepareRun' | 'finalizeRun' | 'bill' | 'answered' | 'recover' | 'usage'
  >,
  named: {
    readonly modelName: NonNullable<Provider['model']>;
    readonly standing: (owner: string, model: string | undefined) => StandingPayment;
  },
): Provider => ({
  name: 'routstr',
  model: named.modelName,
  standing: named.standing,
  refusal: (ticket) => {
    const refusal = routstr.refusalOfRun(ticket);
    return refusal && runRefusal(refusal);
  },
  prepareRun: async (ticket, signal) => {
    const prepared = await routstr.prepareRun(ticket, signal);
    if (prepared.state === 'refused') return { state: 'refused', reason: runRefusal(prepared.refusal) };
    const { access, node, insteadOf } = prepared;
    return {
      state: 'ready',
      payment: { credentials: 'provided', ...access },
      ...(insteadOf !== undefined && { note: fellBack(insteadOf, node) }),
    };
  },
  bill: routstr.bill,
  answered: routstr.answered,
  finalizeRun: routstr.finalizeRun,
  recover: async (signal) => (await routstr.recover(signal)).map(news),
  usage: routstr.usage,
});
