import { expect, test } from 'bun:test';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { type EventId, generateSecretKey, parseRelayUrl, publicKeyOf } from '@nostr-dm-agent/nostr';
import type { Command } from '../../src/commands/command.ts';
import { createCommandRunner } from '../../src/commands/run-command.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';
import { silent } from '../support/backend.ts';

const sender = publicKeyOf(generateSecretKey());
const owner = { publicKey: sender, role: 'admin' } as const;
const never = new Promise<never>(() => undefined);

/** Three commands in one message; `one` and `three` wait for nothing outside when `immediate`. The bot ends in the second. */
async function cutOff(kinds: { readonly immediate: boolean; readonly secondRepeatable: boolean }) {
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
    ...{ path, family: 'Bot', summary: '', role: 'member' },
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
