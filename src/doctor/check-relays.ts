import { type Clock, systemClock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { outwardFetch } from '@nostr-dm-agent/kit/net';
import type { Relay, RelayInformation } from '@nostr-dm-agent/nostr';
import {
  createRelays,
  fetchRelayInformation,
  MOST_POW_BITS,
  RelayError,
  signEvent,
} from '@nostr-dm-agent/nostr';
import type { Config } from '../config/config.ts';
import { formatDuration, messageOf } from '../replies/format.ts';
import { relayLimits } from '../replies/relay-replies.ts';
import type { Finding } from './finding.ts';

const timeoutMs = 10_000;
export const relayRemedy = 'see if the relay is up and lets you in, or take another in BOT_RELAYS';

/** Connects to each relay of the bot and asks it for what the bot asks: its inbox, by either protocol, and its own list. */
export async function checkRelays(
  config: Pick<Config, 'identity' | 'relays'>,
  log: Logger,
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<readonly Finding[]> {
  const { identity } = config;
  const relays = createRelays({
    own: config.relays,
    sign: async (template) => signEvent(template, identity.secretKey),
    clock,
    random: Math.random,
    log,
  });
  const bot = identity.publicKey;
  const ask = (relay: Relay, kind: number, who: { authors: string[] } | { '#p': string[] }) =>
    relay.query([{ kinds: [kind], ...who, limit: 1 }], timeoutMs, signal);
  const check = async (relay: Relay): Promise<readonly Finding[]> => {
    const subject = `relay ${relay.url}`;
    const information = fetchRelayInformation(
      relay.url,
      outwardFetch,
      clock,
      AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    );
    const startedAt = performance.now();
    try {
      await ask(relay, 1059, { '#p': [bot] });
      const took = formatDuration(performance.now() - startedAt);
      const [legacy, list] = await Promise.all([
        ask(relay, 4, { '#p': [bot] }).then(() => undefined, reasonOf),
        ask(relay, 10050, { authors: [bot] }).then(
          ([found]) => found !== undefined,
          () => false,
        ),
      ]);
      return [
        list
          ? { subject, state: 'ok', fact: `serves the inbox in ${took}, has the bot’s inbox list` }
          : {
              subject,
              state: 'warning',
              fact: `serves the inbox in ${took}; does not have the bot’s inbox list (kind 10050) yet`,
              remedy: 'start the bot once: it publishes the list',
            },
        ...(legacy === undefined ? [] : [withoutLegacy(subject, legacy)]),
        ...limitFindings(subject, await information),
      ];
    } catch (cause) {
      return [
        {
          subject,
          state: 'broken',
          fact: relay.status().lastError ?? reasonOf(cause),
          remedy: relayRemedy,
        },
        ...limitFindings(subject, await information),
      ];
    }
  };
  try {
    return oneIsEnough(await Promise.all(relays.own.map(check)));
  } finally {
    relays.close();
  }
}

/** One relay of several may be down; the bot is reachable through the others. */
export function oneIsEnough(findings: readonly (readonly Finding[])[]): readonly Finding[] {
  const isBroken = (all: readonly Finding[]) => all.some(({ state }) => state === 'broken');
  const reachable = !findings.every(isBroken);
  return findings
    .flat()
    .map((finding) =>
      reachable && finding.state === 'broken' ? { ...finding, state: 'warning' as const } : finding,
    );
}

const reasonOf = (cause: unknown): string =>
  cause instanceof RelayError && cause.detail !== '' ? cause.detail : messageOf(cause);

export const withoutLegacy = (subject: string, reason: string): Finding => ({
  subject,
  state: 'warning',
  fact: `does not serve old messages (NIP-04, kind 4): ${reason}`,
  remedy: 'owners whose app knows NIP-04 alone need another relay in BOT_RELAYS',
});

/** What the relay says of itself that an operator has to know. */
export function limitFindings(
  subject: string,
  information: RelayInformation | undefined,
): readonly Finding[] {
  if (information === undefined) return [];
  const { paymentRequired, minPow } = information;
  const findings: Finding[] = [];
  const limits = relayLimits(information);
  if (limits !== '') findings.push({ subject, state: 'ok', fact: limits });
  if (paymentRequired) {
    const fact = 'says that it takes events of those who paid only';
    findings.push({ subject, state: 'warning', fact, remedy: 'pay it for the bot’s key, or take another' });
  }
  if (minPow > MOST_POW_BITS) {
    findings.push({
      subject,
      state: 'warning',
      fact: `wants ${minPow} bits of proof of work, and more than ${MOST_POW_BITS} would take the bot too long`,
      remedy: 'take another relay in BOT_RELAYS; owners’ apps have the same problem',
    });
  }
  return findings;
}
