import type { Sat } from '@nostr-dm-agent/kit/sat';
import { every } from '@nostr-dm-agent/kit/timers';
import type { TuiPluginApi, TuiPluginModule } from '@opencode-ai/plugin/tui';
import { createSignal } from 'solid-js';
import { readOptions } from './plugin-options.ts';
import { newsText } from './sentences/login-sentences.ts';
import { lowSat, lowText, statusText, veryLowSat } from './sentences/terminal-sentences.ts';
import { lookAtMoney, total } from './terminal/balance.ts';
import { logIn, walletCommands } from './terminal/commands.ts';
import { createDialogs } from './terminal/dialogs.ts';
import { element } from './terminal/element.ts';
import { createInvoicePage } from './terminal/invoice-page.ts';
import { createWalletAccess, silent, type WalletAccess } from './wallet-access.ts';

const everyMs = 30_000;
const patienceMs = 20_000;
const newsMs = 15_000;

/** The balance in opencode's own screen, and the wallet's commands. */
const plugin: TuiPluginModule = {
  id: 'routstr-wallet',
  tui: async (api, given) => {
    const { options, problem } = readOptions(given);
    if (problem !== undefined) api.ui.toast({ variant: 'warning', message: problem, duration: newsMs });
    const access = createWalletAccess(process.env, options);
    const balance = watchBalance(api, access);
    const dialogs = createDialogs(api);
    const page = createInvoicePage(api);
    const commands = walletCommands({ api, access, dialogs, page, moved: balance.look });
    api.keymap.registerLayer({
      commands: commands.map(({ name, title, run }) => ({
        name: `routstr.${name}`,
        title,
        category: 'Routstr',
        namespace: 'palette',
        slashName: name,
        run: dialogs.command(run),
      })),
      bindings: [],
    });
    const status = () =>
      element(
        'text',
        { fg: () => (isLow(balance.amount()) ? api.theme.current.warning : api.theme.current.textMuted) },
        () => {
          const amount = balance.amount();
          return amount === undefined ? '' : statusText(amount);
        },
      );
    api.slots.register({ slots: { home_prompt_right: status, session_prompt_right: status } });
    api.lifecycle.onDispose(async () => {
      balance.stop();
      await access.close();
    });
    await tellNews(api, access);
    balance.look();
  },
};
export default plugin;

const isLow = (amount: Sat | undefined): boolean => amount !== undefined && amount < lowSat;

/** Wallet and nodes together, asked after each answer and now and then; undefined where it can't be known. */
function watchBalance(api: TuiPluginApi, access: WalletAccess) {
  const [amount, setAmount] = createSignal<Sat | undefined>(undefined);
  let warnedAt = Number.POSITIVE_INFINITY;
  let under: Promise<void> | undefined;
  let again = false;
  const once = async (): Promise<void> => {
    const session = await access.existing();
    const money = session && (await lookAtMoney(session, AbortSignal.timeout(patienceMs)));
    const sum = money && total(money);
    setAmount(sum);
    if (sum === undefined || money?.keys.length === 0) return;
    // Once when it gets low, and once more when hardly anything is left.
    const step = sum < veryLowSat ? veryLowSat : sum < lowSat ? lowSat : Number.POSITIVE_INFINITY;
    if (step < warnedAt) api.ui.toast({ variant: 'warning', message: lowText(sum), duration: newsMs });
    warnedAt = step;
  };
  const look = (): void => {
    again = under !== undefined;
    under ??= once()
      .catch(() => setAmount(undefined))
      .finally(() => {
        under = undefined;
        if (again) look();
      });
  };
  const stopTimer = every(everyMs, { name: 'balance', log: silent }, look);
  const stopEvents = api.event.on('session.idle', look);
  return {
    amount,
    look,
    stop: () => {
      stopTimer();
      stopEvents();
    },
  };
}

/** What became of what was cut off. A login whose money arrived is done now. */
async function tellNews(api: TuiPluginApi, access: WalletAccess): Promise<void> {
  try {
    const session = await access.existing();
    if (session === undefined) return;
    const signal = AbortSignal.timeout(patienceMs);
    const news = await session.news(signal);
    if (news.length === 0) return;
    for (const { did, came, key } of news) {
      const secret = did === 'make' && came === 'kept' ? await session.keySecret(key.id, signal) : undefined;
      if (secret !== undefined) await logIn(api, secret, key.node);
    }
    api.ui.toast({ variant: 'info', message: news.map(newsText).join('\n'), duration: newsMs });
  } catch {
    // The wallet is in use, or its mint is away: the next start says it.
  }
}
