import type { RoutstrProvider } from '@nostr-dm-agent/routstr';
import { fellBack, news, runRefusal } from '../replies/routstr/paid-run-replies.ts';
import type { Provider } from './provider.ts';

/** Provider `routstr`: the wallet pays. @param model what a run is to ask for when this one was chosen */
export const createPaidProvider = (
  routstr: Pick<RoutstrProvider, 'prepareRun' | 'finalizeRun' | 'recover' | 'usage'>,
  model: NonNullable<Provider['model']>,
): Provider => ({
  name: 'routstr',
  model,
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
  finalizeRun: routstr.finalizeRun,
  recover: async (signal) => (await routstr.recover(signal)).map(news),
  usage: routstr.usage,
});
