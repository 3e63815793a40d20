import { expect, test } from 'bun:test';
import { createTokenBucket } from '@nostr-dm-agent/kit/token-bucket';
import { defaultInboxLimits } from '../src/inbox/inbox-limits.ts';
import { createLane, type LaneLimits } from '../src/inbox/lane.ts';
import type { NostrEvent } from '../src/nostr-types.ts';
import { createScriptedRelay } from './support/scripted-relay.ts';

const laneWith = (limits: Partial<LaneLimits>) =>
  createLane(createScriptedRelay('one'), { ...defaultInboxLimits, ...limits }, () => 0);

const event = (name: string, sig = name): NostrEvent => ({
  id: name,
  sig,
  pubkey: '',
  kind: 1059,
  created_at: 0,
  tags: [],
  content: '',
});

test('events are taken in the order of their arrival', () => {
  const lane = laneWith({});
  for (const name of ['a', 'b', 'c']) lane.offer(event(name), 'live');
  expect([lane.take('live')?.id, lane.take('live')?.id, lane.take('live')?.id]).toEqual(['a', 'b', 'c']);
  expect(lane.take('live')).toBeUndefined();
});

test('in a crowd the newest is taken first, until it is none any more', () => {
  const lane = laneWith({ crowdedAt: 3 });
  for (const name of ['a', 'b', 'c', 'd']) lane.offer(event(name), 'live');
  const taken = Array.from({ length: 4 }, () => lane.take('live')?.id);
  expect(taken).toEqual(['d', 'c', 'a', 'b']);
});

test('a full lane makes room for a live event by dropping the oldest stored one, then the oldest live one', () => {
  const lane = laneWith({ queueEvents: 3 });
  lane.offer(event('stored'), 'backlog');
  lane.offer(event('a'), 'live');
  lane.offer(event('b'), 'live');
  expect(lane.offer(event('c'), 'live')).toBe(false);
  expect(lane.size('backlog')).toBe(0);
  expect(lane.offer(event('d'), 'live')).toBe(false);
  expect([lane.take('live')?.id, lane.take('live')?.id, lane.take('live')?.id]).toEqual(['b', 'c', 'd']);
  expect(lane.dropped).toBe(2);
});

test('a full lane turns a stored event away', () => {
  const lane = laneWith({ queueEvents: 1 });
  lane.offer(event('live'), 'live');
  expect(lane.offer(event('stored'), 'backlog')).toBe(false);
  expect([lane.size('live'), lane.size('backlog'), lane.dropped]).toEqual([1, 0, 1]);
});

test('an event larger than the whole lane is dropped, and nothing else', () => {
  const lane = laneWith({ queueBytes: 2000 });
  lane.offer(event('before'), 'live');
  expect(lane.offer({ ...event('big'), content: 'x'.repeat(3000) }, 'live')).toBe(false);
  expect(lane.offer(event('small'), 'live')).toBe(true);
  expect([lane.take('live')?.id, lane.take('live')?.id]).toEqual(['before', 'small']);
});

test('the same event queues once; one with another signature is another', () => {
  const lane = laneWith({});
  for (const sig of ['good', 'good', 'bad']) lane.offer(event('a', sig), 'live');
  expect(lane.size()).toBe(2);
  lane.take('live');
  lane.offer(event('a', 'good'), 'live');
  expect(lane.size()).toBe(2);
});

test('thousands pass through without being kept', () => {
  const lane = laneWith({ queueEvents: 10 });
  for (let index = 0; index < 5000; index += 1) {
    expect(lane.offer(event(`${index}`), 'live')).toBe(true);
    expect(lane.take('live')?.id).toBe(`${index}`);
  }
  expect(lane.size()).toBe(0);
});

test('there is room once the lane is half empty, or the wait is called off', async () => {
  const lane = laneWith({ queueEvents: 4 });
  const { signal } = new AbortController();
  await lane.room(signal);
  for (const name of ['a', 'b', 'c', 'd']) lane.offer(event(name), 'live');
  let room = false;
  const waiting = lane.room(signal).then(() => {
    room = true;
  });
  lane.take('live');
  await Promise.resolve();
  expect(room).toBe(false);
  lane.take('live');
  await waiting;
  lane.offer(event('e'), 'live');
  const controller = new AbortController();
  const calledOff = lane.room(controller.signal);
  controller.abort(new Error('enough'));
  await expect(calledOff).rejects.toThrow('enough');
  await expect(lane.room(controller.signal)).rejects.toThrow('enough');
});

test('a bucket lets a burst through, then its rate, and never saves up more than a burst', () => {
  let now = 0;
  const bucket = createTokenBucket(0.5, 3, () => now);
  const spendAll = () => {
    for (let index = 0; index < 3; index += 1) {
      expect(bucket.waitMs()).toBe(0);
      bucket.spend();
    }
  };
  spendAll();
  expect(bucket.waitMs()).toBe(2000);
  now = 1000;
  expect(bucket.waitMs()).toBe(1000);
  now = 2000;
  expect(bucket.waitMs()).toBe(0);
  now = 3_600_000;
  spendAll();
  expect(bucket.waitMs()).toBe(2000);
});
