import { afterAll, beforeAll, expect, test } from 'bun:test';
import { stranger } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { until } from '@nostr-dm-agent/kit/testing/until';
import * as nip19 from 'nostr-tools/nip19';
import { createOwner, type TestOwner } from '../support/owner.ts';
import { type PaidBot, settled, startPaidBot } from '../support/paid-bot.ts';
import { type SandboxHouse, startSandboxHouse } from '../support/paid-house.ts';

const ask = async (owner: TestOwner, text: string, pattern = /./) =>
  (await owner.answer(await owner.send(text), pattern)).text;
const numberIn = (text: string, pattern: RegExp): number =>
  Number((pattern.exec(text)?.[1] ?? 'nothing').replaceAll(',', ''));

let house: SandboxHouse;
let world: PaidBot;
let ada: TestOwner;
beforeAll(async () => {
  house = startSandboxHouse({ feePpk: 100 });
  world = await startPaidBot(house, {
    opencode: 'paying',
    funds: 3000,
    budget: 700,
    env: { BOT_ACCOUNTS: 'separate' },
  });
  ada = await createOwner(world.bot.relay.url, world.bot.publicKey);
  await world.ask(`!owners add ${nip19.npubEncode(ada.publicKey)}`, /is a member now/);
  await ask(ada, '!provider set routstr', /routstr/i);
}, 60_000);
afterAll(async () => {
  ada?.close();
  await world?.cleanUp();
  await house?.stop();
});

const adas = async () => numberIn(await ask(ada, '!wallet balance'), /^Your share: ([\d,]+) sat/);
const admins = async () => numberIn(await world.ask('!wallet balance'), /Yours to spend: ([\d,]+) sat/);
const inWallet = async () => numberIn(await world.ask('!wallet balance'), /^([\d,]+) sat ready/);
/** The mint pays its own invoices. */
const topUp = (sats: number) => ask(ada, `!wallet topup ${sats}`, /^Paid:/);
const tokenOver = async (sats: number) => (await stranger(house.mint)).token(sats);
/** Kills the bot while the mint holds its request to `path`, once it is done there. */
const killDuring = async (path: string, begin: () => Promise<unknown>) => {
  house.mint.faults.add({ path, when: 'after', effect: { kind: 'hold' } });
  await begin();
  await until(() => house.mint.faults.holding() > 0, `the bot asks for ${path}`);
  await world.bot.end('SIGKILL');
  house.mint.faults.clear();
  house.mint.faults.release();
  await world.bot.start();
};

test('who brought nothing in spends nothing, and is told what to do', async () => {
  expect(await ask(ada, '!wallet balance')).toBe('Your share: 0 sat\nYou brought in 0 sat and spent 0 sat.');
  const refused = await ask(ada, 'work for me, 1 calls');
  expect(refused).toStartWith(
    'Your share is 0 sat; this run needs 700 sat. !wallet topup 700 makes an invoice.',
  );
  expect(await ask(ada, '!wallet mints')).not.toContain('sat');
  for (const text of ['!provider status', '!provider set routstr', '!status', '!wallet', '!wallet pending']) {
    expect(await ask(ada, text)).not.toContain('3,000');
  }
  expect(await admins()).toBe(3000);
});

test('what a member tops up, and what a token brings, is their share, and their runs are paid from it', async () => {
  expect(await topUp(1000)).toBe('Paid: 1,000 sat are in the wallet. Your share: 1,000 sat.');
  expect(await ask(ada, await tokenOver(200))).toMatch(/^Received (\d+) sat .*Your share: 1,\d{3} sat\.$/);
  const before = await adas();
  expect(await admins()).toBe(3000);
  await ask(ada, 'work for me, 1 calls', /did: /);
  await settled(world, 30_000);
  const cost = numberIn(await ask(ada, '!spend'), /: ([\d,]+) sat, 1 run/);
  expect(cost).toBeGreaterThan(0);
  expect(await adas()).toBe(before - cost);
  expect(await admins()).toBe(3000);
  await world.ask('!provider budget 1500');
  expect(await ask(ada, 'too much for me, 1 calls')).toStartWith(
    `Your share is ${(before - cost).toLocaleString('en-US')} sat; this run needs 1,500 sat.`,
  );
  await world.ask('!provider budget 700');
});

