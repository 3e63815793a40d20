import { expect, test } from 'bun:test';
import { systemClock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { claimEvent, type InstanceClaim, type RelayUrl } from '@nostr-dm-agent/nostr';
import { silentLogger } from '@nostr-dm-agent/nostr/testing/relay-client';
import { relayWorld } from '@nostr-dm-agent/nostr/testing/relay-world';
import { createOneBot } from '../../src/app/one-bot.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { readInstance, writeInstance } from '../../src/store/instance-facts.ts';
import { createMeta } from '../../src/store/meta-table.ts';
import { outboxWorld } from '../support/outbox-world.ts';

const early = { instance: 'early', generation: 2, at: 1_000, host: 'a' };
const late = { instance: 'late', generation: 2, at: 2_000, host: 'b' };

/** A bot that has claimed the key, at this relay. */
function claimant(world: ReturnType<typeof outboxWorld>, url: RelayUrl, claim: InstanceClaim) {
  const db = openDatabase(':memory:', botMigrations);
  const meta = createMeta(db);
  writeInstance(meta, { ...claim, claimedAt: claim.at });
  const { relays } = world.live({ own: [url] });
  const stopping = new AbortController().signal;
  const bot = createOneBot(
    { relays, identity: world.identity, stores: { db, meta }, told: false, onClaimed: async () => {} },
    { clock: systemClock, random: Math.random, log: silentLogger, reached: () => {}, stopping },
  );
  const fencedBy: InstanceClaim[] = [];
  bot.watch((found) => void fencedBy.push(found));
  return { fencedBy, own: () => readInstance(meta), standing: bot.standing };
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
    const winner = claimant(world, relay.url, late);
    await winner.standing();
    const loser = claimant(world, relay.url, early);
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
