import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { SpendSummary } from '@nostr-dm-agent/cashu-wallet';
import { sat } from '@nostr-dm-agent/kit/sat';
import { createParty } from '@nostr-dm-agent/nostr/testing/forge';
import * as nip19 from 'nostr-tools/nip19';
import { spendText } from '../../src/replies/spend-replies.ts';
import { createOwner, type TestOwner } from '../support/owner.ts';
import { type PaidBot, settled, startPaidBot } from '../support/paid-bot.ts';
import { type SandboxHouse, startSandboxHouse } from '../support/paid-house.ts';

const ask = async (owner: TestOwner, text: string, pattern = /./) =>
  (await owner.answer(await owner.send(text), pattern)).text;
const numberIn = (text: string, pattern: RegExp): number =>
  Number((pattern.exec(text)?.[1] ?? 'nothing').replaceAll(',', ''));
const digits = (amount: number): string => amount.toLocaleString('en-US');
const shortName = (owner: TestOwner): string => {
  const npub = nip19.npubEncode(owner.publicKey);
  return `${npub.slice(0, 9)}…${npub.slice(-4)}`;
};

describe('three owners, one wallet', () => {
  let house: SandboxHouse;
  let world: PaidBot;
  let ada: TestOwner;
  let bob: TestOwner;
  beforeAll(async () => {
    house = startSandboxHouse({ feePpk: 100 });
    world = await startPaidBot(house, {
      opencode: 'paying',
      funds: 20_000,
      budget: 1000,
      env: { BOT_CONCURRENCY: '4', BOT_CURRENCY: 'usd' },
    });
    const join = async () => {
      const person = await createOwner(world.bot.relay.url, world.bot.publicKey);
      await world.ask(`!owners add ${nip19.npubEncode(person.publicKey)}`, /is a member now/);
      await ask(person, '!provider set routstr', /routstr/i);
      return person;
    };
    [ada, bob] = [await join(), await join()];
  });
  afterAll(async () => {
    ada?.close();
    bob?.close();
    await world?.cleanUp();
    await house?.stop();
  });

  test('run tasks at once: the ledger knows whose each was, and adds up for each and in all', async () => {
    const tasks: [TestOwner, string][] = [
      [world.owner, 'admin works, 1 calls'],
      [ada, 'ada works, 2 calls'],
      [bob, 'bob works, 1 calls'],
      [ada, 'ada works on, 1 calls'],
    ];
    await Promise.all(tasks.map(async ([owner, task]) => owner.answer(await owner.send(task), /did: /)));
    await settled(world, 30_000);

    const all = await world.ask('!spend');
    const total = numberIn(all, /^The last 7 days: ([\d,]+) sat, 4 runs\./);
    const own = async (person: TestOwner, runs: string) =>
      numberIn(await ask(person, '!spend 1'), new RegExp(`^Today: ([\\d,]+) sat, ${runs}\\.`));
    const [adas, bobs] = [await own(ada, '2 runs'), await own(bob, '1 run')];
    const admins = numberIn(all, /^you: ([\d,]+) sat, 1 run$/m);
    expect(adas).toBeGreaterThan(bobs);
    expect(adas + bobs + admins).toBe(total);
    expect(all).toContain(`${shortName(ada)}: ${digits(adas)} sat, 2 runs`);
    const wallet = await world.ask('!wallet');
    const ready = numberIn(wallet, /([\d,]+) sat ready/);
    expect(ready).toBe(20_000 - total);
    // The node's prices are made with one dollar for a thousand sat.
    const worth = /^That is about \$([\d.]+) by the prices of \S+\.$/m.exec(wallet)?.[1];
    expect(Number(worth)).toBeCloseTo(ready / 1000, 1);
  });

  test('a member sees their own history and nothing of the others, an admin all of it by asking for it', async () => {
    const adas = await ask(ada, '!wallet history');
    expect(adas).toContain('ada works');
    for (const other of ['bob works', 'admin works', 'topped up']) expect(adas).not.toContain(other);
    expect(await ask(ada, '!spend')).not.toContain('npub');
    expect(await ask(ada, '!wallet history all')).toContain(
      'is for admins. !wallet history shows what is yours',
    );
    const own = await world.ask('!wallet history');
    expect(own).toContain('admin works');
    expect(own).toContain('topped up 20,000 sat');
    expect(own).not.toContain('ada works');
    const all = await world.ask('!wallet history all 20');
    expect(all).toMatch(new RegExp(`${shortName(ada)} · ada works on`));
    expect(all).toMatch(/you · admin works/);

    const status = await ask(ada, '!status');
    expect(status).not.toContain('Last error');
    expect(await ask(ada, '!owners')).toContain(nip19.npubEncode(world.owner.publicKey));
    expect(await ask(ada, '!owners')).not.toContain(nip19.npubEncode(bob.publicKey));
    expect(await ask(ada, '!help all')).not.toContain('!wallet send');
  });

  test('an owner’s own limit holds their runs and nobody else’s', async () => {
    const spent = numberIn(await ask(ada, '!spend'), /^The last 7 days: ([\d,]+)/);
    const limit = spent + 800;
    expect(await world.ask('!owners')).toContain(`2. ${nip19.npubEncode(ada.publicKey)}`);
    expect(await world.ask(`!limit 2 ${limit}/day`)).toBe(
      `${shortName(ada)}: ${digits(limit)} sat a day, ${digits(spent)} sat spent or at stake today.`,
    );
    expect(await ask(ada, '!limit')).toStartWith(`You: ${digits(limit)} sat a day`);
    const refused = await ask(ada, 'too dear, 1 calls', /limit/);
    expect(refused).toContain(
      `Your limit of ${digits(limit)} sat for one day: ${digits(spent)} sat are spent`,
    );
    expect(refused).toContain('End the task with !!800');
    await ask(ada, 'small enough, 1 calls !!700', /did: small enough/);
    await ask(bob, 'without a limit, 1 calls', /did: /);
    expect(await ask(ada, '!limit 2 off')).toContain('Limits are set by admins');
    expect(await world.ask('!limit 9 100/day')).toContain('There is no owner 9');
    expect(await world.ask('!limit 2 lots')).toContain('is not an amount per day');
    expect(await world.ask('!limit 2 off')).toStartWith(`${shortName(ada)}: no limit`);
    await ask(ada, 'free again, 1 calls', /did: free again/);
    await settled(world, 30_000);
  });

  test('an owner who is removed loses what waits and their limit; the last admin stays', async () => {
    const bobs = nip19.npubEncode(bob.publicKey);
    expect(await world.ask('!owners remove 3')).toBe(`${bobs} is not an owner any more.`);
    expect(await world.ask('!owners remove 1')).toContain('BOT_OWNERS');
    expect(await world.ask('!spend')).toContain(shortName(bob));
  });
});

