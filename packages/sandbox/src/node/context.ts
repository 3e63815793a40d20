import type { Database } from 'bun:sqlite';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Accounts } from './node-accounts.ts';
import type { Endpoint, MiddleEffect, NodeFaults } from './node-faults.ts';
import type { Memory } from './node-memory.ts';
import type { NodeModel } from './node-models.ts';
import type { NodeBehaviour, Profile, Upstream } from './node-types.ts';
import type { NodeWallet } from './node-wallet.ts';

/** What the handlers work with. Lives as long as one process of the node would. */
export type NodeContext = {
  readonly db: Database;
  readonly clock: Clock;
  readonly profile: Profile;
  readonly mints: readonly string[];
  readonly models: readonly NodeModel[];
  readonly usdPerSat: number;
  readonly upstream: Upstream;
  readonly behaviour: NodeBehaviour;
  readonly faults: NodeFaults;
  readonly memory: Memory;
  readonly accounts: Accounts;
  readonly wallet: NodeWallet;
  /** Aborted when the process dies: whatever comes back from a wait after that has no effect any more. */
  readonly life: AbortSignal;
  readonly crash: (memory: 'kept' | 'lost', stayDown: boolean) => void;
};

/** One request, read. */
export type NodeRequest = {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly text: string;
  readonly requestId: string;
  readonly endpoint: Endpoint;
  /** Aborted when the client goes away. */
  readonly gone: AbortSignal;
};

/** The process died while it served this request. */
export class NodeCrashed extends Error {
  override readonly name = 'NodeCrashed';
}

/** Lets the planned fault in the middle of a request happen. Gives back a refusal, which is the caller's to make. */
export async function passMiddle(
  node: NodeContext,
  endpoint: Endpoint,
): Promise<Extract<MiddleEffect, { kind: 'refuse' }> | undefined> {
  const effect = node.faults.middle(endpoint);
  switch (effect?.kind) {
    case undefined:
      return undefined;
    case 'refuse':
      return effect;
    case 'delay':
      await Bun.sleep(effect.ms);
      break;
    case 'hold':
      await node.faults.hold(node.life);
      break;
    case 'run':
      await effect.run();
      break;
    case 'crash':
      node.crash(effect.memory, effect.stayDown ?? false);
  }
  node.life.throwIfAborted();
  return undefined;
}
