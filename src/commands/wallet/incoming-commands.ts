import type { Overview, Receive, Received } from '@nostr-dm-agent/cashu-wallet';
import { TokenRefusedError } from '@nostr-dm-agent/cashu-wallet';
import { formatSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { PreparedFile } from '../../files/outgoing-files.ts';
import { qrPicture } from '../../files/qr-picture.ts';
import { sniffType } from '../../files/sniff-type.ts';
import { balanceLine, feeText, receivedText, topUpText } from '../../replies/wallet-replies.ts';
import { type Call, type Command, RefusalError, UsageError } from '../command.ts';
import { tokensInText } from '../meaning/money-in-text.ts';
import { orAnnounceEnd, replyAndAnnounceEnd } from './announce-end.ts';
import { findOperation, parseMint, splitAmount } from './wallet-arguments.ts';
import type { WalletCommandDeps } from './wallet-command-deps.ts';

/** The token in what was sent. A client may have broken it over several lines. */
export function parseToken(wallet: Pick<Receive, 'decode'>, argument: string): string {
  if (argument === '') throw new UsageError('The token is missing.');
  const [found] = tokensInText(argument, (token) => isReadable(wallet, token));
  if (found === undefined) {
    throw new UsageError('That is not a Cashu token: one begins with cashuA or cashuB.');
  }
  return found.token;
}

/** Whether a text is a token from its beginning to its end; without a wallet, whatever looks like one. */
export function isReadable(wallet: Pick<Receive, 'decode'> | undefined, token: string): boolean {
  try {
    wallet?.decode(token);
    return true;
  } catch (error) {
    if (error instanceof TokenRefusedError) return false;
    throw error;
  }
}

/** `!wallet receive`, `!wallet topup`, `!wallet reclaim`. */
export const incomingCommands = (deps: WalletCommandDeps): readonly Command[] => [
  {
    path: 'wallet receive',
    parameters: '<token>',
    family: 'Wallet',
    summary: 'redeem a Cashu token; a token sent alone does the same',
    examples: ['!wallet receive cashuB…'],
    role: 'member',
    kind: 'lasting',
    repeatable: true,
    timeless: true,
    run: (call, signal) => {
      const { wallet: access, shares } = deps.money;
      const { publicKey } = call.owner;
      return orAnnounceEnd(deps, call, async () => {
        const token = parseToken(access.wallet(), call.argument);
        const wallet = await access.settled(signal);
        const received = await wallet
          .receive(token, { cap: true, owner: publicKey }, signal)
          .catch((error: unknown) => receivedBefore(error, call, wallet));
        return receivedText(received, wallet.balance(), shares.of(publicKey));
      });
    },
  },
  {
    path: 'wallet topup',
    parameters: '<sats> [mint]',
    family: 'Wallet',
    summary: 'an invoice, and a request for a Cashu wallet, that fill the wallet',
    detail:
      'You get a Lightning invoice, the same as a lightning: link, and a payment request that a Cashu wallet pays with ecash (creqA…): pay one of them. You are told when it is paid. Without a mint, the default one takes the money.',
    examples: ['!wallet topup 5000'],
    role: 'member',
    kind: 'lasting',
    repeatable: true,
    run: async (call, signal) => {
      const { wallet: access } = deps.money;
      const { amount, rest } = splitAmount(call.argument);
      const mint = rest === '' ? access.wallet().info().defaultMint : parseMint(access.wallet(), rest);
      const wallet = await access.settled(signal);
      const { operation, invoice, expiresAt, request } = await wallet.topUp(
        { amount, mint, owner: call.owner.publicKey },
        signal,
      );
      const validMs = expiresAt === undefined ? undefined : expiresAt - deps.clock.now();
      // Each becomes a message of its own, to be copied or tapped.
      const reply = [
        topUpText({ amount, mint, validMs, hasRequest: request !== undefined }),
        invoice,
        `lightning:${invoice}`,
        ...(request === undefined ? [] : [request.text]),
      ].join('\n\n');
      const beside = await pictureOf(invoice, amount, deps, call);
      return { ...replyAndAnnounceEnd(deps, call, reply, operation), beside };
    },
  },
  {
    path: 'wallet reclaim',
    parameters: '<id>',
    family: 'Wallet',
    summary: 'take back a token that nobody has claimed',
    detail: 'The id is that of !wallet pending. Whoever has the token can no longer use it.',
    examples: ['!wallet reclaim k3x7q2m9wd'],
    role: 'admin',
    instead:
      '!wallet pending shows what you are bringing in yourself; ask an admin to take a token back (!owners).',
    kind: 'lasting',
    repeatable: true,
    run: (call, signal) => {
      const { wallet: access } = deps.money;
      return orAnnounceEnd(deps, call, async () => {
        if (call.argument === '') throw new UsageError('The id is missing; !wallet pending shows it.');
        const { operation, kind, state } = findOperation(access.wallet(), call.argument);
        if (kind !== 'send')
          throw new RefusalError('That is not a token that was sent; see !wallet pending.');
        if (state === 'reclaimed' && !call.resumed)
          throw new RefusalError('That token was taken back before; its value is in the wallet.');
        const wallet = await access.settled(signal);
        const outcome = await wallet.reclaim(operation, signal);
        return outcome.state === 'claimed'
          ? 'Too late: its receiver has claimed that token.'
          : `Taken back: ${formatSat(outcome.amount)} (${feeText(outcome.fee)}). ${balanceLine(wallet.balance())}`;
      });
    },
  },
];

/** An invoice as a QR code, where files can be sent: for a wallet on another phone. */
async function pictureOf(
  invoice: string,
  amount: Sat,
  { outgoingFiles }: WalletCommandDeps,
  { message, owner }: Call,
): Promise<readonly PreparedFile[]> {
  if (message.protocol !== 'nip17' || outgoingFiles?.isFull(owner.publicKey) !== false) return [];
  try {
    const bytes = await qrPicture(invoice.toUpperCase());
    const name = `invoice-${amount}-sat.png`;
    const file = bytes && outgoingFiles.prepare({ bytes, type: sniffType(bytes), name, way: 'said' });
    return file === undefined ? [] : [file];
  } catch {
    // The invoice is asked for already, and stands in the text: its reader gets that, whatever became of the picture.
    return [];
  }
}

/** How far a phone's clock may be wrong. */
const clockSkewMs = 600_000;

/** The bot was restarted while it received this very token: that is no second time. */
function receivedBefore(error: unknown, { resumed, message }: Call, wallet: Overview): Received {
  if (
    resumed &&
    error instanceof TokenRefusedError &&
    error.problem.kind === 'already-received' &&
    error.problem.at >= message.createdAt * 1000 - clockSkewMs
  ) {
    const { operation, amount } = error.problem;
    const { mint, fee } = findOperation(wallet, operation);
    return { operation, amount, mint, fee };
  }
  throw error;
}
