import { describe, expect, test } from 'bun:test';
import { type Clock, systemClock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import { until } from '@nostr-dm-agent/kit/testing/until';
import {
  claimEvent,
  type InstanceClaim,
  type NostrEvent,
  RelayError,
  type RelayUrl,
} from '@nostr-dm-agent/nostr';
import { silentLogger } from '@nostr-dm-agent/nostr/testing/relay-client';
import { loopback, refusingUrl, relayWorld, reservePort } from '@nostr-dm-agent/nostr/testing/relay-world';
import { createClaimBoard, servesNone } from '../../src/app/claim-board.ts';
import { connectionOf, createFenceGate } from '../../src/app/fence-gate.ts';
import { createOneBot } from '../../src/app/one-bot.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { readInstance, writeInstance } from '../../src/store/instance-facts.ts';
import { createMeta } from '../../src/store/meta-table.ts';
import { outboxWorld } from '../support/outbox-world.ts';

const early = { instance: 'early', generation: 2, at: 1_000, host: 'a' };
const late = { instance: 'late', generation: 2, at: 2_000, host: 'b' };

/** A bot at these relays that has claimed the key; undefined: it is new. */
function claimant(
  world: ReturnType<typeof outboxWorld>,
  urls: readonly RelayUrl[],
  claim?: InstanceClaim,
  clock: Clock = systemClock,
) {
  const db = openDatabase(':memory:', botMigrations);
  const meta = createMeta(db);
  if (claim !== undefined) writeInstance(meta, { ...claim, claimedAt: claim.at });
  const { relays, signal: stopping } = world.live({ own: urls });
  const bot = createOneBot(
    { relays, identity: world.identity, stores: { db, meta }, told: false, onClaimed: async () => {} },
    { clock, random: seededRandom(1), log: silentLogger, reached: () => {}, stopping },
  );
  const fencedBy: InstanceClaim[] = [];
  bot.watch((found) => void fencedBy.push(found));
  let opened = 0;
  bot.gate.onOpen(() => {
    opened += 1;
  });
  return { fencedBy, own: () => readInstance(meta), ...bot, opened: () => opened };
}

test.each(['before it looks', 'while it works'])(
  'of two that claimed the key at once one gives way, also where the relay keeps the claim of that one: %s',
  async (moment) => {
    await using net = relayWorld();
    using world = outboxWorld();
    const relay = net.relay();
    // What the relay keeps goes by its own rule: the newest event, not the newest claim.
    const kept = claimEvent(early, world.identity, unixSeconds(systemClock) + 60);
    if (moment === 'before it looks') relay.inject(kept);
    const winner = claimant(world, [relay.url], late);
    await winner.standing();
    const loser = claimant(world, [relay.url], early);
    if (moment === 'while it works') relay.inject(kept);
    await until(() => loser.fencedBy.length > 0, 'the earlier one hears of the later one');
    expect(loser.fencedBy).toMatchObject([{ instance: 'late' }]);
    expect(winner.fencedBy).toEqual([]);
    expect(winner.own()).toMatchObject({ instance: 'late', generation: 2 });
    // And it ends there: nobody goes on telling the other.
    const stored = () => relay.store.all().filter(({ kind }) => kind === 30_078);
    expect(stored()).toHaveLength(1);
    expect(stored()[0]?.created_at).toBe(kept.created_at + 1);
  },
);

describe('the fence closes again', () => {
  const mine = { ...early, instance: 'mine' };
  /** Its clock can be put on, as that of a machine that slept. */
  const slept = () => {
    let aheadMs = 0;
    const clock = { now: () => Date.now() + aheadMs };
    return {
      clock,
      for: (ms: number) => {
        aheadMs += ms;
      },
    };
  };
  const isOpen = (bot: ReturnType<typeof claimant>) =>
    until(() => bot.gate.isOpen() && bot.opened() > 0, 'the fence is open, and told of');

  test('after a gap nothing begins before a relay has said, asked anew, that nobody has taken over', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const relay = net.relay();
    const sleep = slept();
    const bot = claimant(world, [relay.url], mine, sleep.clock);
    await isOpen(bot);
    relay.faults.swallow.add('REQ');
    sleep.for(60_000);
    // At once, whatever timer would fire first; and an open connection proves nothing.
    expect(bot.gate.isOpen()).toBe(false);
    expect(bot.gate.isSure()).toBe(false);
    expect(await bot.gate.sure(AbortSignal.timeout(30_000))).toBe(false);
    const before = bot.opened();
    const sure = bot.gate.untilSure(AbortSignal.timeout(60_000));
    relay.faults.swallow.delete('REQ');
    await sure;
    await until(() => bot.opened() > before, 'it has opened');
    expect([bot.gate.isOpen(), bot.gate.isSure(), bot.fencedBy.length]).toEqual([true, true, 0]);
  });

  test('a gap in which the clock is set back is one, too', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const sleep = slept();
    const bot = claimant(world, [net.relay().url], mine, sleep.clock);
    await isOpen(bot);
    sleep.for(-60_000);
    expect(bot.gate.isOpen()).toBe(false);
    await isOpen(bot);
  });

  test('taken over in a gap, it never opens, though no subscription tells it', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const relay = net.relay();
    const sleep = slept();
    const bot = claimant(world, [relay.url], mine, sleep.clock);
    await isOpen(bot);
    await until(() => bot.opened() > 0, 'that is told');
    const opened = bot.opened();
    // Not sent to whoever subscribed: as if the connection had swallowed it.
    relay.store.add(claimEvent({ ...late, generation: 3 }, world.identity, unixSeconds(systemClock) + 60));
    sleep.for(60_000);
    expect(bot.gate.isOpen()).toBe(false);
    await until(() => bot.fencedBy.length > 0, 'it has heard of the other one');
    expect(bot.gate.isOpen()).toBe(false);
    expect(await bot.gate.sure(AbortSignal.timeout(30_000))).toBe(false);
    expect(bot.opened()).toBe(opened);
  });

  test('with every relay away it is closed, and opens with the first that is back and has answered', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const port = await reservePort();
    const first = net.relay({ port });
    const bot = claimant(world, [first.url, refusingUrl], mine);
    await isOpen(bot);
    await first.stop();
    await until(() => !bot.gate.isOpen(), 'it has closed');
    const before = bot.opened();
    // Nobody looks: it is told by the relay that comes back.
    net.relay({ port, store: first.store });
    await until(() => bot.opened() > before, 'it has opened');
    expect(bot.gate.isOpen()).toBe(true);
  });

  test('what begins by itself asks a relay that has not been heard of for a while', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const relay = net.relay();
    let mono = 0;
    const requests: unknown[] = [];
    const asked = net.relay({ onMessage: (message) => message[0] === 'REQ' && requests.push(message) });
    const { relays, signal: stopping } = world.live({ own: [relay.url, asked.url] });
    const gate = createFenceGate(
      {
        relays: relays.own,
        monotonic: () => mono,
        look: async () => {
          const since = gate.asking();
          await relays.ask(asked.url, [{ kinds: [30_078], limit: 1 }], 5_000, stopping);
          gate.hear(
            relays.own.map((each) => ({ relay: each.url, connection: connectionOf(each), asked: since })),
          );
        },
      },
      { clock: systemClock, random: seededRandom(1), log: silentLogger, stopping },
    );
    gate.stand();
    expect(gate.isOpen()).toBe(false);
    await until(() => gate.isOpen(), 'it has opened');
    const begun = requests.length;
    // No gap: it goes on by small steps.
    for (let step = 0; step < 20; step += 1) {
      mono += 1_000;
      expect(gate.isOpen()).toBe(true);
    }
    expect(requests).toHaveLength(begun);
    expect(gate.isSure()).toBe(false);
    expect(await gate.sure(stopping)).toBe(true);
    expect(gate.isSure()).toBe(true);
    expect(requests).toHaveLength(begun + 1);
    // A word that was asked for before a gap counts for nothing, though it is read after it.
    const before = gate.asking();
    mono += 60_000;
    gate.hear(relays.own.map((each) => ({ relay: each.url, connection: connectionOf(each), asked: before })));
    expect(gate.isOpen()).toBe(false);
    await until(() => gate.isOpen(), 'it has opened again');
  });

  test('a new home that starts without a relay is one that can be taken over from the first word on', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const port = await reservePort();
    const bot = claimant(world, [loopback(port)]);
    await bot.standing();
    expect(bot.gate.isOpen()).toBe(false);
    const relay = net.relay({ port });
    await isOpen(bot);
    expect(bot.own().generation).toBe(1);
    await until(() => relay.store.all().some(({ kind }) => kind === 30_078), 'the relay keeps its claim');
    relay.inject(claimEvent(late, world.identity, unixSeconds(systemClock) + 1));
    await until(() => bot.fencedBy.length > 0, 'it hears of the other one');
    expect(bot.gate.isOpen()).toBe(false);
  });

  test('a relay that serves no claims keeps nobody from acting, before a gap and after it', async () => {
    await using net = relayWorld();
    using world = outboxWorld();
    const relay = net.relay({ faults: { refuseKinds: new Set([30_078]) } });
    const sleep = slept();
    const bot = claimant(world, [relay.url], mine, sleep.clock);
    await isOpen(bot);
    sleep.for(60_000);
    expect(bot.gate.isOpen()).toBe(false);
    await isOpen(bot);
  });

  /** A relay that is open and answers a look like that. */
  const answering = (url: RelayUrl, query: (timeoutMs: number) => Promise<NostrEvent[]>) => ({
    url,
    status: () => ({ url, state: 'open', since: 1, lastError: undefined, feeds: [] }) as const,
    query: (_filters: unknown, timeoutMs: number) => query(timeoutMs),
    publish: () => Promise.reject(new RangeError('nothing is published here')),
    subscribe: () => new RangeError('nobody listens here'),
  });
  const boardOf = (
    { identity }: ReturnType<typeof outboxWorld>,
    own: Parameters<typeof createClaimBoard>[0]['relays']['own'],
  ) =>
    createClaimBoard({ relays: { own }, identity }, () => ({ gaps: 0, at: 0 }), {
      clock: systemClock,
      stopping: AbortSignal.timeout(10_000),
    });

  test('where every relay takes longer than they are given first, they are given longer', async () => {
    using world = outboxWorld();
    const slow = answering(refusingUrl, async (timeoutMs) => {
      if (timeoutMs <= 6_000) throw new RelayError(refusingUrl, 'timeout', '');
      return [claimEvent(late, world.identity, 1)];
    });
    const board = boardOf(world, [slow]);
    expect(await board.look()).toMatchObject({ newest: undefined, answers: [] });
    expect(await board.look()).toMatchObject({ newest: late, answers: [{ relay: refusingUrl }] });
  });

  test('that a relay serves no claims is no reason to wait less for one that does', async () => {
    using world = outboxWorld();
    const deaf = answering(refusingUrl, async () => {
      throw new RelayError(refusingUrl, 'refused', 'blocked: kind 30078');
    });
    const knowing = answering(loopback(1), async () => {
      // Longer than others are waited for once one has told its claims.
      await Bun.sleep(900);
      return [claimEvent(late, world.identity, 1)];
    });
    expect((await boardOf(world, [deaf, knowing]).look()).newest).toMatchObject(late);
  });

  test.each([
    ['refused', 'blocked: kind 30078 is not served here', true],
    ['refused', 'restricted: not for you', true],
    ['refused', 'unsupported: tag filter', true],
    ['refused', 'rate-limited: slow down', false],
    ['refused', 'error: try again', false],
    ['refused', 'auth-required: who are you', false],
    ['timeout', 'blocked: no EOSE', false],
    ['unreachable', '', false],
  ] as const)('asked for claims, %s (%s): it has none to tell, for good: %p', (reason, detail, expected) => {
    expect(servesNone(new RelayError(refusingUrl, reason, detail))).toBe(expected);
  });
});
