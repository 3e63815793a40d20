import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { Wall } from '../backends/jail/types.ts';
import { installOpencodeConfig } from '../backends/opencode-config.ts';
import type { Config } from '../config/config.ts';
import type { ConnectionKeeper } from '../keys/connection-keeper.ts';
import { offeredTo, remember, untold } from '../keys/offer-old-keys.ts';
import type { OldKeys } from '../keys/old-keys.ts';
import { withBudgetsFreed } from '../money/budgets-freed.ts';
import { lockedLine, lockedNotice, noWalletForRoutstr } from '../replies/connection-replies.ts';
import { movedText } from '../replies/mint-replies.ts';
import { oldKeysNotice } from '../replies/old-key-replies.ts';
import { takenOverText } from '../replies/own-key-replies.ts';
import { firstSteps, readyNotice } from '../replies/ready-notice.ts';
import { wallNotice, wallWarning } from '../replies/wall-replies.ts';
import { recoveryLines } from '../replies/wallet-news.ts';
import { endLeftovers, recoverRuns } from '../runs/recover-runs.ts';
import type { Stores } from '../store/open-stores.ts';
import type { Basics } from './basics.ts';
import type { FenceGate } from './fence-gate.ts';
import type { Intake } from './intake.ts';
import type { Messaging } from './messaging.ts';
import type { createMoney } from './money.ts';
import type { TakenOver } from './one-bot.ts';
import type { Work } from './work.ts';

export type StartupParts = {
  readonly stores: Stores;
  readonly connections: ConnectionKeeper;
  readonly messaging: Messaging;
  readonly money: ReturnType<typeof createMoney>;
  readonly work: Work;
  readonly intake: Intake;
  readonly takenOver: TakenOver | undefined;
  readonly gate: FenceGate;
};

/** Settles what an earlier life left open, money first, and returns what there is to tell about it. */
export async function recover(
  config: Config,
  { stores, money, work, takenOver, gate }: StartupParts,
  { log, stopping }: Basics,
  open: AsyncDisposableStack,
) {
  await installOpencodeConfig(config.home);
  const ended = endLeftovers(work.runDeps, stopping);
  // Only now: the relays connect while its code is loaded. Its money is in order before anybody may spend it.
  const routstr = await money.open();
  if (routstr !== undefined) work.providers.providers.set(routstr.name, routstr);
  // An agent that is still alive is still spending.
  const processes = await ended;
  const walletRecovery = await money.wallet.recover();
  money.takePayments(gate.sure);
  const wallet = money.wallet.opened();
  if (wallet !== undefined) {
    const { serveWalletSocket, walletSocketPath } = await import('@nostr-dm-agent/cashu-wallet/remote');
    const { keyHandlers } = await import('@nostr-dm-agent/routstr/remote');
    const whole = withBudgetsFreed(wallet, money.routstr.freeBudgets);
    const keys = keyHandlers(money.routstr.provider().keys, whole);
    open.defer(serveWalletSocket(whole, walletSocketPath(config.home), log, keys).close);
  }
  // What was in the queue somebody else may have done since.
  const catchupMs = takenOver === undefined ? config.catchupMs : Number.NEGATIVE_INFINITY;
  const runs = await recoverRuns(work.runDeps, catchupMs, stopping);
  return {
    ...runs,
    processes,
    operations: typeof walletRecovery === 'object' ? walletRecovery.settled.length : 0,
    walletLines: [...recoveryLines(walletRecovery), ...(wallet?.info().moved ?? []).map(movedText)],
    waiting: stores.runs.counts().waiting,
  };
}

/** Begins to work, and tells admins, and those whose keys can't be opened. */
export function begin(
  config: Config,
  { stores, connections, messaging, money, work, takenOver, gate }: StartupParts,
  recovered: Awaited<ReturnType<typeof recover>>,
  bot: {
    readonly version: string;
    readonly isNew: boolean;
    readonly wall: Wall | undefined;
  },
  { log }: Basics,
): void {
  money.routstr.start();
  const locked = connections.check();
  for (const { publicKey } of stores.owners.list()) {
    const theirs = locked.filter(({ owner }) => owner === publicKey).map(({ provider }) => provider);
    if (theirs.length > 0) messaging.tell(publicKey, lockedNotice(theirs));
  }
  for (const { publicKey } of stores.owners.list())
    offerOldKeys(publicKey, connections.tools.oldKeys, stores, messaging);
  work.queue.start(gate.isOpen);
  const lacksWallet = work.providers.lacksWallet();
  if (lacksWallet) {
    log.warn({ needed: 'CASHU_MNEMONIC' }, 'provider routstr is set, but there is no wallet');
  }
  const hasWallet = config.wallet !== undefined;
  const { wall } = bot;
  messaging.tellAdmins(
    readyNotice(bot.version, recovered, [
      wall && (wallWarning(wall, hasWallet) ?? (bot.isNew && wallNotice(wall))),
      takenOver && takenOverText(takenOver),
      bot.isNew && config.provider === 'local' && firstSteps(hasWallet),
      recovered.walletLines,
      recovered.lines,
      lacksWallet && noWalletForRoutstr,
      lockedLine(locked.length),
    ]),
  );
}

/** Once, to whoever runs the host. */
function offerOldKeys(
  owner: PublicKey,
  oldKeys: OldKeys,
  stores: Stores,
  { tell }: Pick<Messaging, 'tell'>,
): void {
  const fresh = untold({ stores }, offeredTo({ oldKeys, stores }, owner));
  if (fresh.length === 0) return;
  stores.atomically(() => {
    tell(owner, oldKeysNotice(fresh));
    remember(stores, 'told', fresh);
  });
}
