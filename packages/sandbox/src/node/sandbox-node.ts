import { systemClock } from '@nostr-dm-agent/kit/clock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { Server } from 'bun';
import { type NodeContext, NodeCrashed } from './context.ts';
import { createAccounts } from './node-accounts.ts';
import { auditNode, type NodeAudit } from './node-audit.ts';
import { createNodeFaults, type NodeFaults } from './node-faults.ts';
import { type Memory, newMemory } from './node-memory.ts';
import { sandboxModels } from './node-models.ts';
import { nodeMigrations } from './node-store.ts';
import { type NodeBehaviour, type Profile, type SandboxNodeOptions, windows } from './node-types.ts';
import { createNodeWallet } from './node-wallet.ts';
import { answer } from './router.ts';

export type { NodeAudit } from './node-audit.ts';
export type { NodeFault, NodeFaults } from './node-faults.ts';
export type { NodeModel } from './node-models.ts';
export type { NodeBehaviour, Profile, SandboxNodeOptions } from './node-types.ts';

/** A Routstr node on loopback that redeems at a real mint and charges by real prices. */
export type SandboxNode = {
  /** `http://127.0.0.1:port`, without a slash at the end. A client's base URL is this and `/v1`. */
  readonly url: string;
  /** Change its fields to change what the node does from now on. */
  readonly behaviour: NodeBehaviour;
  readonly faults: NodeFaults;
  /** `POST /v1/balance/refund` …, in order of arrival. */
  readonly requests: string[];
  readonly audit: () => NodeAudit;
  /** The node takes its uncollected change tokens back: from now on they are answered with 410. */
  readonly sweep: () => void;
  /**
   * Kills the process: connections break, what was under way has no effect any more. Its books stay; what it only
   * remembered (refund replay, dead tokens) is lost, unless it is to be kept. A node that starts releases all
   * reservations.
   */
  readonly crash: (memory?: 'kept' | 'lost') => void;
  /** Starts it again on the same port, if it is down. */
  readonly comeUp: () => void;
  readonly stop: () => Promise<void>;
};

/**
 * A Routstr node as docs/routstr-node.md describes it. Its bodies and their order follow routstr-core 0.4.5,
 * against which the conformance suite was run; the other profiles differ where `docs/routstr-node.md` says.
 */
export function startSandboxNode(options: SandboxNodeOptions): SandboxNode {
  const clock = options.clock ?? systemClock;
  const profile = options.profile ?? '0.4.5';
  const db = openDatabase(options.file ?? ':memory:', nodeMigrations);
  const behaviour: NodeBehaviour = { ...honest(profile), ...options.behaviour };
  const faults = createNodeFaults();
  const requests: string[] = [];
  const wallet = createNodeWallet(db, behaviour, options.mintTimeoutMs ?? 10_000, options.mintPlaces);
  let memory: Memory = newMemory();
  const accounts = createAccounts(db, clock, (id) => memory.serving.has(id), profile);

  type Process = { readonly server: Server<undefined>; readonly death: AbortController };
  let running: Process | undefined;

  function begin(port: number): Process {
    const death = new AbortController();
    // A process that starts has no request of an earlier one to wait for.
    accounts.releaseAll();
    memory.serving.clear();
    memory.presentations.clear();
    const context: NodeContext = {
      db,
      clock,
      profile,
      mints: options.mints,
      models: options.models ?? sandboxModels,
      usdPerSat: options.usdPerSat ?? 0.001,
      upstream: options.upstream,
      behaviour,
      faults,
      memory,
      accounts,
      wallet,
      life: death.signal,
      crash: (kept, stayDown) => {
        crash(kept);
        if (!stayDown) comeUp();
      },
    };
    const server = Bun.serve({
      hostname: '127.0.0.1',
      port,
      idleTimeout: 0,
      fetch: async (request) => {
        requests.push(`${request.method} ${new URL(request.url).pathname}`);
        accounts.releaseStale(windows.staleReservation + windows.reservationSweep);
        return answer(context, request);
      },
    });
    return { server, death };
  }

  running = begin(options.port ?? 0);
  const port = running.server.port ?? 0;
  const crash = (kept: 'kept' | 'lost' = 'lost'): void => {
    if (!running) return;
    const { server, death } = running;
    running = undefined;
    if (kept === 'lost') memory = newMemory();
    death.abort(new NodeCrashed('the node died'));
    void server.stop(true);
  };
  const comeUp = (): void => {
    running ??= begin(port);
  };

  return {
    url: `http://127.0.0.1:${port}`,
    behaviour,
    faults,
    requests,
    audit: () => auditNode(db),
    sweep: () => db.exec("UPDATE transactions SET swept = 1 WHERE type = 'out' AND collected = 0"),
    crash,
    comeUp,
    async stop() {
      const server = running?.server;
      crash();
      await server?.stop(true);
      db.close();
    },
  };
}

/** A node as most of them are. */
const honest = (profile: Profile): NodeBehaviour => ({
  refundDelayMs: 0,
  onDisconnect: 'drain',
  refundMint: undefined,
  foreignMints: profile === 'main' ? 'reject' : 'swap',
  maxHeaderBytes: undefined,
  operatorTopsUp: true,
  creditShare: 1,
  lightning: profile !== 'legacy',
});
