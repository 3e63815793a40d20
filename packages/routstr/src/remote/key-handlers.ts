/*
 * Persistent keys over the wallet's socket: what is asked, checked field by field, and who answers it.
 */
import type { CashuWallet } from '@nostr-dm-agent/cashu-wallet';
import { handler, type RemoteExtension, type RemoteHandlers } from '@nostr-dm-agent/cashu-wallet/remote';
import { type Clock, systemClock } from '@nostr-dm-agent/kit/clock';
import type { Fetch } from '@nostr-dm-agent/kit/http';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { z } from 'zod';
import { createNodeClient } from '../node/node-client.ts';
import { type NodeUrl, parseNodeUrl } from '../node/node-url.ts';
import { checkUserKeys } from '../paid-run/check-runs.ts';
import { closeWhenRedeemed } from '../paid-run/close-books.ts';
import { createLiveRuns } from '../paid-run/live-runs.ts';
import { nameOpenRuns } from '../paid-run/name-open-runs.ts';
import { createPaidRunDeps } from '../paid-run/open-deps.ts';
import type { RunCheckpoint } from '../paid-run/paid-run.ts';
import type { PaidRunWaits } from '../paid-run/paid-run-deps.ts';
import { createUserKeys, type UserKeys } from '../paid-run/user-key.ts';
import { satValue } from './key-facts.ts';

const id = z.string().regex(/^[\w-]{1,64}$/);
const node = z.string().max(2048).transform(parseNodeUrl);
const payment = z.discriminatedUnion('from', [
  z.object({ from: z.literal('token'), token: z.string().max(64 * 1024) }),
  z.object({ from: z.literal('wallet'), amount: satValue }),
  z.object({ from: z.literal('invoice'), amount: satValue }),
]);

const argumentSchemas = {
  makeKey: z.object({ id, node, payment }),
  awaitKey: z.object({ id }),
  topUpKey: z.object({ id, key: id, payment }),
  awaitKeyTopUp: z.object({ id }),
  refundKey: z.object({ id }),
  keys: z.object({ which: z.enum(['open', 'all']) }),
  /** By its id, or by itself. */
  keyInfo: z.object({ key: z.string().max(200) }),
  keySecret: z.object({ id }),
  keyNews: z.object({}),
  exportBooks: z.object({}),
};
export type KeyCommand = keyof typeof argumentSchemas;

/** More than anybody has: all of them. */
const all = 1_000_000;

/** The commands of persistent keys, for whoever has the wallet open. */
export function keyHandlers(
  keys: UserKeys,
  wallet: Pick<CashuWallet, 'ledger' | 'operations'>,
): RemoteHandlers {
  const schemas = argumentSchemas;
  const offline = { offline: true } as const;
  const waits = { waits: true } as const;
  return new Map<KeyCommand, ReturnType<typeof handler>>([
    ['makeKey', handler(schemas.makeKey, (request, { signal }) => keys.make(request, signal))],
    [
      'awaitKey',
      handler(
        schemas.awaitKey,
        (request, { signal, progress }) => keys.awaitKey(request.id, signal, () => progress('asked')),
        waits,
      ),
    ],
    ['topUpKey', handler(schemas.topUpKey, (request, { signal }) => keys.topUp(request, signal))],
    [
      'awaitKeyTopUp',
      handler(
        schemas.awaitKeyTopUp,
        (request, { signal, progress }) => keys.awaitTopUp(request.id, signal, () => progress('asked')),
        waits,
      ),
    ],
    ['refundKey', handler(schemas.refundKey, (request, { signal }) => keys.refund(request.id, signal))],
    ['keys', handler(schemas.keys, ({ which }) => keys.list(which), offline)],
    ['keyInfo', handler(schemas.keyInfo, ({ key }, { signal }) => keys.info(key, signal), offline)],
    ['keySecret', handler(schemas.keySecret, (request) => keys.secret(request.id), offline)],
    ['keyNews', handler(schemas.keyNews, () => keys.news())],
    [
      'exportBooks',
      handler(
        schemas.exportBooks,
        () => ({
          ledger: wallet.ledger.latest(all),
          operations: wallet.operations({ limit: all }),
          keys: keys.list('all'),
        }),
        offline,
      ),
    ],
  ]);
}

export type KeyParts = {
  readonly log: Logger;
  readonly clock?: Clock;
  readonly fetch?: Fetch;
  readonly waits?: Partial<PaidRunWaits>;
  /** For tests that end the process there. */
  readonly onCheckpoint?: (checkpoint: RunCheckpoint) => void;
};

/** Persistent keys while the wallet is open in a process that is no bot. Runs of a bot are left to it. */
export const withKeys =
  ({ log, clock = systemClock, fetch, waits, onCheckpoint }: KeyParts): RemoteExtension =>
  (wallet) => {
    const mints = new Map<NodeUrl, readonly string[]>();
    const at = (url: NodeUrl) => createNodeClient(url, undefined, fetch);
    const deps = createPaidRunDeps(
      {
        ...{ wallet, clock, log },
        nodes: {
          // Nobody makes runs here: whoever wants a key says where.
          current: () => parseNodeUrl('https://api.routstr.com/v1'),
          at,
          mintsOf: (url) => mints.get(url),
          ask: async (url, signal) => {
            const answer = await at(url).nodeInfo(signal);
            if (answer.state === 'ok') mints.set(url, answer.value.mints);
            return answer;
          },
        },
        ...(waits && { waits }),
        ...(onCheckpoint && { onCheckpoint }),
      },
      createLiveRuns(() => undefined),
    );
    const keys = createUserKeys(deps);
    const stopListening = wallet.onRedeemed((redeemed) => closeWhenRedeemed(deps, redeemed));
    wallet.addCheck(nameOpenRuns(deps.store));
    wallet.addCheck((findings, signal) => checkUserKeys(deps, findings, signal));
    return {
      handlers: keyHandlers(keys, wallet),
      recover: keys.recover,
      close: async () => stopListening(),
    };
  };
