import { join } from 'node:path';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Fetch } from '@nostr-dm-agent/kit/http';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { createGuardedFetch, type GuardOptions, mayBePlain, outwardFetch } from '@nostr-dm-agent/kit/net';
import { InvalidKeyError, parsePublicKey } from '@nostr-dm-agent/nostr';
import type { AnnouncedNode, NodeBoard, NodeLook } from '@nostr-dm-agent/routstr';
import {
  createNodeInfoCache,
  type NodeInfoCache,
  type NodeUrl,
  NodeUrlError,
  parseNodeUrl,
} from '@nostr-dm-agent/routstr';
import type { Config } from '../config/config.ts';
import type { Meta } from '../store/meta-table.ts';
import type { WalletAccess } from './wallet-access.ts';

export type NodeChoiceDeps = {
  /** `node` is that of `ROUTSTR_BASE_URL`. */
  readonly config: Pick<Config, 'node' | 'fallbacks' | 'home'>;
  readonly board: NodeBoard;
  readonly meta: Meta;
  readonly wallet: Pick<WalletAccess, 'opened'>;
  /** How announced nodes are looked at. On loopback they are asked too in tests and the sandbox. */
  readonly guard: GuardOptions;
  readonly clock: Clock;
  readonly log: Logger;
};

/** Nodes that somebody announces. */
export type NodeListing = {
  /** The present one first, then the best. */
  readonly nodes: readonly NodeLook[];
  /** How many more are announced. */
  readonly more: number;
  /** False: no relay could be asked. */
  readonly complete: boolean;
};

/** Which node serves paid runs, which others there are, and what they say about themselves. */
export type NodeChoice = {
  readonly info: NodeInfoCache;
  /** How every node is asked: one that the operator has not configured is somebody else's address. */
  readonly fetch: Fetch;
  /** Where the runs to come are paid. */
  readonly current: () => NodeUrl;
  /** `ROUTSTR_BASE_URL`. */
  readonly configured: () => NodeUrl;
  /** `ROUTSTR_FALLBACKS`. */
  readonly fallbacks: () => readonly NodeUrl[];
  /** The npub that a node says it has, as far as is known without asking it. */
  readonly operatorOf: (node: NodeUrl) => string | undefined;
  /** For the runs to come, also after a restart; undefined: the configured one again. */
  readonly choose: (node: NodeUrl | undefined) => void;
  /** The nodes of the last list, by their numbers in it. */
  readonly numbered: () => readonly NodeUrl[];
  readonly number: (nodes: readonly NodeUrl[]) => void;
  /** Asks relays and nodes; prices are those of the model. */
  readonly list: (model: string | undefined, signal: AbortSignal) => Promise<NodeListing>;
  readonly look: (node: NodeUrl, model: string | undefined, signal: AbortSignal) => Promise<NodeLook>;
  readonly close: () => Promise<void>;
};

/** Announced nodes that are asked in one look, and how many at a time. */
const most = { nodes: 16, parallel: 4, listed: 10 };
/** Somebody waits for the answer. */
const timeouts = { info: 5_000, models: 8_000 };

