import { expect, test } from 'bun:test';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { EventId } from '@nostr-dm-agent/nostr';
import { createParty } from '@nostr-dm-agent/nostr/testing/forge';
import type { RunOrder, Session } from '../../src/runs/run.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { storesIn } from '../../src/store/open-stores.ts';
import { placeKey } from '../../src/store/runs-table.ts';

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

test('the queue passes over all that waits for a place that is away, wherever it stands', () => {
  const db = openDatabase(':memory:', botMigrations);
  const { runs, sessions } = storesIn(db, [], { clock: { now: () => 1 }, random: () => 0.5 });
  const owner = createParty().publicKey;
  const add = (id: string, workspace: string, directory: string, backendSession: string | undefined) => {
    const session: Session = {
      ...{ id, owner, workspace, directory, backend: 'opencode', mode: 'agent', title: 't', backendSession },
      ...{ model: undefined, approvals: undefined, provider: undefined, createdAt: 1, usedAt: 1 },
    };
    sessions.insert(session);
    for (const n of [1, 2])
      runs.enqueue(
        `${id}${n}`,
        {
          ...{ owner, session: id, message: '0'.repeat(64) as EventId, messageKind: 14, protocol: 'nip17' },
          ...{ fallbackRelays: [], task: 't', mode: 'agent', model: undefined, budget: undefined },
        },
        1,
      );
    return placeKey(session);
  };
  const begun = add('a', 'api', 'build:/srv/ä"\\', 'ses_1');
  expect(add('b', 'api', 'build:/srv/ä"\\', 'ses_2')).toBe(begun);
  const fresh = add('c', 'api', 'build:/srv/ä"\\', undefined);
  add('d', 'app', '/app', 'ses_3');
  const next = (busy: readonly string[], away: readonly string[]) => runs.next(busy, away)?.id;
  expect(next([], [])).toBe('a1');
  expect(next([], [begun])).toBe('c1');
  expect(next([], [begun, fresh])).toBe('d1');
  expect(next(['a', 'c'], [])).toBe('b1');
  expect(next(['d'], [begun, fresh])).toBeUndefined();
  sessions.update('b', { directory: 'gpu:/srv' });
  expect(next([], [begun, fresh])).toBe('b1');
  db.close();
});
