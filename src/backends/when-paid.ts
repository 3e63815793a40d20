import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { AgentRequest, AgentResult, Backend, RunPayment } from './backend.ts';

/** A process that is paid by its environment: it begins when the payment is there, and does not when it fails. */
export const whenPaid =
  (run: Backend['run']): Backend['run'] =>
  async ({ paying, ...request }, observer, signal) => {
    if (paying === undefined) return run(request, observer, signal);
    let payment: RunPayment;
    try {
      payment = await untilAborted(paying, signal);
    } catch {
      // Why is told by whoever pays.
      return notBegun(request);
    }
    return run({ ...request, payment }, observer, signal);
  };

const notBegun = ({ backendSession, model }: AgentRequest): AgentResult => ({
  outcome: 'stopped',
  answer: '',
  failure: undefined,
  ...{ backendSession, model },
  ...{ steps: 0, tools: {}, unknownEvents: 0, limits: [], newGit: [] },
  tokens: { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 },
});
