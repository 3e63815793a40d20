import type { Config } from '../config/config.ts';
import { createSealer } from '../keys/seal.ts';
import { createAutoTopUp } from '../money/auto-top-up.ts';
import { exchangeRate } from '../money/exchange-rate.ts';
import { createRelayBoard } from '../money/node-board.ts';
import { createNodeChoice } from '../money/node-choice.ts';
import { createRequestKeeper } from '../money/request-keeper.ts';
import { createRoutstrKeeper } from '../money/routstr-keeper.ts';
import { applyShareMode, createShares } from '../money/shares.ts';
import { createWalletKeeper } from '../money/wallet-keeper.ts';
import { autoTopUpNewsText } from '../replies/auto-top-up-replies.ts';
import { requestNewsText } from '../replies/request-replies.ts';
import { news } from '../replies/routstr/paid-run-replies.ts';
import { endingText, endText, foundText, lowBalanceText } from '../replies/wallet-news.ts';
import { createPaidProvider } from '../runs/paid-provider.ts';
import type { Provider } from '../runs/provider.ts';
import { actsSince } from '../store/instance-facts.ts';
import type { Stores } from '../store/open-stores.ts';
import type { Basics } from './basics.ts';
import type { FenceGate } from './fence-gate.ts';
import type { Messaging } from './messaging.ts';

/**
 * The wallet, the nodes, provider `routstr`, and whose money it is. Nothing is loaded or reached before it is opened.
 * Each knows those that were made before it; what goes the other way is handed over when they are opened.
 */
export function createMoney(
  config: Config,
  {
    stores,
    messaging,
    protect,
  }: {
    readonly stores: Stores;
    readonly messaging: Messaging;
    readonly protect: ((secret: string) => unknown) | undefined;
  },
  { reached, clock, log }: Basics,
  open: AsyncDisposableStack,
) {
  const { owners, settings, meta, awaited, toldPayments, atomically } = stores;
  const { relays, allowLoopback, messenger, tell, tellAdmins } = messaging;
  const ownerNamed = (text: string) => owners.list().find(({ publicKey }) => publicKey === text);

  const wallet = createWalletKeeper({
    home: config.home,
    config: config.wallet,
    awaited,
    meta,
    roleOf: owners.roleOf,
    atomically,
    reached,
    ahead: () => routstr.madeAhead(),
    clock,
    log,
  });
  open.defer(wallet.close);
  const requests = createRequestKeeper({
    ...{ relays, told: toldPayments, atomically, reached, log },
    tell: (news) => {
      const balance = wallet.wallet().balance();
      if (news.owner === undefined) {
        tellAdmins(requestNewsText(news, balance));
        return;
      }
      // Who was removed meanwhile is told nothing.
      const owner = ownerNamed(news.owner);
      if (owner !== undefined) tell(owner.publicKey, requestNewsText(news, balance, shares.of(news.owner)));
    },
  });
  open.defer(requests.close);
  const autoTopUp = createAutoTopUp({
    ...{ store: stores.autoTopUps, wallet, relays, allowLoopback, atomically },
    sealer: createSealer(config.identity.secretKey),
    isAdmin: (owner) => owners.roleOf(owner) === 'admin',
    actsSince: () => actsSince(meta),
    tell: (owner, news) => tell(owner, autoTopUpNewsText(news, clock.now())),
    around: { reached, clock, log, protect: (secret) => void protect?.(secret) },
  });
  open.defer(autoTopUp.close);
  const sources = allowLoopback ? [] : undefined;
  const board = createRelayBoard({ relays, sources, allowLoopback, clock });
  const nodes = createNodeChoice({ config, board, meta, wallet, guard: { allowLoopback }, clock, log });
  open.defer(nodes.close);
  const routstr = createRoutstrKeeper({ config, nodes, meta, reached, clock, log });
  open.defer(routstr.close);
  const shares = createShares(wallet, routstr.usedSince, owners);

  return {
    wallet,
    nodes,
    routstr,
    shares,
    autoTopUp,
    exchange: () => exchangeRate(config.currency, routstr.knownModels()),
    /**
     * Takes payments for requests, if there is a wallet, and has it filled. After its recovery.
     * @param mayBegin whether an owner's wallet may be asked to pay
     */
    takePayments: (mayBegin: FenceGate['sure']): void => {
      const opened = wallet.opened();
      if (opened !== undefined) requests.open(opened);
      if (opened !== undefined) autoTopUp.start(mayBegin);
    },
    /** Opens the wallet and what is paid from it; undefined: there is none. */
    open: async (): Promise<Provider | undefined> => {
      await wallet.open({
        onEnd: (end) =>
          messenger.send(end.to, endText(end, wallet.wallet().balance(), shares.of(end.to.publicKey))),
        onLowBalance: (low) => tellAdmins(lowBalanceText(low, autoTopUp.isDue())),
        onFound: (found) => tellAdmins(foundText(found)),
        onEnding: (money) => tellAdmins(endingText(money)),
        onLook: autoTopUp.balanceLooked,
      });
      const opened = wallet.paying();
      if (opened === undefined) return undefined;
      applyShareMode(opened, config.accounts, clock);
      await routstr.open(
        opened,
        {
          dayLimit: (owner) => {
            const known = ownerNamed(owner);
            return known && settings.get(known.publicKey, 'dayLimit');
          },
          money: (owner) => shares.of(owner)?.available,
        },
        (run) => {
          // Who was removed meanwhile is told nothing.
          const to = ownerNamed(run.ticket.owner);
          if (to !== undefined) tell(to.publicKey, news(run));
        },
      );
      return createPaidProvider(routstr.provider(), routstr);
    },
  };
}