describe('the summary can be read on a phone', () => {
  const [me, ada] = [createParty(), createParty()];
  const row = (day: string, owner: string | undefined, model: string | undefined, spent: number, runs = 1) =>
    ({ day, owner, model, runs, spent: sat(spent), open: sat(0) }) satisfies SpendSummary;
  const name = `${ada.npub.slice(0, 9)}…${ada.npub.slice(-4)}`;

  test('by day, owner and model', () => {
    const rows = [
      row('2026-11-22', ada.publicKey, 'routstr/claude-sonnet-4', 2500, 5),
      { ...row('2026-11-22', me.publicKey, 'gpt-5', 500), open: sat(2000) },
      row('2026-11-22', ada.publicKey, undefined, 100),
      row('2026-11-20', undefined, undefined, 7),
    ];
    expect(spendText(rows, 7, { publicKey: me.publicKey, role: 'admin' })).toBe(
      [
        'The last 7 days: 3,107 sat, 8 runs. 2,000 sat more are at stake in runs that are not settled.',
        `${name}: 2,600 sat, 6 runs`,
        'you: 500 sat, 1 run',
        'the bot: 7 sat, 1 run',
        '',
        'Sun 22 Nov: 3,100 sat',
        `  ${name}: 2,600 · claude-sonnet-4 2,500 (5 runs), default model 100`,
        '  you: 500 · gpt-5 500',
        'Fri 20 Nov: 7 sat',
        '  the bot: 7 · default model 7',
      ].join('\n'),
    );
  });

  test('a member’s shows their own spending, without names', () => {
    const reader = { publicKey: ada.publicKey, role: 'member' } as const;
    expect(spendText([row('2026-11-22', ada.publicKey, 'gpt-5', 12, 2)], 1, reader)).toBe(
      'Today: 12 sat, 2 runs.\n\nSun 22 Nov: 12 sat · gpt-5 12 (2 runs)',
    );
    expect(spendText([], 7, reader)).toBe(
      'The last 7 days: nothing spent. You had no run that was paid for.',
    );
  });
});
