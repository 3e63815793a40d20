import { parseSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { NodeUrl } from '@nostr-dm-agent/routstr/client';
import type { KeyFacts, KeyInvoice, MadeKey, ToppedUp, WalletSession } from '@nostr-dm-agent/routstr/remote';
import type { TuiPluginApi } from '@opencode-ai/plugin/tui';
import { keepNode, readNode } from '../own-files.ts';
import { defaultNode, providerId } from '../provider.ts';
import { refusalText } from '../sentences/refusal-sentences.ts';
import {
  arrivedText,
  askRefund,
  badAmount,
  dated,
  keyLine,
  noNode,
  nothingAtNodes,
  noWallet,
  operationLine,
  quoteText,
  refundedText,
  runLine,
  suggested,
  titles,
  walletText,
  ways,
  withdrawnText,
} from '../sentences/terminal-sentences.ts';
import type { WalletAccess } from '../wallet-access.ts';
import { lookAtMoney, total } from './balance.ts';
import type { Dialogs } from './dialogs.ts';
import type { InvoicePage, Unpaid } from './invoice-page.ts';

export type CommandDeps = {
  readonly api: TuiPluginApi;
  readonly access: WalletAccess;
  readonly dialogs: Dialogs;
  readonly page: InvoicePage;
  /** Something has moved. */
  readonly moved: () => void;
};

/** For what a mint and a node answer. */
const patienceMs = 120_000;
const invoicePatienceMs = 3_600_000;
const soon = (): AbortSignal => AbortSignal.timeout(patienceMs);

/** What `/wallet…` does, by the name of the command. */
export const walletCommands = (deps: CommandDeps) =>
  [
    { name: 'wallet', title: 'Wallet: what is there', run: () => show(deps) },
    { name: 'wallet-topup', title: 'Wallet: top up', run: () => topUp(deps) },
    { name: 'wallet-withdraw', title: 'Wallet: pay out', run: () => withdraw(deps) },
    { name: 'wallet-refund', title: 'Wallet: bring the money home', run: () => refund(deps) },
    { name: 'wallet-history', title: 'Wallet: history', run: () => history(deps) },
  ] as const;

async function show({ access, dialogs }: CommandDeps): Promise<void> {
  const session = await access.existing();
  if (session === undefined) return dialogs.say(titles.wallet, noWallet);
  const money = await dialogs.during(titles.wallet, lookAtMoney(session, soon()));
  return dialogs.say(titles.wallet, money === undefined ? noNode : walletText(money, access.place().wordsIn));
}

async function topUp(deps: CommandDeps): Promise<void> {
  const { access, dialogs } = deps;
  const session = await access.open();
  const money = await dialogs.during(titles.topUp, lookAtMoney(session, soon()));
  const text = await dialogs.ask(
    titles.topUp,
    suggested(money === undefined ? 0 : total(money)).toLocaleString('en-US'),
  );
  if (text === undefined) return;
  const amount = parseSat(text);
  if (amount === undefined) return dialogs.say(titles.failed, badAmount);
  const key = await currentKey(deps, session);
  const node = key?.node ?? readNode(access.home()) ?? (defaultNode as NodeUrl);
  const ready = money?.wallet ?? 0;
  const way = await dialogs.choose(titles.ways, [
    { ...ways.keyByInvoice, value: 'key-invoice' as const },
    ...(ready >= amount ? [{ ...ways.keyFromWallet(ready as Sat), value: 'key-wallet' as const }] : []),
    { ...ways.walletByInvoice, value: 'wallet-invoice' as const },
  ]);
  if (way === undefined) return;
  if (way === 'wallet-invoice') return fillWallet(deps, session, amount);
  return fillKey(deps, session, { key, node, amount, from: way === 'key-wallet' ? 'wallet' : 'invoice' });
}

async function fillKey(
  deps: CommandDeps,
  session: WalletSession,
  wish: {
    readonly key: KeyFacts | undefined;
    readonly node: NodeUrl;
    readonly amount: Sat;
    readonly from: 'wallet' | 'invoice';
  },
): Promise<void> {
  const { api, access, dialogs } = deps;
  const { key, node, amount, from } = wish;
  const work = (
    signal: AbortSignal,
    onInvoice: (invoice: KeyInvoice) => void,
    onAsked: () => void,
  ): Promise<Exclude<MadeKey | ToppedUp, { state: 'unpaid' }>> => {
    const waiting = { onInvoice, onAsked };
    return key === undefined
      ? session.makeKey({ from, amount, node }, signal, waiting)
      : session.topUpKey(key.id, { from, amount }, signal, waiting);
  };
  const done =
    from === 'wallet'
      ? await dialogs.during(titles.topUp, work(soon(), noop, noop))
      : await paid(deps, (signal, show, onAsked) =>
          work(signal, ({ invoice }) => show({ invoice, amount, where: 'key' }), onAsked),
        );
  if (done === undefined) return;
  if (done.state === 'refused') return dialogs.say(titles.failed, refusalText(done.refusal, done.money));
  if (done.state === 'made') {
    keepNode(access.home(), node);
    await logIn(api, done.secret, node);
  }
  deps.moved();
  api.ui.toast({ variant: 'success', message: arrivedText(amount, 'key') });
}

async function fillWallet(deps: CommandDeps, session: WalletSession, amount: Sat): Promise<void> {
  const done = await paid(deps, (signal, show, onAsked) =>
    session.topUpWallet(amount, signal, {
      onInvoice: ({ invoice }) => show({ invoice, amount, where: 'wallet' }),
      onAsked,
    }),
  );
  if (done === undefined || done.state !== 'paid') return;
  deps.moved();
  deps.api.ui.toast({ variant: 'success', message: arrivedText(amount, 'wallet') });
}

/** Shows the invoice until it is paid. undefined: the user went away before; whoever pays later is noticed all the same. */
async function paid<T>(
  { dialogs, page }: CommandDeps,
  work: (signal: AbortSignal, show: (unpaid: Unpaid) => void, onAsked: () => void) => Promise<T>,
): Promise<T | undefined> {
  const left = new AbortController();
  const signal = AbortSignal.any([left.signal, AbortSignal.timeout(invoicePatienceMs)]);
  const { promise: shown, resolve } = Promise.withResolvers<void>();
  const show = (unpaid: Unpaid): void => {
    page.show(unpaid, () => left.abort());
    resolve();
  };
  const done = work(signal, show, page.asked);
  done.catch(() => undefined);
  await dialogs.during(titles.topUp, Promise.race([shown, done]));
  try {
    return await done;
  } catch (error) {
    if (left.signal.aborted) return undefined;
    throw error;
  } finally {
    page.leave();
  }
}

async function withdraw({ access, dialogs, moved }: CommandDeps): Promise<void> {
  const session = await access.existing();
  if (session === undefined) return dialogs.say(titles.withdraw, noWallet);
  const text = await dialogs.ask(titles.withdraw, 'you@example.com 2,000', titles.withdrawTo);
  if (text === undefined) return;
  const [to = '', ...rest] = text.split(/\s+/);
  const amount =
    rest.length === 0 ? undefined : rest.join(' ') === 'all' ? ('all' as const) : parseSat(rest.join(' '));
  if (rest.length > 0 && amount === undefined) return dialogs.say(titles.failed, badAmount);
  const request = { to, ...(amount === undefined ? {} : { amount }) };
  const quote = await dialogs.during(titles.withdraw, session.quoteWithdrawal(request, soon()));
  if (!(await dialogs.confirm(titles.withdraw, quoteText(quote)))) return;
  const { withdrawal, balance } = await dialogs.during(
    titles.withdraw,
    session.withdraw(quote.operation, soon()),
  );
  moved();
  return dialogs.say(titles.withdraw, withdrawnText(withdrawal, balance.ready));
}

async function refund({ api, access, dialogs, moved }: CommandDeps): Promise<void> {
  const session = await access.existing();
  if (session === undefined) return dialogs.say(titles.refund, noWallet);
  const money = await dialogs.during(titles.refund, lookAtMoney(session, soon()));
  if (money === undefined) return dialogs.say(titles.refund, noNode);
  if (money.keys.length === 0) return dialogs.say(titles.refund, nothingAtNodes);
  if (!(await dialogs.confirm(titles.refund, askRefund(money.keys)))) return;
  const results = await dialogs.during(
    titles.refund,
    Promise.all(money.keys.map(({ key }) => session.refundKey(key.id, soon()))),
  );
  // A key whose money has left is refused by its node; opencode is not to go on with it.
  if (results.some(({ state }) => state !== 'refused')) {
    await api.client.auth.remove({ providerID: providerId });
    await api.client.instance.dispose();
  }
  moved();
  return dialogs.say(titles.refund, results.map(refundedText).join('\n'));
}

const historyLines = 100;

async function history({ access, dialogs }: CommandDeps): Promise<void> {
  const session = await access.existing();
  if (session === undefined) return dialogs.say(titles.history, noWallet);
  const signal = soon();
  const [{ runs, operations }, keys] = await dialogs.during(
    titles.history,
    Promise.all([session.history(historyLines, signal), session.keys('all', signal)]),
  );
  const lines = [...runs.map(runLine), ...operations.map(operationLine), ...keys.map(keyLine)];
  lines.sort((a, b) => b.at - a.at);
  await dialogs.choose(
    titles.history,
    lines.map((line) => ({ ...line, title: `${dated(line.at)}  ${line.title}`, value: line })),
  );
}

/** The key that opencode uses now; else the newest that can be used. */
async function currentKey({ api }: CommandDeps, session: WalletSession): Promise<KeyFacts | undefined> {
  const signal = soon();
  const used = api.state.provider.find(({ id }) => id === providerId)?.key;
  const known = used === undefined ? undefined : await session.keyInfo(used, signal);
  if (known?.key.state === 'kept') return known.key;
  return (await session.keys('open', signal)).filter(({ state }) => state === 'kept').at(-1);
}

/** opencode uses the key from now on. */
export async function logIn(api: TuiPluginApi, key: string, node: string): Promise<void> {
  await api.client.auth.set({ providerID: providerId, auth: { type: 'api', key, metadata: { node } } });
  // What is loaded knows nothing of it until it is loaded again.
  await api.client.instance.dispose();
}

const noop = (): void => undefined;
