import { formatSat, msatToSatFloor, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type { EvidenceEntry, Owed, PaidRun, PaidRunIn } from '@nostr-dm-agent/routstr';
import type { Owner } from '../config/config.ts';
import type { ExchangeRate } from '../money/exchange-rate.ts';
import { formatAgo, formatDuration, plural, shorten } from './format.ts';
import { operatorProblemText } from './routstr/paid-run-replies.ts';

/** `node.example`: a node's address as people read it, with its path where that says something. */
export const nodeName = (url: string): string =>
  shorten(url.replace(/^https?:\/\//, '').replace(/\/v1$/, ''), 80);

/** Another name of it, or another model: the node does not have the one that was chosen. */
export const servedFor = (id: string, chosen: string | undefined): string =>
  chosen === undefined || chosen === id || chosen === `routstr/${id}` ? '' : ` (for ${chosen})`;

/** `Limit: 10,000 sat a day, 138 sat of it used today.` */
export const limitLine = (limit: Sat | undefined, used: Sat): string =>
  limit === undefined
    ? `Limit: none. Spent or at stake today: ${formatSat(used)}.`
    : `Limit: ${formatSat(limit)} a day, all runs together; ${formatSat(used)} spent or at stake today.`;

/** What nodes hold of ours; nothing when they hold nothing. */
export function owedLines({ running, runs, due, dueRuns, doubtful, kept }: Owed): readonly string[] {
  return [
    ...(kept > 0 ? [`Kept at nodes across runs: ${formatSat(kept)}`] : []),
    ...(runs > 0 ? [`At nodes, for ${plural(runs, 'run')} under way: ${formatSat(running)}`] : []),
    ...(dueRuns > 0
      ? [
          `Owed by nodes: up to ${formatSat(due)}, ${plural(dueRuns, 'run')}${doubtful > 0 ? `, ${doubtful} of them in doubt` : ''}`,
        ]
      : []),
  ];
}

/** Admins see everybody's tasks, members their own. `of`: whose task it is. */
export const showsTask = (reader: Owner, of: string | undefined): boolean =>
  reader.role === 'admin' || reader.publicKey === of;

/** Where the money of one paid run is, on one line. */
export function openRunLine(run: PaidRun, now: number, reader: Owner): string {
  const { ticket } = run;
  return [
    whereabouts(run, now),
    ...(showsTask(reader, ticket.owner) && ticket.prompt !== '' ? [`“${shorten(ticket.prompt, 40)}”`] : []),
  ].join(' · ');
}

function whereabouts(run: PaidRun, now: number): string {
  const { body, node, ticket } = run;
  const at = nodeName(node);
  switch (body.state) {
    case 'created':
    case 'token_issued':
      return `${formatSat(ticket.budget)} on the way to ${at}`;
    case 'spending':
      return `up to ${formatSat(body.out)} of the account at ${at}, under way`;
    case 'unreckoned':
      return `over; ${at} is asked what it cost, for ${formatDuration(now - body.dueSince)}`;
    case 'deposited':
    case 'running':
      return `${formatSat(msatToSatFloor(body.creditedMsat))} at ${at}, under way`;
    case 'refund_due':
      return `up to ${formatSat(mayComeBack(run))} from ${at}, ${asked(run, body.dueSince, now)}`;
    case 'change_held':
      return `change of ${at} is here and being redeemed, ${asked(run, body.dueSince, now)}`;
    case 'reclaim':
      return `${formatSat(body.face)} are being taken back, ${asked(run, run.createdAt, now)}`;
    case 'needs_operator':
      return `up to ${formatSat(mayComeBack(run))} in doubt at ${at}, since ${formatDuration(now - body.dueSince)}: see !provider status`;
    default:
      return `${formatSat(ticket.budget)} at ${at}, ${body.state.replaceAll('_', ' ')}`;
  }
}

/** `asked for 3 h, again in 5 min`. */
function asked({ nextAt }: PaidRun, since: number, now: number): string {
  const next = nextAt <= now ? 'again now' : `again in ${formatDuration(nextAt - now)}`;
  return `asked for ${formatDuration(now - since)}, ${next}`;
}

/** What the node got for a run, less what the meter saw it cost. */
function mayComeBack({ body, ticket }: PaidRun): Sat {
  const creditedMsat = 'creditedMsat' in body ? body.creditedMsat : undefined;
  const meteredMsat = 'meteredMsat' in body ? body.meteredMsat : undefined;
  return msatToSatFloor(Math.max(0, (creditedMsat ?? ticket.budget * 1000) - (meteredMsat ?? 0)));
}

/**
 * A run that needs a person: what is wrong, whom to write to, and what they can find it by.
 *
 * @param operator npub of the node, if it says it
 */
export function troubleText(
  run: PaidRunIn<'needs_operator'>,
  evidence: readonly EvidenceEntry[],
  now: number,
  reader: Owner,
  operator?: string,
): string {
  const readable = showsTask(reader, run.ticket.owner)
    ? run
    : { ...run, ticket: { ...run.ticket, prompt: 'of somebody else' } };
  const requests = evidence.flatMap(({ requestId }) => requestId ?? []).slice(-3);
  const last = evidence.findLast(({ message }) => message !== '');
  const said =
    last === undefined || last.message === run.body.detail
      ? undefined
      : `The last answer, ${formatAgo(now - last.at)}: ${shorten(`${last.status ?? ''} ${last.message}`, 160)}.`;
  const ids = requests.length === 0 ? undefined : `Request ids for its operator: ${requests.join(', ')}.`;
  const npub = operator === undefined ? undefined : `On Nostr: ${operator}`;
  return ['❗', operatorProblemText(readable), said, ids, npub]
    .filter((part) => part !== undefined)
    .join(' ');
}

/** What the owner of a run is told when its model calls wait for money. Amounts in sat, time in ms. */
export function holdNotice(hold: {
  readonly needed: number | undefined;
  readonly available: number | undefined;
  readonly budget: number | undefined;
  readonly holdMs: number;
}): string {
  const { needed, available = 0, budget, holdMs } = hold;
  const of = budget === undefined ? 'its budget' : `its ${formatSat(sat(budget))}`;
  const needs = needed === undefined ? '' : `, and the next step may take up to ${formatSat(sat(needed))}`;
  return [
    `⏸ The run waits for money: ${formatSat(sat(available))} of ${of} are left${needs}.`,
    `!more ${moreFor(hold)} lets it go on, !stop ends it. Without an answer it ends in ${formatDuration(holdMs)}.`,
  ].join('\n');
}

/** 1000 sat, or a budget's worth where budgets are smaller, if that is enough; else what is missing, rounded up. */
function moreFor(hold: {
  readonly needed: number | undefined;
  readonly available: number | undefined;
  readonly budget: number | undefined;
}): number {
  const { needed = 0, available = 0, budget } = hold;
  const missing = Math.max(0, needed - available);
  const usual = budget === undefined || budget === 0 ? 1000 : Math.min(1000, budget);
  return missing <= usual ? usual : Math.ceil(missing / 100) * 100;
}

/** `That is about $1.23 by the prices of api.routstr.com.` */
export function worthText(amount: Sat, rate: ExchangeRate | undefined): string | undefined {
  if (rate === undefined || amount === 0) return undefined;
  const { currency, perSat, node } = rate;
  const worth = amount * perSat;
  const money = (value: number) => value.toLocaleString('en-US', { style: 'currency', currency });
  const said = worth < 0.01 ? `less than ${money(0.01)}` : `about ${money(worth)}`;
  return `That is ${said} by the prices of ${nodeName(node)}.`;
}
