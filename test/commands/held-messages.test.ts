import { expect, test } from 'bun:test';
import type { EventId, InboundMessage, PublicKey, RelayUrl } from '@nostr-dm-agent/nostr';
import { createCommands } from '../../src/commands/all-commands.ts';
import { createDispatcher } from '../../src/commands/dispatch.ts';
import { readMeaning } from '../../src/commands/meaning/meaning.ts';
import { createActFromPage } from '../../src/page/act-from-page.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';
import { depsWithoutWallet } from '../support/commands.ts';
import { silentLog } from '../support/inbox.ts';

const owner = 'a'.repeat(64) as PublicKey;
const relay = 'wss://relay.example/' as RelayUrl;

/** A bot that may be told that nothing may be begun. */
function openBot() {
  const base = depsWithoutWallet();
  const registry = createCommands({ ...base, meaningOf: (text) => meaningOf(text) });
  const meaningOf = (text: string) =>
    readMeaning(text, { match: (asked) => registry.match(asked), isWholeToken: () => false });
  const messages = createMessageStore(base.stores.db, base.clock);
  base.stores.owners.put(owner, 'admin', owner);
  let may = true;
  const tasks: string[] = [];
  const said: string[] = [];
  const signs: PublicKey[] = [];
  const messenger = {
    send: (_: unknown, text: string) => {
      said.push(text);
      return [];
    },
    react: () => {},
  };
  const dispatcher = createDispatcher({
    ...{ meaningOf, match: registry.match, confirmations: base.stores.confirmations, messages, messenger },
    ...{ asks: { open: () => [], answer: () => false }, redact: (text: string) => text },
    tasks: { order: (_, { task }) => tasks.push(task), callOff: () => 0, continues: () => true },
    admission: { admit: () => {}, noteOnCode: () => undefined },
    signOfLife: (from) => signs.push(from),
    mayBegin: () => may,
    stores: base.stores,
    limits: { homeMadeAt: 0, catchupMs: 1e12, gatherMs: 1, commandTimeoutMs: 5_000, twinMs: 20 },
    ...{ clock: base.clock, log: silentLog },
  });
  dispatcher.start();
  let count = 0;
  return {
    ...{ dispatcher, tasks, said, signs },
    may: (now: boolean) => {
      may = now;
    },
    send: (text: string, rest: Partial<InboundMessage> = {}) => {
      count += 1;
      const id = count.toString(16).padStart(64, '0') as EventId;
      const createdAt = Math.floor(base.clock.now() / 1000);
      const stored = messages.insert(
        {
          ...{ id, sender: owner, protocol: 'nip17', kind: 14, text, references: [], createdAt, relay },
          ...rest,
        },
        id,
        'received',
      );
      if (stored !== undefined) dispatcher.accept(stored);
    },
    stored: () => messages.open().map(({ state, text }) => `${state} ${text}`),
    page: createActFromPage({
      ...{ registry, messenger, relay, redact: (text: string) => text, commandTimeoutMs: 1_000 },
      ...{ randomBytes: (size: number) => new Uint8Array(size), atomically: base.stores.atomically },
      ...{ mayBegin: async () => may, clock: base.clock, log: silentLog },
    }),
  };
}

test('what comes while nothing may be begun is kept, and acted on once, in its order, when something may', () => {
  const bot = openBot();
  bot.may(false);
  bot.send('first');
  bot.send('!mode ask');
  bot.send('second');
  bot.send('👍', { kind: 7 });
  bot.dispatcher.goOn();
  expect([bot.tasks, bot.said, bot.signs]).toEqual([[], [], []]);
  expect(bot.stored()).toHaveLength(4);
  bot.may(true);
  bot.dispatcher.goOn();
  bot.dispatcher.goOn();
  expect(bot.tasks).toEqual(['first', 'second']);
  expect(bot.said).toHaveLength(1);
  expect(bot.stored()).toEqual([]);
});

test('one that had been taken, and waited for its twin, begins no more than one that comes then', async () => {
  const bot = openBot();
  bot.send('by the old way', { protocol: 'nip04', kind: 4 });
  expect(bot.tasks).toEqual([]);
  bot.may(false);
  await Bun.sleep(60);
  expect([bot.tasks, bot.stored()]).toEqual([[], ['received by the old way']]);
  bot.may(true);
  bot.dispatcher.goOn();
  while (bot.tasks.length === 0) await Bun.sleep(5);
  expect(bot.tasks).toEqual(['by the old way']);
});

test('a button of the page does nothing then but look, and end what is under way; it says why', async () => {
  const bot = openBot();
  const press = async (command: string) =>
    (await bot.page.act({ publicKey: owner, role: 'admin' }, { command }, AbortSignal.timeout(5_000))).join();
  bot.may(false);
  for (const command of [
    '!mode ask',
    '!wallet send 5',
    '!retry 1',
    '!every 1h x',
    'a task',
    '!wallet confirm 1',
  ])
    expect(await press(command)).toStartWith('Not done: none of my relays');
  for (const command of ['!stop', '!status', '!queue drop 1'])
    expect(await press(command)).not.toContain('Not done');
  bot.may(true);
  expect(await press('!mode ask')).not.toContain('Not done');
});

test('a task that waits in the queue is begun when something may be', async () => {
  const { queue, stores, currentSessions } = depsWithoutWallet();
  stores.owners.put(owner, 'admin', owner);
  const choice = { workspace: 'app', backend: 'opencode', mode: 'agent', model: undefined } as const;
  const session = currentSessions.beginBeside(owner, { ...choice, title: 'x' });
  let may = false;
  queue.start(() => may);
  const { id } = queue.enqueue({
    ...{ owner, session, message: 'b'.repeat(64) as EventId, messageKind: 14, protocol: 'nip17' },
    ...{ fallbackRelays: [relay], task: 'look', mode: 'agent', model: undefined, budget: undefined },
  });
  await Bun.sleep(20);
  expect(stores.runs.get(id)?.state).toBe('queued');
  may = true;
  queue.look();
  while (stores.runs.get(id)?.state === 'queued') await Bun.sleep(5);
  await queue.close();
});