export function createNodeChoice(deps: NodeChoiceDeps): NodeChoice {
  const { config, meta, board } = deps;
  const configured = config.node;
  const info = createNodeInfoCache({
    path: join(config.home, 'routstr-nodes.json'),
    // Its code is not needed before somebody pays.
    nodeAt: (url) => ({
      nodeInfo: async (signal) =>
        (await loadCode()).createNodeClient(url, undefined, nodeFetch).nodeInfo(signal),
    }),
    clock: deps.clock,
    log: deps.log.child({ of: 'nodes' }),
  });

  const guardedFetch = createGuardedFetch(deps.guard);
  const operators = [configured, ...config.fallbacks].map((url) => `${url}/`);
  const nodeFetch: Fetch = (url, init) =>
    operators.some((node) => String(url).startsWith(node))
      ? outwardFetch(url, init)
      : guardedFetch(url, init);
  const current = (): NodeUrl => readUrl(meta.get('routstr_node') ?? '') ?? configured;
  const optionsOf = async (model: string | undefined) => {
    const { createNodeClient, defaultTimeouts, createAbilitySource } = await loadCode();
    return {
      model,
      nodeAt: (url: NodeUrl) => createNodeClient(url, { ...defaultTimeouts, ...timeouts }, nodeFetch),
      ability: createAbilitySource(),
      wallet: deps.wallet.opened(),
      hexOf,
    };
  };
  const announced = async (signal: AbortSignal) => {
    const { announcements, reviews, complete } = await board.read(signal);
    return { nodes: (await loadCode()).announcedNodes(announcements, reviews), complete };
  };

  return {
    info,
    fetch: nodeFetch,
    current,
    configured: () => configured,
    fallbacks: () => config.fallbacks,
    operatorOf: (node) => {
      const npub = info.known(node)?.npub;
      return npub !== undefined && hexOf(npub) !== undefined ? npub : undefined;
    },
    choose: (node) => meta.set('routstr_node', node === undefined || node === configured ? '' : node),
    numbered: () =>
      (meta.get('routstr_nodes_listed') ?? '').split(' ').flatMap((text) => readUrl(text) ?? []),
    number: (nodes) => meta.set('routstr_nodes_listed', nodes.join(' ')),

    list: async (model, signal): Promise<NodeListing> => {
      const code = await loadCode();
      const [{ nodes, complete }, options] = await Promise.all([announced(signal), optionsOf(model)]);
      const present = current();
      // Those that somebody trusts are looked at first: whoever announces a thousand nodes hides none of them.
      const announcedOnes = nodes.toSorted((a, b) => trust(b) - trust(a));
      const isAnnounced = announcedOnes.some(({ url }) => url === present);
      const all = isAnnounced ? announcedOnes : [{ url: present, claims: [] }, ...announcedOnes];
      const asked = withFirst(present, all).slice(0, most.nodes);
      const looks = await code.inParallel(asked, most.parallel, (node) =>
        code.lookAtNode(node, options, signal),
      );
      return {
        nodes: withFirst(present, code.rankNodes(looks)).slice(0, most.listed),
        more: Math.max(0, nodes.length - most.listed),
        complete,
      };
    },

    look: async (url, model, signal): Promise<NodeLook> => {
      const [{ nodes }, options, code] = await Promise.all([announced(signal), optionsOf(model), loadCode()]);
      const node = nodes.find((each) => each.url === url) ?? { url, claims: [] };
      return code.lookAtNode(
        node,
        {
          ...options,
          // It may be chosen, and then a run is to know its mints.
          nodeAt: (at) => ({ ...options.nodeAt(at), nodeInfo: (soon) => info.ask(at, soon) }),
        },
        signal,
      );
    },
    close: info.close,
  };
}

const withFirst = <T extends { readonly url: NodeUrl }>(first: NodeUrl, all: readonly T[]): readonly T[] => [
  ...all.filter(({ url }) => url === first),
  ...all.filter(({ url }) => url !== first),
];

const trust = ({ claims }: AnnouncedNode): number =>
  claims.some(({ verdict }) => verdict === 'trusted') ? 1 : 0;

function readUrl(text: string): NodeUrl | undefined {
  try {
    const url = parseNodeUrl(text);
    const { protocol, hostname } = new URL(url);
    return protocol === 'https:' || mayBePlain(hostname) ? url : undefined;
  } catch (error) {
    if (error instanceof NodeUrlError) return undefined;
    throw error;
  }
}

function hexOf(npub: string): string | undefined {
  try {
    return parsePublicKey(npub);
  } catch (error) {
    if (error instanceof InvalidKeyError) return undefined;
    throw error;
  }
}

/** Not needed before somebody pays or looks for a node. */
const loadCode = () => import('@nostr-dm-agent/routstr/open');
