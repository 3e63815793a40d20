import { Database } from 'bun:sqlite';
import { afterEach, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stranger } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { mnemonicToSeedSync } from '@scure/bip39';
import * as nip19 from 'nostr-tools/nip19';
import { type ObservedHouse, startObservedHouse } from '../support/observed-house.ts';
import { type PaidBot, settled, startPaidBot } from '../support/paid-bot.ts';
import {
  byteForms,
  filesBelow,
  type Place,
  pieces,
  processTexts,
  type Secret,
  search,
  textForms,
} from '../support/secrets.ts';
import { codeIn, tokenIn } from '../support/wallet-bot.ts';

let house: ObservedHouse;
let world: PaidBot;
let ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  ends = [];
});

/** The bot’s secrets are in its `.env`, as `setup` leaves them: what is elsewhere got there by itself. */
async function start(isolation: string, opencode: 'real' | 'paying' = 'real'): Promise<void> {
  house = startObservedHouse({ feePpk: 100 });
  ends.push(house.stop);
  world = await startPaidBot(house, {
    opencode,
    funds: 20_000,
    budget: 1000,
    envFile: true,
    env: { LOG_LEVEL: 'debug', LOG_FORMAT: 'json', BOT_ISOLATION: isolation },
  });
  ends.push(world.cleanUp);
}

const allOf = (pattern: RegExp, text: string): string[] => [
  ...new Set(Array.from(text.matchAll(pattern), ([found]) => found)),
];
/** Before it a token names its mint and keyset, like all the others. */
const tokenHead = 120;
const nameOf = (token: string): string => `token …${token.slice(-12)}`;
const budgetKey = (token: string): readonly string[] => [...pieces(token, tokenHead), ...textForms(token)];

/** Who has one of these has money, or is the bot. All that ever went to the mint and to the node is among them. */
function everySecret(): Secret[] {
  const { words } = world;
  const { secretKey } = world.bot;
  const list = words.split(' ');
  const fours = list.slice(3).map((_, i) => list.slice(i, i + 4));
  const text = house.witnessed().map((request) => request.text);
  const passed = text.join('\n');
  return [
    { name: 'the bot’s key', needles: [nip19.nsecEncode(secretKey), ...byteForms(secretKey)] },
    {
      name: 'the words',
      needles: [
        ...textForms(words),
        ...fours.flatMap((four) => [' ', ',', ', ', '\n', '","'].map((gap) => four.join(gap))),
      ],
    },
    { name: 'the seed', needles: byteForms(mnemonicToSeedSync(words)) },
    ...allOf(/cashu[AB][\w=-]{40,}/g, passed).map((token) => ({
      name: nameOf(token),
      needles: budgetKey(token),
    })),
    ...allOf(/(?<="secret":")[^"]{16,}(?=")/g, passed).map((secret) => ({
      name: `proof ${secret.slice(0, 12)}…`,
      needles: [secret, Buffer.from(secret).toString('hex')],
    })),
    ...allOf(/\bsk-[0-9a-f]{64}\b/g, passed).map((key) => ({
      name: `account ${key.slice(0, 12)}…`,
      needles: textForms(key),
    })),
  ];
}

const isAgents = ({ content }: Place): boolean => content.includes('NOSTR_DM_AGENT_RUN=');
const environments = (): Place[] => processTexts('environ');

/** All that the bot and its agents have written, beside the wallet's file and `.env`; and all that `ps` shows. */
const everywhere = (): Place[] => [
  ...filesBelow(world.bot.directory, [
    join(world.bot.directory, '.env'),
    join(world.bot.directory, 'user', '.cashu-wallet'),
    world.bot.workspace,
  ]),
  { name: 'the log', content: Buffer.from(world.bot.log()) },
  ...processTexts('cmdline'),
  ...environments().filter((place) => !isAgents(place)),
];

const inWorkspace = (name: string): string => join(world.bot.workspace, name);

/** The agent looks around as far as it can, and waits. */
const look = `
env
for file in /proc/self/environ /proc/[0-9]*/environ /proc/[0-9]*/cmdline; do cat $file | tr '\\0' '\\n'; done
ps auxeww
`;
async function startLooking(): Promise<{
  readonly message: string;
  readonly variables: Map<string, string>;
}> {
  writeFileSync(inWorkspace('look.sh'), look);
  for (const name of ['looked', 'go']) rmSync(inWorkspace(name), { force: true });
  const message = await world.owner.send(
    'run sh look.sh > seen 2>/dev/null; touch looked; until [ -e go ]; do sleep 0.1; done',
  );
  await until(() => existsSync(inWorkspace('looked')), 'the agent has looked around');
  // Of all its processes one at least; one that is just becoming another program has none yet.
  const own = () =>
    environments().find(
      (place) =>
        isAgents(place) &&
        place.content.includes(`PWD=${world.bot.workspace}\0`) &&
        place.content.includes('\0ROUTSTR_API_KEY='),
    );
  // Looked at once: a moment later it may have ended, and the next one may not have come so far.
  let mine: Place | undefined;
  await until(() => {
    mine = own();
    return mine !== undefined;
  }, 'the run has its key in its environment');
  const entries = (mine?.content.toString() ?? '').split('\0').map((entry): [string, string] => {
    const at = entry.indexOf('=');
    return [entry.slice(0, at), entry.slice(at + 1)];
  });
  return { message, variables: new Map(entries) };
}

