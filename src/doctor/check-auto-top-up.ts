import { Database } from 'bun:sqlite';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { isLoopbackHost } from '@nostr-dm-agent/kit/net';
import { formatSat } from '@nostr-dm-agent/kit/sat';
import { createRelays, hostOf, relayTargets, signEvent } from '@nostr-dm-agent/nostr';
import type { Config } from '../config/config.ts';
import { createSealer } from '../keys/seal.ts';
import { type AutoTopUpExam, examineSource } from '../money/examine-auto-top-up.ts';
import { alertThreshold } from '../money/low-balance.ts';
import { connectionCheckText, whyStoppedText } from '../replies/auto-top-up-replies.ts';
import { formatDuration, messageOf } from '../replies/format.ts';
import { createAutoTopUpStore } from '../store/auto-top-up-table.ts';
import { createMeta } from '../store/meta-table.ts';
import type { Finding } from './finding.ts';

const subject = 'automatic top-ups';
const byHand = '!wallet topup fills the wallet by hand meanwhile';

/** The owner's wallet that the bot's is filled from, of a bot that need not be running. Moves nothing. */
export async function checkAutoTopUp(
  { home, identity, relays: own }: Pick<Config, 'home' | 'identity' | 'relays'>,
  log: Logger,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const path = join(home, 'bot.db');
  if (!existsSync(path)) return [];
  const allowLoopback = own.every((url) => isLoopbackHost(hostOf(url)));
  let stored: { source: ReturnType<ReturnType<typeof createAutoTopUpStore>['source']>; alert: number };
  try {
    using db = new Database(path, { readonly: true });
    stored = { source: createAutoTopUpStore(db).source(), alert: alertThreshold(createMeta(db)) };
  } catch (cause) {
    // Damaged, or of another version: the start says what to do about that.
    const fact = `${path} can’t be read: ${messageOf(cause)}`;
    return [{ subject, state: 'warning', fact, remedy: 'see what the start says' }];
  }
  const { source, alert } = stored;
  if (source === undefined) return [];
  const relays = createRelays({
    own: [],
    sign: async (template) => signEvent(template, identity.secretKey),
    locate: (url, limit) => relayTargets(url, limit, { allowLoopback }),
    ...{ clock: systemClock, random: Math.random, log },
  });
  try {
    const parts = { relays, allowLoopback, sealer: createSealer(identity.secretKey), clock: systemClock };
    return autoTopUpFindings(await examineSource(source, alert, parts, signal), systemClock.now());
  } finally {
    relays.close();
  }
}

/** @param exam undefined: none is connected */
export function autoTopUpFindings(exam: AutoTopUpExam | undefined, now: number): readonly Finding[] {
  if (exam === undefined) return [];
  const { relays, amount, found, stopped } = exam;
  const hosts = [...new Set(relays.map(hostOf))].join(', ');
  if (found === 'locked')
    return [
      { subject, state: 'broken', fact: 'the connection can’t be opened', remedy: whyStoppedText('locked') },
    ];
  if (stopped !== undefined)
    return [
      { subject, state: 'broken', fact: 'they are stopped', remedy: `${whyStoppedText(stopped)} ${byHand}` },
    ];
  if (found !== 'good')
    return [
      {
        subject,
        state: found === 'silent' ? 'warning' : 'broken',
        fact: `${connectionCheckText(found)} (${hosts})`,
        remedy:
          found === 'cannot-pay' || found === 'unauthorized'
            ? `then send !wallet autotopup with it; ${byHand}`
            : `see if that wallet is there and awake; ${byHand}`,
      },
    ];
  if (amount === 0)
    return [
      {
        ...{ subject, state: 'warning' },
        fact: 'the alert is off, so none is ever due',
        remedy: '!wallet alert 1000 turns it on',
      },
    ];
  const { budget, balance } = exam.means;
  const takes = `a top-up takes ${formatSat(amount)}`;
  if (budget !== undefined && budget.left < amount) {
    const renewed =
      budget.renewsAt !== undefined && budget.renewsAt > now
        ? `, or wait ${formatDuration(budget.renewsAt - now)} until it is renewed`
        : '';
    return [
      {
        ...{ subject, state: 'warning' },
        fact: `of the connection’s budget ${formatSat(budget.left)} are left, and ${takes}`,
        remedy: `raise it in that wallet${renewed}; ${byHand}`,
      },
    ];
  }
  // How much another admin holds is nobody’s business here.
  if (balance !== undefined && balance < amount)
    return [
      {
        ...{ subject, state: 'warning' },
        fact: `that wallet holds too little: ${takes}`,
        remedy: `put money into it; ${byHand}`,
      },
    ];
  const left = budget === undefined ? '' : `, ${formatSat(budget.left)} of its budget are left`;
  const fact = `the wallet answers by ${hosts} and may pay${left}; ${takes}`;
  return [{ subject, state: 'ok', fact }];
}
