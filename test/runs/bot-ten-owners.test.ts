import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { startTestBot, type TestBot } from '../support/bot.ts';
import { filesHolding } from '../support/files.ts';
import { newKey, only, sendElsewhere, startKeyProvider } from '../support/key-providers.ts';
import { createOwner, type TestOwner } from '../support/owner.ts';

const kinds = [
  { id: 'anthropic', variable: 'ANTHROPIC_API_KEY', prefix: 'sk-ant-api03-' },
  { id: 'openrouter', variable: 'OPENROUTER_API_KEY', prefix: 'sk-or-v1-' },
  { id: 'groq', variable: 'GROQ_API_KEY', prefix: 'gsk_' },
] as const;
const tasksEach = 10;

const people = Array.from({ length: 10 }, (_, index) => {
  const kind = kinds[index % kinds.length] ?? kinds[0];
  return { name: `owner-${index}-`, secret: generateSecretKey(), kind, key: newKey(kind.prefix) };
});
const providers = kinds.map(({ id }) => ({
  id,
  server: startKeyProvider(only(...people.filter(({ kind }) => kind.id === id).map(({ key }) => key))),
}));

let bot: TestBot;
let clients: readonly TestOwner[];

beforeAll(async () => {
  bot = await startTestBot({
    env: {
      BOT_OWNERS: people.map(({ secret }) => getPublicKey(secret)).join(','),
      BOT_CONCURRENCY: '10',
      LOG_LEVEL: 'debug',
    },
  });
  clients = await Promise.all(people.map(({ secret }) => createOwner(bot.relay.url, bot.publicKey, secret)));
  await sendElsewhere(bot.home, Object.fromEntries(providers.map(({ id, server }) => [id, server.url])));
}, 60_000);
afterAll(async () => {
  for (const client of clients) client.close();
  await bot.cleanUp();
  await Promise.all(providers.map(({ server }) => server.stop()));
});

const each = <T>(work: (client: TestOwner, person: (typeof people)[number]) => Promise<T>) =>
  Promise.all(
    people.map((person, index) => {
      const client = clients[index];
      if (client === undefined) throw new Error('no client');
      return work(client, person);
    }),
  );

test('ten owners, ten tasks each at once, three providers: every run has its owner’s key, nobody sees another’s', async () => {
  await each(async (client, { kind, key }) => {
    const ask = async (text: string) => (await client.answer(await client.send(text), /./, 60_000)).text;
    expect(await ask(`!provider connect ${kind.id} ${key}`)).toContain('accepts the key');
    expect(await ask(`!provider set ${kind.id}`)).toContain('your own key');
  });
  const names = people.flatMap(({ name }) =>
    Array.from({ length: tasksEach }, (_, task) => `${name}${task}`),
  );
  await each(async (client, { name }) => {
    for (let task = 0; task < tasksEach; task += 1) await client.send(`${name}${task}`);
  });
  const answered = () =>
    clients.flatMap(({ said }) => said).filter(({ text }) => text.startsWith('did: ')).length;
  await until(() => answered() === names.length, 'all tasks are answered', 100_000);

  const runs = readFileSync(join(bot.workspace, 'keys.txt'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('\t'));
  expect(runs.map(([task]) => task).sort()).toEqual([...names].sort());
  for (const [task = '', model = '', environment = ''] of runs) {
    const person = people.find(({ name }) => task.startsWith(name));
    expect(environment.trim()).toBe(`${person?.kind.variable}=${person?.key}`);
    expect(model).toStartWith(`${person?.kind.id}/`);
  }
  await each(async (client, { name, key }) => {
    const heard = client.texts().join('\n');
    for (const other of people) {
      if (other.name !== name) expect(heard).not.toContain(other.name);
      expect(heard).not.toContain(other.key);
    }
    const sessions = (await client.answer(await client.send('!sessions'))).text;
    expect(sessions).toContain(name);
    expect(sessions.match(/owner-\d-/g)).toEqual([name]);
    expect(heard).not.toContain(key);
  });
  const keys = people.map(({ key }) => key);
  expect(filesHolding(bot.home, keys)).toEqual([]);
  for (const key of keys) expect(bot.log()).not.toContain(key);
}, 180_000);