/** During a run: its own key and the door that it opens are in its environment. Nothing else, and nowhere else. */
async function lookAround() {
  const { message, variables } = await startLooking();
  const own = variables.get('ROUTSTR_API_KEY') ?? '';
  expect(own).toStartWith('cashuB');
  const config = variables.get('OPENCODE_CONFIG_CONTENT') ?? '';
  const [, door = ''] = /127\.0\.0\.1:\d+\/([\w-]{32})\//.exec(config) ?? [];
  const secrets = [...everySecret(), { name: 'the meter’s path', needles: textForms(door) }];
  expect(search(secrets, everywhere())).toEqual([]);

  const inside = [{ name: 'seen', content: readFileSync(inWorkspace('seen')) }, ...environments()];
  const found = new Set(search(secrets, inside).map((line) => line.slice(0, line.indexOf(':'))));
  expect([...found].toSorted()).toEqual(['the meter’s path', nameOf(own)].toSorted());
  return { message, secrets };
}

const expectNoneOf = (secrets: readonly Secret[]): void =>
  expect(search([...secrets, ...everySecret()], [...everywhere(), ...environments()])).toEqual([]);

test('a run has its own key in its environment, and no secret is anywhere else; when it is over none is left', async () => {
  await start('auto');
  const { message, secrets } = await lookAround();
  writeFileSync(inWorkspace('go'), '');
  await world.owner.reaction(message, '✅');
  await settled(world, 20_000);
  expectNoneOf(secrets);
  // Nor has the agent told the npm registry that it runs: there is nothing that it fetched.
  expect(everywhere().filter(({ name }) => name.includes('/.npm/'))).toEqual([]);
}, 120_000);

test('neither is it without walls around the agent, for the run after another, nor when the bot is killed meanwhile', async () => {
  await start('none');
  await world.ask('say hi', /^hi/);
  await settled(world, 20_000);
  const { message, secrets } = await lookAround();
  await world.bot.end('SIGKILL');
  await world.bot.start();
  await world.owner.reaction(message, '❌');
  await settled(world, 20_000);
  expectNoneOf(secrets);
}, 120_000);

test('a token that came or went by message is in no file of the bot once it is acted on', async () => {
  await start('none', 'paying');
  const friend = await stranger({ url: house.mintUrl });
  const received = [await friend.token(300), await friend.token(200)] as const;
  await world.ask(received[0], /Received/);
  await world.ask(`!wallet receive ${received[1]}`, /Received/);
  const code = codeIn(await world.ask('!wallet send 400'));
  const sent = tokenIn(await world.ask(code, /cashuB/));
  await world.ask('!ping', /pong/);
  await world.bot.end('SIGTERM');
  const messages = [...received, sent].map((token) => ({ name: nameOf(token), needles: budgetKey(token) }));
  const secrets = [...everySecret(), ...messages];
  expect(search(secrets, everywhere())).toEqual([]);
}, 120_000);

test('the search finds what a database tears apart and what is encoded', () => {
  const folder = mkdtempSync(join(tmpdir(), 'secrets-'));
  const token = `cashuB${Buffer.from(crypto.getRandomValues(new Uint8Array(6000))).toString('base64url')}`;
  const key = crypto.getRandomValues(new Uint8Array(32));
  const secrets = [
    { name: 'token', needles: budgetKey(token) },
    { name: 'key', needles: byteForms(key) },
  ];
  const db = new Database(join(folder, 'bot.db'));
  db.exec('CREATE TABLE t (text)');
  expect(search(secrets, filesBelow(folder))).toEqual([]);
  db.query('INSERT INTO t VALUES (?)').run(`a long text with a ${token} in it`);
  db.close();
  writeFileSync(join(folder, 'log'), `key ${Buffer.from(key).toString('base64')}`);
  expect(search(secrets, filesBelow(folder)).toSorted()).toEqual(['key: log', 'token: bot.db']);
  expect(search(secrets, filesBelow(folder, [join(folder, 'log')]))).toEqual(['token: bot.db']);
  rmSync(folder, { recursive: true });
});
