import type { SpendSummary } from '@nostr-dm-agent/cashu-wallet';
import { addSat, formatSat, type Sat } from '@nostr-dm-agent/kit/sat';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { Owner } from '../config/config.ts';
import { plural } from './format.ts';
import { ownerName } from './owner-name.ts';

/** What was spent in so many days; a member is shown only their own rows, and reads no names. */
export function spendText(all: readonly SpendSummary[], days: number, reader: Owner): string {
  const rows = all.filter(({ runs, spent, open }) => runs + spent + open > 0);
  const period = days === 1 ? 'Today' : `The last ${days} days`;
  if (rows.length === 0) {
    const whose = reader.role === 'admin' ? 'No run was paid for.' : 'You had no run that was paid for.';
    return `${period}: nothing spent. ${whose}`;
  }
  const open = addSat(...rows.map((row) => row.open));
  const whose = ({ owner, others }: SpendSummary): string => {
    if (others !== undefined) return plural(others, 'other');
    return owner === undefined
      ? 'the bot'
      : owner === reader.publicKey
        ? 'you'
        : ownerName(owner as PublicKey);
  };
  const byOwner = grouped(rows, whose).toSorted((a, b) => spentOn(b.rows) - spentOn(a.rows));
  const named = reader.role === 'admin';
  const dayText = ({ key: day, rows: ofDay }: Group<string>): string =>
    named
      ? [
          `${dayName(new Date(`${day}T12:00:00`))}: ${formatSat(spentOn(ofDay))}`,
          ...grouped(ofDay, whose).map(
            ({ key, rows: own }) => `  ${key}: ${plain(spentOn(own))} · ${models(own)}`,
          ),
        ].join('\n')
      : `${dayName(new Date(`${day}T12:00:00`))}: ${formatSat(spentOn(ofDay))} · ${models(ofDay)}`;
  return [
    `${period}: ${formatSat(spentOn(rows))}, ${plural(runsIn(rows), 'run')}.${open === 0 ? '' : ` ${formatSat(open)} more are at stake in runs that are not settled.`}`,
    ...(named && byOwner.length > 1
      ? byOwner.map(
          ({ key, rows: own }) => `${key}: ${formatSat(spentOn(own))}, ${plural(runsIn(own), 'run')}`,
        )
      : []),
    '',
    ...grouped(rows, ({ day }) => day).map(dayText),
  ].join('\n');
}

type Group<Key> = { readonly key: Key; readonly rows: readonly SpendSummary[] };

/** In the order in which the keys first come. */
function grouped<Key>(
  rows: readonly SpendSummary[],
  keyOf: (row: SpendSummary) => Key,
): readonly Group<Key>[] {
  return Array.from(Map.groupBy(rows, keyOf), ([key, found]) => ({ key, rows: found }));
}

const spentOn = (rows: readonly SpendSummary[]): Sat => addSat(...rows.map(({ spent }) => spent));
const runsIn = (rows: readonly SpendSummary[]): number => rows.reduce((sum, { runs }) => sum + runs, 0);
const plain = (amount: Sat): string => amount.toLocaleString('en-US');

/** `claude-sonnet-4 2,500 (5), gpt-5 500`: what each model cost, in how many runs when it was not one. */
function models(rows: readonly SpendSummary[]): string {
  return rows
    .map(({ model, spent, runs }) => {
      const name = model?.split('/').at(-1) ?? (runs === 0 ? 'money kept at nodes' : 'default model');
      return `${name} ${plain(spent)}${runs < 2 ? '' : ` (${runs} runs)`}`;
    })
    .join(', ');
}

/** `Sun 22 Nov`. */
export const dayName = (day: Date): string =>
  day.toLocaleDateString('en-GB', {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
  });
