import type { Clock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Config } from '../config/config.ts';
import { createRelayBoard } from '../money/node-board.ts';
import { createNodeChoice } from '../money/node-choice.ts';
import { createRoutstrKeeper } from '../money/routstr-keeper.ts';
import { createShares } from '../money/shares.ts';
import { createWalletKeeper } from '../money/wallet-keeper.ts';
import { news } from '../replies/routstr/paid-run-replies.ts';
import { createAwaitedStore } from '../store/awaited-table.ts';
import type { Messaging } from './messaging.ts';
import type { Stores } from './stores.ts';

/** The wallet, the nodes, provider `routstr`, and whose money it is. Nothing is loaded or reached before it is opened. */
export function createMoney(
  config: Config,
  parts: {
    readonly stores: Stores;
    readonly post: Messaging;
    readonly reached: (checkpoint: string) => void;
    readonly clock: Clock;
    readonly log: Logger;
  },
  open: AsyncDisposableStack,
) {
  const { stores, post, reached, clock, log } = parts;
  const { owners, settings, meta } = stores;
  const ownerOf = (text: string) => owners.list().find(({ publicKey }) => publicKey === text);

  const wallet = createWalletKeeper({
    config: config.wallet,
    awaited: createAwaitedStore(stores.db),
    roleOf: owners.roleOf,
    accountOf: (owner) => accounts.of(owner),
    messenger: post.messenger,
    tellAdmins: post.tellAdmins,
    atomically: stores.atomically,
    ...{ meta, clock, log, reached },
  });
  open.defer(wallet.close);

  const { allowLoopback } = post;
  const nodes = createNodeChoice({
    configured: config.node,
    fallbacks: config.fallbacks,
    home: config.home,
    board: createRelayBoard({
      relays: post.relays,
      ...(allowLoopback ? { sources: [] } : {}),
      ...{ allowLoopback, clock, log },
    }),
    wallet: () => (config.wallet === undefined ? undefined : wallet.wallet()),
    ...{ meta, allowLoopback, clock, log },
  });
  open.defer(nodes.close);

  const routstr = createRoutstrKeeper({
    fallbacks: config.fallbacks,
    home: config.home,
    model: config.model,
    holdMs: config.holdMs,
    ownerLimit: (owner) => {
      const known = ownerOf(owner);
      return known && settings.get(known.publicKey, 'dayLimit');
    },
    ownMoney: (owner) => accounts.of(owner)?.available,
    announce: (run) => {
      // Who was removed meanwhile is told nothing.
      const to = ownerOf(run.ticket.owner);
      if (to !== undefined) post.tell(to.publicKey, news(run));
    },
    ...{ nodes, meta, reached, clock, log },
  });
  open.defer(routstr.close);
  const accounts = createShares({ wallet: wallet.wallet, usedSince: routstr.usedSince, owners });

  return { wallet, nodes, routstr, accounts };
}
export type Money = ReturnType<typeof createMoney>;
