import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { EventId, InboundMessage, RelayUrl } from '@nostr-dm-agent/nostr';
import { createParty } from '@nostr-dm-agent/nostr/testing/forge';
import * as nip19 from 'nostr-tools/nip19';
import { examplesOf } from '../../src/commands/command-registry.ts';
import { ownerCommands } from '../../src/commands/owner-commands.ts';
import { startTestBot, type TestBot } from '../support/bot.ts';
import { commandsForReading, depsWithoutWallet } from '../support/commands.ts';
import { createOwner, type TestOwner } from '../support/owner.ts';

const ask = async (owner: TestOwner, text: string, pattern = /./) =>
  (await owner.answer(await owner.send(text), pattern)).text;

describe('an admin and a member', () => {
  let bot: TestBot;
  let member: TestOwner;
  let npub: string;
  beforeAll(async () => {
    bot = await startTestBot();
    member = await createOwner(bot.relay.url, bot.publicKey);
    npub = nip19.npubEncode(member.publicKey);
    await ask(bot.owner, `!owners add ${npub}`, /is a member now/);
  });
  afterAll(async () => {
    member?.close();
    await bot?.cleanUp();
  });

  test('each command for admins tells the member what they may do instead, and does nothing', async () => {
    const forAdmins = commandsForReading().commands.filter((command) => command.role === 'admin');
    expect(forAdmins.length).toBeGreaterThan(10);
    for (const command of forAdmins) {
      const [example = ''] = examplesOf(command);
      expect(await ask(member, example)).toStartWith(`!${command.path} is for admins. ${command.instead}`);
    }
    expect(await ask(bot.owner, '!owners')).toMatch(/^1\. .*\n.*\n2\. .*\n {3}member, added/);
  });

  test('a message that came too late is run again for its sender alone, and only when it is a task', async () => {
    const long = { createdAt: Math.floor(Date.now() / 1000) - 7 * 3600 };
    await bot.owner.send('the old plan', long);
    await bot.owner.send('！wallet balance', long);
    await bot.owner.heard(/^2 messages reached me/);
    const answers: string[] = [];
    for (let n = 1; answers.length < 2 && n < 200; n++) {
      expect(await ask(member, `!retry ${n}`)).toContain(`There is no missed message #${n}.`);
      const answer = await ask(bot.owner, `!retry ${n}`);
      if (!answer.includes('no missed message')) answers.push(answer);
    }
    expect(answers).toEqual([
      expect.stringContaining('did: the old plan'),
      expect.stringContaining('was no task: send it again'),
    ]);
  });

  test('nothing that a member can ask shows them another’s sessions, tasks or queue, or ends them', async () => {
    await ask(bot.owner, 'the plan nobody else may read', /did: /);
    await bot.owner.send('sleep 61');
    await until(() => bot.tasksDone().includes('sleep 61'), 'the admin’s run is under way');
    const [, session = ''] = /^1\. (\w{5}) /.exec(await ask(bot.owner, '!sessions')) ?? [];
    for (const text of [
      '!queue',
      '!sessions',
      '!history',
      '!retry',
      `!resume ${session}`,
      '!stop',
      '!status',
    ]) {
      const answer = await ask(member, text);
      expect(answer).not.toMatch(/nobody else|sleep 61/);
      if (text === '!status') expect(answer).toContain('Queue: 0 running, 0 waiting');
      else expect(answer).not.toContain(`${session} ·`);
    }
    expect(await ask(bot.owner, '!queue')).toContain('sleep 61');
    await ask(bot.owner, '!stop');
  });

  test('who is removed: their run ends, what waits is dropped, their keys are gone, nobody answers them', async () => {
    await member.send('sleep 62');
    await member.send('another task');
    await until(() => bot.tasksDone().includes('sleep 62'), 'their run is under way');
    const file = join(bot.home, 'bot.db');
    const db = new Database(file);
    db.exec('PRAGMA busy_timeout=5000');
    db.query(
      `INSERT INTO provider_connections (owner, provider, kind, credential, status, created_at, updated_at)
       VALUES (?, 'openai', 'api', 'sealed', 'connected', 1, 1)`,
    ).run(member.publicKey);
    expect(await ask(bot.owner, '!owners remove 2')).toBe(
      `${npub} is not an owner any more. 2 tasks of theirs ended.`,
    );
    const row = db
      .query<{ credential: string | null; status: string }, []>(
        'SELECT credential, status FROM provider_connections',
      )
      .get();
    expect(row).toEqual({ credential: null, status: 'revoked' });
    db.close();
    expect(bot.tasksDone()).not.toContain('another task');
    const heard = member.texts().length;
    await member.send('!ping');
    expect(await ask(bot.owner, '!ping')).toStartWith('pong');
    expect(member.texts().slice(heard).join()).not.toContain('pong');
  });
});

test('the last admin can be neither removed nor made a member', () => {
  const admin = createParty().publicKey;
  const deps = depsWithoutWallet();
  const { owners } = deps.stores;
  owners.put(admin, 'admin', admin);
  const commands = ownerCommands(deps);
  const npub = nip19.npubEncode(admin);
  const message: InboundMessage = {
    id: '00'.repeat(32) as EventId,
    sender: admin,
    protocol: 'nip17',
    kind: 14,
    text: '',
    references: [],
    createdAt: 0,
    relay: 'wss://relay.example/' as RelayUrl,
  };
  for (const [path, argument] of [
    ['owners remove', npub],
    ['owners add', `${npub} member`],
  ] as const) {
    const command = commands.find((each) => each.path === path);
    if (command?.kind !== 'immediate') throw new Error('no such command');
    const owner = { publicKey: admin, role: 'admin' } as const;
    expect(() => command.run({ owner, argument, resumed: false, message })).toThrow('That is the last admin');
  }
  expect(owners.roleOf(admin)).toBe('admin');
});
