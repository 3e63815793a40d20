import { addSat, formatSat, remainingSat, zeroSat } from '@nostr-dm-agent/kit/sat';
import type { KeyAtNode, KeyFacts, KeyNews, RefundedKey } from '@nostr-dm-agent/routstr/remote';
import { formatAgo, lines, plural } from './format.ts';

/** Persistent keys (`sk-`) that users have in hand, as people read of them. */
const hostOf = (url: string): string => URL.parse(url)?.host ?? url;
const nameOf = ({ label, id, node }: KeyFacts): string => `${label ?? id} at ${hostOf(node)}`;

/** What the books say there is at nodes; undefined: nothing. */
export function keysLine(keys: readonly KeyFacts[]): string | undefined {
  const kept = keys.filter(({ state }) => state === 'kept');
  if (kept.length === 0) return undefined;
  const left = addSat(...kept.map(({ deposited, spent }) => remainingSat(deposited, spent)));
  return `At nodes, on ${plural(kept.length, 'key')}: about ${formatSat(left)} (wallet refund brings it home)`;
}

/** One key: what its node says, how old it is. */
export function keyLine({ key, seen }: KeyAtNode, now: number): string {
  const age = formatAgo(now - key.createdAt);
  return `${nameOf(key)} · ${saidOf(key, seen)} · made ${age}`;
}

function saidOf(key: KeyFacts, seen: KeyAtNode['seen']): string {
  switch (seen.state) {
    case 'known': {
      const held = seen.reserved > 0 ? `, ${formatSat(seen.reserved)} held by calls under way` : '';
      return `${formatSat(seen.available)} of ${formatSat(key.deposited)} left${held}`;
    }
    case 'unknown_key':
      return `${formatSat(key.deposited)} were deposited; the node does not know the key any more`;
    case 'away':
      return `${formatSat(key.deposited)} were deposited; the node does not answer`;
    case 'none':
      return stateOf(key);
  }
}

function stateOf({ state, invoice, refunded, spent }: KeyFacts): string {
  switch (state) {
    case 'waiting':
      return `its invoice of ${formatSat(invoice?.amount ?? zeroSat)} is not paid`;
    case 'arriving':
      return 'its money is on its way to the node';
    case 'kept':
      return 'kept';
    case 'leaving':
      return 'its money is on its way home';
    case 'doubtful':
      return 'the node contradicts itself; it is asked once a day';
    case 'closed':
      return `closed: ${formatSat(spent)} spent, ${formatSat(refunded)} came home`;
  }
}

/** What came of asking one key's money back. */
export function refundedText(refund: RefundedKey): string {
  switch (refund.state) {
    case 'returned': {
      const { key, received } = refund;
      const fee = key.fee > 0 ? `, mints took ${formatSat(key.fee)}` : '';
      return `${nameOf(key)}: ${formatSat(received)} came home. ${formatSat(key.spent)} were spent${fee}.`;
    }
    case 'under_way':
      return `${nameOf(refund.key)}: not here yet. It is asked for again at the next command, or by the bot.`;
    case 'doubtful':
      return `${nameOf(refund.key)}: in doubt (${refund.trouble.replaceAll('_', ' ')}${refund.detail === '' ? '' : `: ${refund.detail}`}). All evidence is kept, and the node is asked once a day.`;
    case 'refused':
      return refund.refusal.kind === 'not_kept' && refund.refusal.state === 'waiting'
        ? 'Nothing is on this key: its invoice is not paid.'
        : 'Nothing is on this key.';
  }
}

/** What became of what was cut off. */
export function keyNewsText({ key, did, came, amount }: KeyNews): string {
  const what = { make: 'Making', topup: 'Topping up', refund: 'Refunding' }[did];
  const end = {
    kept: `it is done, ${formatSat(amount)} are on it`,
    back: `${formatSat(amount)} are in the wallet`,
    nothing: 'no money had moved',
    doubtful: 'the node contradicts itself; it is asked once a day',
  }[came];
  return `${what} ${nameOf(key)} was cut off: ${end}.`;
}

/** All of them, with what there is to do. */
export const keyListText = (keys: readonly KeyAtNode[], now: number): string =>
  keys.length === 0
    ? 'No key has money at a node.'
    : lines(
        keys.map((key) => keyLine(key, now)),
        'wallet refund <key> brings one home, wallet refund all every one.',
      );
