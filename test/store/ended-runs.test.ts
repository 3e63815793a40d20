import { expect, test } from 'bun:test';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { EventId } from '@nostr-dm-agent/nostr';
import { createParty } from '@nostr-dm-agent/nostr/testing/forge';
import type { RunOrder } from '../../src/runs/run.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { storesIn } from '../../src/store/open-stores.ts';

test('each run that ends is counted once, also one whose end was written late, by a clock that went back, or with all of a queue', () => {
  const db = openDatabase(':memory:', botMigrations);
  const { runs, sessions } = storesIn(db, [], { clock: { now: () => 1 }, random: () => 0.5 });
  const owner = createParty().publicKey;
  sessions.insert({
    ...{
      id: 's',
      owner,
      workspace: 'app',
      directory: '/app',
      backend: 'opencode',
      mode: 'agent',
      title: 't',
    },
    ...{ model: undefined, approvals: undefined, provider: undefined, backendSession: undefined },
    ...{ createdAt: 1, usedAt: 1 },
  });
  const order: RunOrder = {
    ...{
      owner,
      session: 's',
      message: '0'.repeat(64) as EventId,
      messageKind: 14,
      protocol: 'nip17',
      fallbackRelays: [],
    },
    ...{ task: 't', mode: 'agent', model: undefined, budget: undefined },
  };
  const enqueue = (id: string) => runs.enqueue(id, order, 1);
  const end = (id: string, endedAt: number) =>
    runs.finish(id, { outcome: 'answered', answer: id, result: undefined, endedAt });
  for (const id of ['before', 'a', 'b', 'c', 'd']) enqueue(id);
  end('before', 1_000);
  let { cursor, ended } = runs.endedSince();
  const look = () => {
    ({ cursor, ended } = runs.endedSince(cursor));
    return ended.map(({ outcome, endedAt }) => `${outcome} ${endedAt}`);
  };
  expect(ended).toEqual([]);
  end('b', 2_000);
  enqueue('e');
  end('e', 5);
  expect(look()).toEqual(['answered 2000', 'answered 5']);
  expect(look()).toEqual([]);
  end('a', 1);
  enqueue('f');
  runs.amend('b', { outcome: 'stopped', answer: undefined, result: undefined });
  expect(look()).toEqual(['answered 1']);
  expect(runs.dropWaiting(owner, 3, ['d'])).toBe(2);
  expect(look()).toEqual(['dropped 3', 'dropped 3']);
  end('d', 4);
  expect(look()).toEqual(['answered 4']);
  db.close();
});
