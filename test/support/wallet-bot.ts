import { join } from 'node:path';
import { balanceFromWords, newWords, stranger } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { type SandboxMint, type SandboxMintOptions, startSandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { startTestBot, type TestBotOptions } from './bot.ts';

export type WalletBotOptions = TestBotOptions & {
  readonly mint?: SandboxMintOptions;
  /** A second mint that is accepted. */
  readonly other?: SandboxMintOptions;
  /** In the wallet at first, by an invoice that somebody pays. */
  readonly funds?: number;
};

/** The bot as an operator runs it, with a wallet at a sandbox mint that the test holds in its hands. */
export async function startWalletBot(options: WalletBotOptions = {}) {
  const mint = startSandboxMint({ incoming: 'on-demand', ...options.mint });
  const other = options.other === undefined ? undefined : startSandboxMint(options.other);
  const words = newWords();
  const bot = await startTestBot({
    ...options,
    env: {
      CASHU_MNEMONIC: words,
      CASHU_MINT_URL: mint.url,
      ...(other === undefined ? {} : { CASHU_MINTS: other.url }),
      ...options.env,
    },
  });
  const { owner } = bot;

  /** The answer to a message. */
  const ask = async (text: string, pattern = /./): Promise<string> =>
    (await owner.answer(await owner.send(text), pattern)).text;
  /** Sends a command that wants a code, and the code. */
  const confirmed = async (command: string, pattern = /./): Promise<string> => {
    const code = codeIn(await ask(command));
    return ask(code, pattern);
  };
  const topUp = async (sats: number, from = mint): Promise<string> => {
    const id = await owner.send(`!wallet topup ${sats}`);
    const invoice = invoiceIn((await owner.answer(id, /lightning:/)).text);
    from.pay(from.quoteOf(invoice));
    return (await owner.answer(id, /^Paid:/)).text;
  };
  if (options.funds !== undefined) await topUp(options.funds);

  return {
    ...{ bot, owner, mint, other, words, ask, confirmed, topUp },
    /** A token of somebody else, at the bot's mint. */
    token: async (sats: number, at: SandboxMint = mint): Promise<string> => {
      const { incoming } = at.lightning;
      at.lightning.incoming = 'at-once';
      const token = await (await stranger(at)).token(sats);
      at.lightning.incoming = incoming;
      return token;
    },
    balance: async (): Promise<number> => readySat(await ask('!wallet balance')),
    /** What the words alone find unspent. */
    fromWords: (at: SandboxMint = mint) => balanceFromWords(at, words, 60),
    /** Kills the bot while the mint holds its request to `path`: not done yet (`before`), or done (`after`). */
    killDuring: async (path: string, when: 'before' | 'after', begin: () => Promise<unknown>, at = mint) => {
      at.faults.add({ path, when, effect: { kind: 'hold' } });
      await begin();
      await until(() => at.faults.holding() > 0, `the bot asks for ${path}`);
      await bot.end('SIGKILL');
      at.faults.clear();
      at.faults.release();
    },
    walletDirectory: join(bot.directory, 'user', '.cashu-wallet'),
    cleanUp: async () => {
      await bot.cleanUp();
      await mint.stop();
      await other?.stop();
    },
  };
}
export type WalletBot = Awaited<ReturnType<typeof startWalletBot>>;

const match = (text: string, pattern: RegExp): string => {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`nothing like ${pattern} in: ${text}`);
  return found;
};
/** Money is alone in its message. */
export const invoiceIn = (text: string): string => match(text, /^(?:lightning:)?(lnbc\S+)$/);
export const tokenIn = (text: string): string => match(text, /^(cashuB\S+)$/);
export const codeIn = (text: string): string => match(text, /send (\d{4}) /);
export const readySat = (text: string): number =>
  Number(match(text, /([\d,]+) sat ready/).replaceAll(',', ''));
/** The id that `!wallet pending` and `!wallet history` end a line with. */
export const idIn = (text: string): string => match(text, /· ([2-9a-z]{10})$/m);
