import { join } from 'node:path';
import type { CashuWallet } from '@nostr-dm-agent/cashu-wallet';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Fetch } from '@nostr-dm-agent/kit/http';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { createGuardedFetch, isLoopbackHost } from '@nostr-dm-agent/kit/net';
import { InvalidKeyError, parsePublicKey } from '@nostr-dm-agent/nostr';
import type { AnnouncedNode, NodeBoard, NodeLook } from '@nostr-dm-agent/routstr';
import {
  createNodeInfoCache,
  type NodeInfoCache,
  type NodeUrl,
  NodeUrlError,
  parseNodeUrl,
} from '@nostr-dm-agent/routstr';
import type { Listing, Nodes } from '../commands/provider/node-commands.ts';
import type { Meta } from '../store/meta-table.ts';

export type NodeChoiceDeps = {
  /** `ROUTSTR_BASE_URL`. */
  readonly configured: NodeUrl;
  /** `ROUTSTR_FALLBACKS`. */
  readonly fallbacks: readonly NodeUrl[];
  /** `BOT_HOME`. */
  readonly home: string;
  readonly board: NodeBoard;
  readonly meta: Meta;
  /** Undefined: there is none. */
  readonly wallet: () => CashuWallet | undefined;
  /** Announced nodes on this machine are asked too (tests and the sandbox). */
  readonly allowLoopback: boolean;
  readonly clock: Clock;
  readonly log: Logger;
};

/** Which node serves paid runs, which others there are, and what they say about themselves. */
export type NodeChoice = Nodes & {
  readonly info: NodeInfoCache;
  readonly close: () => Promise<void>;
};

/** Announced nodes that are asked in one look, and how many at a time. */
const most = { nodes: 16, parallel: 4, listed: 10 };
/** Somebody waits for the answer. */
const timeouts = { info: 5_000, models: 8_000 };

export function createNodeChoice(deps: NodeChoiceDeps): NodeChoice {
  const { configured, meta, board } = deps;
  const info = createNodeInfoCache({
    path: join(deps.home, 'routstr-nodes.json'),
    // Its code is not needed before somebody pays.
    nodeAt: (url) => ({
      nodeInfo: async (signal) =>
        (await loadCode()).createNodeClient(url, undefined, fetchFor(url)).nodeInfo(signal),
    }),
    clock: deps.clock,
    log: deps.log.child({ of: 'nodes' }),
  });

  const guardedFetch = createGuardedFetch({ allowLoopback: deps.allowLoopback });
  const operators: ReadonlySet<NodeUrl> = new Set([configured, ...deps.fallbacks]);
  const current = (): NodeUrl => readUrl(meta.get('routstr_node') ?? '') ?? configured;
  /** What the operator configured or an admin chose is their affair; every other address was announced by somebody. */
  const fetchFor = (url: NodeUrl): Fetch => (operators.has(url) || url === current() ? fetch : guardedFetch);
  const optionsOf = async (model: string | undefined) => {
    const { createNodeClient, defaultTimeouts, createAbilitySource } = await loadCode();
    return {
      model,
      nodeAt: (url: NodeUrl, through = fetchFor(url)) =>
        createNodeClient(url, { ...defaultTimeouts, ...timeouts }, through),
      ability: createAbilitySource(),
      wallet: deps.wallet(),
      hexOf,
    };
  };
  const announced = async (signal: AbortSignal) => {
    const { announcements, reviews, complete } = await board.read(signal);
    return { nodes: (await loadCode()).announcedNodes(announcements, reviews), complete };
  };

  return {
    info,
    current,
    configured: () => configured,
    fallbacks: () => deps.fallbacks,
    operatorOf: (node) => {
      const npub = info.known(node)?.npub;
      return npub !== undefined && hexOf(npub) !== undefined ? npub : undefined;
    },
    choose: (node) => meta.set('routstr_node', node === undefined || node === configured ? '' : node),
    numbered: () =>
      (meta.get('routstr_nodes_listed') ?? '').split(' ').flatMap((text) => readUrl(text) ?? []),
    number: (nodes) => meta.set('routstr_nodes_listed', nodes.join(' ')),

    list: async (model, signal): Promise<Listing> => {
      const code = await loadCode();
      const [{ nodes, complete }, options] = await Promise.all([announced(signal), optionsOf(model)]);
      // Those that somebody trusts are looked at first: whoever announces a thousand nodes hides none of them.
      const ordered = nodes.toSorted((a, b) => trust(b) - trust(a));
      const asked: readonly AnnouncedNode[] = [
        ...ordered.filter(({ url }) => url === current()),
        ...(ordered.some(({ url }) => url === current()) ? [] : [{ url: current(), claims: [] }]),
        ...ordered.filter(({ url }) => url !== current()),
      ].slice(0, most.nodes);
      const looks = await code.inParallel(asked, most.parallel, (node) =>
        code.lookAtNode(node, options, signal),
      );
      const ranked = code.rankNodes(looks);
      const now = ranked.filter(({ url }) => url === current());
      const others = ranked.filter(({ url }) => url !== current());
      return {
        nodes: [...now, ...others].slice(0, most.listed),
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
          // An admin named this address. It may be chosen, and then a run is to know its mints.
          nodeAt: (at) => ({ ...options.nodeAt(at, fetch), nodeInfo: (soon) => info.ask(at, soon) }),
        },
        signal,
      );
    },
    close: info.close,
  };
}

const trust = ({ claims }: AnnouncedNode): number =>
  claims.some(({ verdict }) => verdict === 'trusted') ? 1 : 0;

function readUrl(text: string): NodeUrl | undefined {
  try {
    const url = parseNodeUrl(text);
    const { protocol, hostname } = new URL(url);
    return protocol === 'https:' || isLoopbackHost(hostname) ? url : undefined;
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
