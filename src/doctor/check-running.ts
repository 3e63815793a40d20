import { walletFile } from '@nostr-dm-agent/cashu-wallet/open';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { outwardFetch } from '@nostr-dm-agent/kit/net';
import { fetchRelayInformation } from '@nostr-dm-agent/nostr';
import type { Backend } from '../backends/backend.ts';
import type { BotFacts } from '../commands/command-deps.ts';
import type { Config } from '../config/config.ts';
import type { Money } from '../money/money.ts';
import { messageOf, plural } from '../replies/format.ts';
import { balanceText } from '../replies/wallet-replies.ts';
import { autoTopUpFindings } from './check-auto-top-up.ts';
import { lookAtBackends } from './check-backends.ts';
import { checkClock } from './check-clock.ts';
import { checkFiles } from './check-files.ts';
import { checkHosts } from './check-hosts.ts';
import { inboxFindings } from './check-inbox.ts';
import { checkNode } from './check-node.ts';
import { checkProxy } from './check-proxy.ts';
import { limitFindings, oneIsEnough, relayRemedy, withoutLegacy } from './check-relays.ts';
import { checkSpeech } from './check-speech.ts';
import { checkMints, openToOthers } from './check-wallet.ts';
import type { Finding } from './finding.ts';

/** What of the running bot is looked at. */
export type RunningParts = {
  readonly config: Config;
  readonly envFile: string | undefined;
  readonly bot: BotFacts;
  readonly backends: ReadonlyMap<string, Pick<Backend, 'name' | 'health'>>;
  readonly money: Money;
  readonly clock: Clock;
};

/**
 * What `doctor` checks, of the bot that this process is: its own relays and wallet are asked, which a second process would
 * have to open itself. A check that fails, or is not done before the signal, is a finding, too.
 */
export async function checkRunning(parts: RunningParts, signal: AbortSignal): Promise<readonly Finding[]> {
  const { config, envFile, bot, backends, money, clock } = parts;
  const { wallet } = config;
  const wall = bot.wall();
  const checks: readonly (readonly [string, Promise<readonly Finding[]>])[] = [
    ['files', checkFiles(config, envFile, true)],
    ['proxy', checkProxy(config, signal)],
    ['relays', ownRelays(bot, clock, signal)],
    ['messages', inbox(bot)],
    ['clock', checkClock(config, signal, clock)],
    [
      'backends',
      wall === undefined ? notYet('wall') : lookAtBackends(backends, config.backend, wall, signal),
    ],
    ['hosts', checkHosts(config, signal)],
    ['wallet', ownWallet(config, money)],
    ['mints', wallet === undefined ? nothing : checkMints(wallet, signal)],
    ['node', checkNode({ wallet, node: money.nodes.current() }, signal)],
    ['voice notes', checkSpeech(config, signal)],
    ['automatic top-ups', ownersWallet(money, clock, signal)],
  ];
  const found = checks.map(([subject, check]) =>
    check.catch((cause: unknown): readonly Finding[] => [
      signal.aborted
        ? { subject, state: 'warning', fact: 'it does not answer in time', remedy: 'look again later' }
        : { subject, state: 'broken', fact: messageOf(cause), remedy: 'the log may say more' },
    ]),
  );
  return (await Promise.all(found)).flat();
}

const nothing = Promise.resolve([]);

const notYet = async (subject: string): Promise<readonly Finding[]> => [
  { subject, state: 'ok', fact: 'it is being looked at' },
];

async function ownRelays(bot: BotFacts, clock: Clock, signal: AbortSignal): Promise<readonly Finding[]> {
  const findings = bot.relays().map(async (relay): Promise<readonly Finding[]> => {
    const subject = `relay ${relay.url}`;
    const information = await fetchRelayInformation(relay.url, outwardFetch, clock, signal);
    return [
      relay.served
        ? { subject, state: 'ok', fact: 'messages come through' }
        : { subject, state: 'broken', fact: relay.reason ?? 'no messages come through', remedy: relayRemedy },
      ...(relay.withoutLegacy === undefined ? [] : [withoutLegacy(subject, relay.withoutLegacy)]),
      ...limitFindings(subject, information),
    ];
  });
  return oneIsEnough(await Promise.all(findings));
}

const ownersWallet = async ({ autoTopUp }: Money, clock: Clock, signal: AbortSignal) =>
  autoTopUpFindings(await autoTopUp.examine(signal), clock.now());

async function inbox(bot: BotFacts): Promise<readonly Finding[]> {
  const { refusing, undeliverable } = bot.outbox();
  return [
    ...inboxFindings({ since: bot.startedAt, rejected: bot.inbox().rejected, refusing: [...refusing] }),
    ...(undeliverable === 0
      ? []
      : [
          {
            subject: 'replies',
            state: 'warning' as const,
            fact: `${plural(undeliverable, 'reply').replace('replys', 'replies')} could not be delivered`,
            remedy: 'see in the log which relays took none of them',
          },
        ]),
  ];
}

async function ownWallet({ wallet }: Config, money: Money): Promise<readonly Finding[]> {
  const subject = 'wallet';
  if (wallet === undefined)
    return [{ subject, state: 'ok', fact: 'none: CASHU_MNEMONIC is not set, so only free providers work' }];
  const opened = money.wallet.opened();
  if (opened === undefined)
    return [{ subject, state: 'broken', fact: 'it is not open', remedy: 'see in the log why' }];
  const loose = await openToOthers(walletFile(wallet));
  const { doubtful } = money.routstr.provider().owed();
  return [
    { subject, state: 'ok', fact: balanceText(opened.balance()).split('\n')[0] ?? '' },
    ...(loose === undefined ? [] : [loose]),
    ...(doubtful === 0
      ? []
      : [
          {
            subject,
            state: 'warning' as const,
            fact: `${plural(doubtful, 'paid run')} where a mint or a node contradicts itself`,
            remedy: 'a person has to look: !wallet pending shows them',
          },
        ]),
  ];
}
