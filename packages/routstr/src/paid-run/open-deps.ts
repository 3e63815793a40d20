import { createKeyedLock } from '@nostr-dm-agent/kit/keyed-lock';
import { createNodeClient, type NodeClient } from '../node/node-client.ts';
import type { NodeUrl } from '../node/node-url.ts';
import type { LiveRuns } from './live-runs.ts';
import type { RunCheckpoint } from './paid-run.ts';
import { defaultWaits, type PaidNodes, type PaidRunDeps, type PaidRunWaits } from './paid-run-deps.ts';
import { createPaidRunStore } from './paid-run-store.ts';

type Options = Pick<PaidRunDeps, 'wallet' | 'clock' | 'log'> & {
  /** What is left out: no fallbacks, and nothing known of a node before it is asked. */
  readonly nodes: Pick<PaidNodes, 'current'> & Partial<PaidNodes>;
  readonly waits?: Partial<PaidRunWaits>;
  readonly onCheckpoint?: (checkpoint: RunCheckpoint) => void;
};

/** What the steps of a paid run share, once for each wallet that is open. */
export function createPaidRunDeps(options: Options, live: LiveRuns): PaidRunDeps {
  const { wallet, clock, log } = options;
  const locks = createKeyedLock();
  const clients = new Map<NodeUrl, NodeClient>();
  const at = (url: NodeUrl): NodeClient => {
    const client = clients.get(url) ?? options.nodes.at?.(url) ?? createNodeClient(url);
    clients.set(url, client);
    return client;
  };
  return {
    wallet,
    clock,
    log,
    live,
    store: createPaidRunStore(wallet, clock),
    nodes: {
      fallbacks: () => [],
      mintsOf: () => undefined,
      ask: (node, signal) => at(node).nodeInfo(signal),
      ...options.nodes,
      at,
    },
    waits: { ...defaultWaits, ...options.waits },
    lock: (money, work) => locks.run(money, undefined, work),
    reached: options.onCheckpoint ?? (() => undefined),
  };
}