test('an admin spends their own and what is nobody’s, not a member’s share', async () => {
  const share = await adas();
  await world.ask('work for the admin, 1 calls', /did: /);
  await settled(world, 30_000);
  expect(await adas()).toBe(share);
  const left = await admins();
  expect(left).toBeLessThan(3000);
  expect(await inWallet()).toBe(left + share);
  expect(await world.ask(`!wallet send ${left + 1}`)).toStartWith(
    `Yours to spend: ${left.toLocaleString('en-US')} sat. The rest was brought in by other owners`,
  );
  expect(await world.ask(`!provider deposit ${left + 1}`)).toStartWith('Yours to spend: ');
  expect(await world.ask(`dear, 1 calls !!${left + 1}`)).toStartWith(
    `Your share is ${left.toLocaleString('en-US')} sat; this run needs`,
  );
});

test('two codes for the same money of the admin do not reach into another’s share', async () => {
  const share = await adas();
  const part = Math.ceil((await admins()) * 0.6);
  const codeFor = async (sats: number) =>
    /send (\d{4}) /.exec(await world.ask(`!wallet send ${sats}`))?.[1] ?? '';
  const [first, second] = [await codeFor(part), await codeFor(part)];
  const token = /cashu\S+/.exec(await world.ask(first, /cashu/))?.[0] ?? '';
  expect(await world.ask(second)).toMatch(
    /^Yours to spend: [\d,]+ sat\. The rest was brought in by other owners/,
  );
  expect(await adas()).toBe(share);
  await world.ask(token, /^Received/);
  expect(await inWallet()).toBe((await admins()) + share);
});

test('killed while a member’s money comes in, the bot knows afterwards whose it is', async () => {
  const before = await adas();
  const common = await admins();
  const token = await tokenOver(300);
  await killDuring('/v1/swap', () => ada.send(token));
  await until(async () => (await adas()) > before, 'the token is in the share');
  const then = await adas();
  expect(then).toBeGreaterThan(before + 290);

  let id = '';
  await killDuring('/v1/mint/bolt11', async () => {
    id = await ada.send('!wallet topup 400');
  });
  await ada.answer(id, /^Paid: 400 sat are in the wallet\./, 40_000);
  expect(await adas()).toBe(then + 400);
  expect(await admins()).toBe(common);
}, 120_000);

test('killed in the middle of a member’s run, it is their share that pays, and no other', async () => {
  const [before, common] = [await adas(), await admins()];
  await ada.send('work until you die, 40 calls');
  await until(() => world.agents().length > 0, 'the agent works');
  await world.bot.end('SIGKILL');
  await world.bot.start();
  await settled(world, 30_000);
  const spent = numberIn(await ask(ada, '!wallet balance'), /spent ([\d,]+) sat/);
  expect(await adas()).toBeLessThanOrEqual(before);
  expect(await inWallet()).toBe((await adas()) + common);
  expect(spent).toBeGreaterThan(0);
}, 120_000);

test('shared again, it is everybody’s; kept apart anew, what is there is the admins’', async () => {
  const all = await inWallet();
  await world.bot.end('SIGTERM');
  await world.bot.start({ BOT_ACCOUNTS: 'shared' });
  expect(await ask(ada, '!wallet balance')).toContain(`${all.toLocaleString('en-US')} sat ready`);
  await world.bot.end('SIGTERM');
  await world.bot.start({ BOT_ACCOUNTS: 'separate' });
  expect([await adas(), await admins()]).toEqual([0, all]);
}, 60_000);
