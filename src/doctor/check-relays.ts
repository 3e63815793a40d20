import { systemClock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Relay } from '@nostr-dm-agent/nostr';
import { createRelays, signEvent } from '@nostr-dm-agent/nostr';
import type { Config } from '../config/config.ts';
import { formatDuration, messageOf } from '../replies/format.ts';
import type { Finding } from './finding.ts';

const timeoutMs = 10_000;

/** Connects to each relay of the bot and reads from it what a sender needs to find the bot. */
export async function checkRelays(
  config: Config,
  log: Logger,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { identity } = config;
  const relays = createRelays({
    own: config.relays,
    sign: async (template) => signEvent(template, identity.secretKey),
    clock: systemClock,
    random: Math.random,
    log,
  });
  const check = async (relay: Relay): Promise<Finding> => {
    const subject = `relay ${relay.url}`;
    const startedAt = performance.now();
    try {
      const filter = { kinds: [10050], authors: [identity.publicKey], limit: 1 };
      const [list] = await relay.query([filter], timeoutMs, signal);
      const took = formatDuration(performance.now() - startedAt);
      return list === undefined
        ? {
            subject,
            state: 'warning',
            fact: `answers in ${took}; does not have the bot’s inbox list (kind 10050) yet`,
            remedy: 'start the bot once: it publishes the list',
          }
        : { subject, state: 'ok', fact: `answers in ${took}, has the bot’s inbox list` };
    } catch (cause) {
      return {
        subject,
        state: 'broken',
        fact: relay.status().lastError ?? messageOf(cause),
        remedy: 'see if the relay is up and lets you in, or take another in BOT_RELAYS',
      };
    }
  };
  try {
    const findings = await Promise.all(relays.own.map(check));
    const reachable = findings.filter(({ state }) => state !== 'broken').length;
    // One relay of several may be down; the bot is reachable through the others.
    return reachable === 0
      ? findings
      : findings.map((finding) => (finding.state === 'broken' ? { ...finding, state: 'warning' } : finding));
  } finally {
    relays.close();
  }
}
