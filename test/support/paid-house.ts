import { onceThePortIsFree } from '@nostr-dm-agent/kit/testing/until';
import { type SandboxMint, startSandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { type SandboxModel, startModel } from '@nostr-dm-agent/sandbox/model';
import { type SandboxNode, startSandboxNode } from '@nostr-dm-agent/sandbox/node';

/** What mint and node say themselves about the money of one bot. */
export type HouseBooks = {
  readonly node: {
    readonly accounts: number;
    /** Msat: paid in by clients, in all and the most by one account. */
    readonly creditedMsat: number;
    readonly largestCreditMsat: number;
    /** Msat in change tokens that were made. */
    readonly refundedMsat: number;
    /** Msat for model calls. */
    readonly spentMsat: number;
    /** Msat on accounts. */
    readonly balancesMsat: number;
    /** Sat of the operator's own: a node that has earned nothing can't pay the fee of making change. */
    readonly floatSat: number;
  };
  /** Sat. */
  readonly mint: {
    /** Paid in and signed. */
    readonly issued: number;
    /** Signed and not spent: everybody's money. */
    readonly outstanding: number;
    /** Input fees. */
    readonly earned: number;
    /** Proofs in the middle of something. */
    readonly pending: number;
  };
};

/** Where a paid bot's money goes: a mint, a Routstr node and a model behind it. Each dies and comes back when told to. */
export type PaidHouse = {
  readonly name: string;
  readonly mintUrl: string;
  /** With `/v1`. */
  readonly nodeUrl: string;
  /** As the bot names it. */
  readonly model: string;
  /** SIGKILL, or what comes nearest to it. */
  readonly killNode: (memory?: 'kept' | 'lost') => Promise<void>;
  readonly startNode: () => Promise<void>;
  readonly killMint: () => Promise<void>;
  readonly startMint: () => Promise<void>;
  readonly books: () => HouseBooks;
  /** How many model calls there were. */
  readonly modelCalls: () => number;
  readonly stop: () => Promise<void>;
};

/** In this process, with all its faults at hand. */
export type SandboxHouse = PaidHouse & {
  readonly mint: SandboxMint;
  readonly node: SandboxNode;
  readonly upstream: SandboxModel;
};

/** Sandbox mint, sandbox node, sandbox model. */
export function startSandboxHouse(options: { readonly feePpk: number }): SandboxHouse {
  const mint = startSandboxMint({ feePpk: options.feePpk, incoming: 'at-once' });
  const upstream = startModel();
  const node = startSandboxNode({
    mints: [mint.url],
    upstream: { baseUrl: upstream.url, model: 'tiny' },
  });
  return {
    ...{ name: 'sandbox', mint, node, upstream },
    mintUrl: mint.url,
    nodeUrl: `${node.url}/v1`,
    model: 'routstr/claude-sonnet-4.5',
    killNode: async (memory = 'lost') => node.crash(memory),
    startNode: () => onceThePortIsFree(node.comeUp),
    killMint: async () => {
      await mint.goDown();
      mint.clearCache();
    },
    startMint: () => onceThePortIsFree(mint.comeUp),
    books: () => {
      const { minted, totalOutstanding, earned, pending } = mint.audit();
      return {
        node: node.audit(),
        mint: { issued: minted, outstanding: totalOutstanding, earned, pending },
      };
    },
    modelCalls: () => upstream.requests.length,
    stop: async () => {
      await node.stop();
      await upstream.stop();
      await mint.stop();
    },
  };
}
