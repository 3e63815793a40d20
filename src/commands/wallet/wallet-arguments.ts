import type { MintUrl, OperationSummary, Overview } from '@nostr-dm-agent/cashu-wallet';
import { UnknownOperationError } from '@nostr-dm-agent/cashu-wallet';
import { parseSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { mintName } from '../../replies/wallet-replies.ts';
import { UsageError } from '../command.ts';

/** What was typed, short: it is said back, and may be anything. */
const quoted = (text: string): string => (text.length > 24 ? `${text.slice(0, 16)}…` : text);

/** An amount as an owner types it. @throws UsageError */
export function parseAmount(text: string): Sat {
  if (text.trim() === '') throw new UsageError('The amount is missing.');
  // `<1000>`, as it stands in the usage.
  const amount = parseSat(text.trim().replace(/^[<"“'([]+|[>"”')\]]+$/g, ''));
  if (amount === undefined) {
    throw new UsageError(`“${quoted(text)}” is not an amount in whole sat, like 2000, 2k or 2,000 sat.`);
  }
  return amount;
}

/** The same, or everything. @throws UsageError */
export const parseAmountOrAll = (text: string): Sat | 'all' =>
  /^(?:all|everything|max)$/i.test(text.trim()) ? 'all' : parseAmount(text);

/** `2000 mint.example`, `2 000`: an amount, and what stands after it. @throws UsageError */
export function splitAmount(text: string): { readonly amount: Sat; readonly rest: string } {
  const match = /^((?:\d{1,3}(?: \d{3})+|\S+)(?:\s+sats?(?=\s|$))?)\s*(.*)$/is.exec(text.trim());
  return { amount: parseAmount(match?.[1] ?? ''), rest: match?.[2] ?? '' };
}

/** One of the accepted mints, by its address, its host or its number in `!wallet mints`. @throws UsageError */
export function parseMint(wallet: Overview, text: string): MintUrl {
  const { mints } = wallet.info();
  if (text.trim() === '') throw new UsageError('The mint is missing; !wallet mints lists them.');
  const plain = (url: string) =>
    url
      .trim()
      .toLowerCase()
      .replace(/^https?:\/\//, '')
      .replace(/\/+$/, '');
  const byNumber = /^#?\d{1,3}$/.test(text.trim())
    ? mints[Number(text.trim().replace('#', '')) - 1]
    : undefined;
  const byAddress = mints.find((mint) => plain(mint) === plain(text));
  const byHost = mints.filter((mint) => plain(mint).split('/')[0] === plain(text));
  const found = byNumber ?? byAddress ?? (byHost.length === 1 ? byHost[0] : undefined);
  if (found === undefined) {
    throw new UsageError(
      `“${quoted(text)}” is not an accepted mint. There are: ${mints.map(mintName).join(', ')}.`,
    );
  }
  return found;
}

/** An operation by its id or its beginning. @throws UnknownOperationError */
export function findOperation(wallet: Overview, id: string): OperationSummary {
  const found = wallet.operation(id);
  if (found === undefined) throw new UnknownOperationError(id);
  return found;
}
