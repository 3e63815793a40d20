import { expect, test } from 'bun:test';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { type EventId, generateSecretKey, parseRelayUrl, publicKeyOf } from '@nostr-dm-agent/nostr';
import type { Command } from '../../src/commands/command.ts';
import { createCommandRunner } from '../../src/commands/run-command.ts';
import type { Owner } from '../../src/config/config.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';
import { silent } from '../support/backend.ts';

const sender = publicKeyOf(generateSecretKey());
const owner: Owner = { publicKey: sender, role: 'admin' };
const never = new Promise<never>(() => undefined);

/** Three commands in one message; `one` and `three` wait for nothing outside when `immediate`. The bot ends in the second. */
async function cutOff(kinds: {
  readonly immediate: boolean;
  readonly secondRepeatable: boolean;
  /** What their sender is when the third is due. */
  readonly atLast?: Owner | undefined;
}) {
  const db = openDatabase(':memory:', botMigrations);
  const messages = createMessageStore(db, systemClock);
  const stored = messages.insert(
    {
      ...{ id: 'a'.repeat(64) as EventId, sender, protocol: 'nip17', kind: 14, text: '!one', references: [] },
      ...{ createdAt: 1, relay: parseRelayUrl('wss://relay.example') },
    },
    'b'.repeat(64) as EventId,
    'received',
  );
  if (stored === undefined) throw new Error('not stored');
  const begun: string[] = [];
  const said: string[] = [];
  let life = 1;
  const command = (path: string, lasting: boolean, repeatable = true): Command => ({
    ...{ path, family: 'Bot', summary: '' },
    ...(path === 'three' ? { role: 'admin', instead: 'Ask an admin.' } : { role: 'member' }),
    ...(lasting
      ? {
          kind: 'lasting',
          repeatable,
          run: async ({ resumed }) => {
            begun.push(`${path}${resumed ? ' again' : ''}`);
            return path === 'two' && life === 1 ? never : path;
          },
        }
      : {
          kind: 'immediate',
          run: () => {
            begun.push(path);
            return path;
          },
        }),
  });
  const lasting = !kinds.immediate;
  const commands = [
    command('one', lasting),
    command('two', true, kinds.secondRepeatable),
    command('three', lasting),
  ];
  const orders = {
    commands: commands.map((each) => ({ found: true as const, command: each, argument: '' })),
    note: undefined,
  };
  const runner = () =>
    createCommandRunner({
      messages,
      ownerOf: () => (begun.includes('two again') && 'atLast' in kinds ? kinds.atLast : owner),
      tasks: { order: () => undefined },
      messenger: {
        send: (_, text) => {
          said.push(text);
          return [];
        },
        react: () => undefined,
      },
      atomically: (change) => db.transaction(change).immediate(),
      redact: (text) => text,
      ...{ commandTimeoutMs: 60_000, clock: systemClock, log: silent },
    });
  runner().run(stored, owner, orders);
  await until(() => begun.includes('two'), 'the second has begun');
  life = 2;
  const next = runner();
  next.resume(stored, owner, orders);
  await until(() => messages.open().length === 0, 'the message is done');
  await next.close();
  db.close();
  return { begun, said };
}

test.each([true, false])(
  'of several commands in one message those that were answered before a kill are not done again (immediate: %p)',
  async (immediate) => {
    const { begun, said } = await cutOff({ immediate, secondRepeatable: true });
    expect(begun).toEqual(['one', 'two', 'two again', 'three']);
    expect(said).toEqual(['one', 'two', 'three']);
  },
);

test('one of them that is not to be repeated is told, and nothing is done twice', async () => {
  const { begun, said } = await cutOff({ immediate: true, secondRepeatable: false });
  expect(begun).toEqual(['one', 'two']);
  expect([said[0], said.length]).toEqual(['one', 2]);
});

test('what comes later in a message is for whom its sender is by then', async () => {
  const kinds = { immediate: false, secondRepeatable: true };
  const removed = await cutOff({ ...kinds, atLast: undefined });
  expect([removed.begun, removed.said]).toEqual([
    ['one', 'two', 'two again'],
    ['one', 'two'],
  ]);
  const lowered = await cutOff({ ...kinds, atLast: { publicKey: sender, role: 'member' } });
  expect(lowered.begun).toEqual(['one', 'two', 'two again']);
  expect(lowered.said[2]).toContain('admin');
});
