import { formatSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { chat, type Place } from './place.ts';

export type Shortage = { readonly have: Sat; readonly need: Sat };

/** What is to be filled in; nobody fills in nothing. */
export const missing = ({ have, need }: Shortage): number => Math.max(1, need - have);

/**
 * The wallet is empty, or has too little: the one sentence for it, with the way on.
 *
 * @param words `who`: what needs it; `at`: the mint where it is missing, in words; `topUpAt`: the mint to fill; `also`:
 *   what else may be done, after the invoice
 */
export function tooLittleMoney(
  shortage: Shortage,
  words: {
    readonly who?: string;
    readonly at?: string | undefined;
    readonly topUpAt?: string | undefined;
    readonly fees?: boolean;
    readonly also?: string;
  } = {},
  place: Place = chat,
): string {
  const { who = 'this', at, topUpAt, fees = false, also = '' } = words;
  const topUp = ['wallet topup', missing(shortage), topUpAt].filter((word) => word !== undefined).join(' ');
  return (
    `The wallet has ${formatSat(shortage.have)} ready${at === undefined ? '' : ` at ${at}`}; ` +
    `${who} needs ${formatSat(shortage.need)}${fees ? ', fees included' : ''}. ` +
    `${place.command(topUp)} makes an invoice${also}.`
  );
}
