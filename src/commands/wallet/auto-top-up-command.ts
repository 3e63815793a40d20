import { parseSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { WalletConnectionError } from '@nostr-dm-agent/nostr';
import { SealError } from '../../keys/seal.ts';
import {
  autoTopUpOffText,
  autoTopUpSetText,
  autoTopUpStateText,
  connectionCheckText,
  connectionProblemText,
  neitherText,
} from '../../replies/auto-top-up-replies.ts';
import { type Call, type Command, type FullReply, RefusalError, UsageError } from '../command.ts';
import type { WalletCommandDeps } from './wallet-command-deps.ts';

/** `!wallet autotopup`: the bot fills its wallet from its owner's. */
export const autoTopUpCommand = (deps: WalletCommandDeps): Command => ({
  path: 'wallet autotopup',
  parameters: '[<nwc uri> <sats>/day|off]',
  family: 'Wallet',
  summary: 'let the bot fill its wallet from yours, within a daily cap',
  detail:
    'By Nostr Wallet Connect: below !wallet alert, the bot has an invoice of its own mint paid by your wallet, never more than the cap on a day. Make a connection of its own in your wallet, with a budget there, too; all that it has to be allowed is pay_invoice. Its secret is sealed before it is stored; delete your message with it afterwards. Alone it shows how it stands.',
  examples: [
    '!wallet autotopup nostr+walletconnect://… 5000/day',
    '!wallet autotopup 10k/day',
    '!wallet autotopup off',
    '!wallet autotopup',
  ],
  role: 'admin',
  instead: '!wallet topup <sats> gives an invoice that fills the wallet.',
  kind: 'lasting',
  repeatable: true,
  run: async (call, signal) => {
    const { autoTopUp, wallet } = deps.money;
    // There is nothing to be filled without one.
    wallet.wallet();
    const threshold = wallet.threshold();
    const state = () =>
      autoTopUpStateText(autoTopUp.state(), call.owner.publicKey, threshold, deps.clock.now());
    if (call.argument === '') return state();
    if (/^(?:off|stop|none|no|0|0\s*\/\s*day)(?:\s+(?:now|please))?$/i.test(call.argument)) {
      const wasOn = autoTopUp.state() !== undefined;
      return { reply: autoTopUpOffText(wasOn, autoTopUp.off(), deps.clock.now()) };
    }
    const text = revealed(deps, call);
    const { uri, cap } = readArgument(text);
    if (/^nostr\+?wallet|secret=/i.test(uri)) return connect(deps, call, { uri, cap }, signal);
    const connected = autoTopUp.state();
    if (uri !== '' || cap === undefined) throw new UsageError(neitherText);
    if (connected === undefined)
      throw new UsageError('No wallet is connected yet; its connection is missing.');
    if (connected.owner !== call.owner.publicKey)
      throw new RefusalError('Another admin’s wallet is connected. !wallet autotopup off ends that.');
    autoTopUp.setCap(cap);
    return state();
  },
});

async function connect(
  deps: WalletCommandDeps,
  { owner }: Call,
  { uri, cap = defaultCap }: { readonly uri: string; readonly cap: Sat | undefined },
  signal: AbortSignal,
): Promise<FullReply> {
  const { autoTopUp, wallet } = deps.money;
  try {
    const connection = autoTopUp.read(uri);
    const found = await autoTopUp.check(connection, signal);
    if (found === 'cannot-pay' || found === 'unauthorized')
      throw new RefusalError(connectionCheckText(found));
    return {
      reply: autoTopUpSetText(cap, wallet.threshold(), connection.relays, found),
      commit: () => autoTopUp.set(owner.publicKey, connection, cap),
    };
  } catch (error) {
    if (!(error instanceof WalletConnectionError)) throw error;
    throw new RefusalError(connectionProblemText(error.reason));
  }
}

/** A day's cap where none is named. */
const defaultCap = 5000 as Sat;

/** The connection as it was sent, before it was sealed. */
function revealed({ connections }: WalletCommandDeps, { message, argument }: Call): string {
  try {
    return connections.reveal(message, argument);
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    throw new RefusalError(
      'The connection in that message can’t be read any more: the bot’s own key was changed meanwhile. Send it again.',
    );
  }
}

const PER_DAY =
  /(?:^|\s)(\d[\d.,]*(?: \d{3})*\s*k?(?:\s*sats?)?)(?:\s*\/\s*(?:day|d)|\s+(?:a|per)\s+day)?\s*$/i;
const PER_DAY_FIRST = /^(\d[\d.,]*\s*k?(?:\s*sats?)?)(?:\s*\/\s*(?:day|d)|\s+(?:a|per)\s+day)?(?=\s|$)/i;

/** The connection, which a client may have broken over lines, and the cap before or behind it. @throws UsageError */
function readArgument(text: string): { readonly uri: string; readonly cap: Sat | undefined } {
  const found = PER_DAY_FIRST.exec(text) ?? PER_DAY.exec(text);
  const uri = (found === null ? text : text.replace(found[0], ''))
    .replace(/\s+/g, '')
    .replace(/^[<("'`]+|[>)"'`]+$/g, '');
  if (found === null) return { uri, cap: undefined };
  const cap = parseSat((found[1] ?? '').trim());
  if (cap === undefined) throw new UsageError('The amount a day can’t be read.');
  return { uri, cap };
}
