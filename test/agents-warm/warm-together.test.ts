/*
 * Two owners with two sessions each give twenty tasks at once to a bot with two agent servers: each run is paid by its own
 * key and no other, the ledger says of each what the node's books say of that key, and nobody hears of the other's work.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { bubblewrapHere } from '../support/jail.ts';
import { type ObservedHouse, startObservedHouse } from '../support/observed-house.ts';
import type { TestOwner } from '../support/owner.ts';
import { type PaidBot, settled, startPaidBot } from '../support/paid-bot.ts';

const me = { name: 'me', uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const missing = await bubblewrapHere(me);
if (missing !== undefined) test('the jail can be built', () => expect(process.env.CI).toBeUndefined());

let house: ObservedHouse;
let world: PaidBot;
let other: TestOwner;
beforeAll(async () => {
  if (missing !== undefined) return;
  house = startObservedHouse({ feePpk: 100 });
  world = await startPaidBot(house, {
    opencode: 'real',
    funds: 60_000,
    env: { BOT_ISOLATION: 'bwrap', BOT_WARM_SERVERS: '2', BOT_CONCURRENCY: '4' },
  });
  other = await world.addMember();
  // A member's tasks are paid by the wallet, too, once they choose it.
  await other.answer(await other.send('!provider set routstr'), /./);
}, 60_000);
afterAll(async () => {
  other?.close();
  await world?.cleanUp();
  await house?.stop();
});

const tasksEach = 5;
const asks = (owner: TestOwner): readonly string[] =>
  owner.texts().filter((text) => text.includes('May I run this?'));
/** A word that is a task's own, wherever it turns up. */
const wordOf = (name: string, session: number, number: number): string => `${name}-${session}-${number}`;

test.if(missing === undefined)(
  'every run has its own key and its own bill, and its own owner alone hears of it',
  async () => {
    const people = [
      { name: 'apple', owner: world.owner },
      { name: 'birch', owner: other },
    ];
    const sent: { readonly id: string; readonly word: string; readonly owner: TestOwner }[] = [];
    const give = async ({ name, owner }: (typeof people)[number], session: number): Promise<void> => {
      // The second session asks before it runs anything.
      if (session === 2) await owner.answer(await owner.send('!new'), /./);
      if (session === 2) await owner.answer(await owner.send('!approvals commands'), /./);
      for (let number = 1; number <= tasksEach; number++) {
        const word = wordOf(name, session, number);
        const asking = session === 2 && number === 1;
        // As long as no other one, so that no two bills are the same.
        const words = 50 * (sent.length + 1);
        const task = asking
          ? `run echo ${word}`
          : `take 0.${number} seconds then say ${word} ${'x '.repeat(words)}`;
        sent.push({ id: '', word, owner });
        const at = sent.length - 1;
        sent[at] = { id: await owner.send(task), word, owner };
      }
    };
    await Promise.all(people.map((person) => give(person, 1)));
    await Promise.all(people.map((person) => give(person, 2)));

    // The other one's yes is no answer to what this one is asked.
    for (const { owner } of people) await until(() => asks(owner).length > 0, 'something is asked', 60_000);
    await other.send('!yes');
    await until(
      () => sent.some(({ id, owner }) => owner === other && said(owner, id).length > 1),
      'it runs',
      60_000,
    );
    expect(asks(world.owner)).toHaveLength(1);
    expect(asks(other)).toHaveLength(1);
    const own = sent.find(({ word }) => word === wordOf('apple', 2, 1));
    if (own === undefined) throw new Error('not sent');
    expect(said(world.owner, own.id)).toHaveLength(1);
    // A server of its own is started for each that has to be asked: not for the others.
    for (const { owner } of people) await owner.answer(await owner.send('!approvals off'), /./);
    await world.owner.send('!yes');
    for (const { id, owner } of sent) await owner.reaction(id, '✅', 120_000);
    await settled(world, 60_000);

    for (const { owner } of people) {
      const rest = people.filter((one) => one.owner !== owner).map((one) => `${one.name}-`);
      expect(owner.texts().filter((text) => rest.some((word) => text.includes(word)))).toEqual([]);
      for (const { id, word } of sent.filter((one) => one.owner === owner))
        expect(said(owner, id).at(-1)).toMatch(new RegExp(`^(?:[^\\n]*\\n)?${word}`, 'm'));
    }

    await world.bot.end('SIGTERM');
    const books = world.books();
    const { byAccount } = house.node.audit();
    const calls = house.nodeRequests().filter(({ path }) => path.endsWith('/chat/completions'));
    const ledger = books.ledger.filter(({ promptPrefix }) => promptPrefix !== 'a budget made ahead');
    expect(ledger).toHaveLength(sent.length);
    const keys = new Set<string>();
    for (const { word, owner } of sent) {
      // The last that was said to the model, whichever of the session's keys it came with.
      const key = onlyOne(calls.filter(({ text }) => lastTask(text)?.includes(word)).map(keyOf));
      keys.add(key);
      const row = ledger.find(({ promptPrefix }) => promptPrefix?.includes(word));
      const account = byAccount[key];
      if (row === undefined || account === undefined) throw new Error(`${word} has no books`);
      expect(row.owner).toBe(owner.publicKey);
      expect(Number(row.budget)).toBe(row.spent + row.refund + row.fee);
      expect(account.creditedMsat - account.refundedMsat).toBe(row.spent * 1000);
      expect(Math.ceil(account.spentMsat / 1000)).toBe(row.spent);
    }
    expect(keys.size).toBe(sent.length);
    expect(Object.keys(byAccount)).toHaveLength(sent.length);
    expect(books.uneven).toEqual([]);
    expect(books.ready + books.spent + books.fees).toBe(world.funds);
    expect(books.open).toEqual([]);
  },
  180_000,
);

const said = (owner: TestOwner, id: string): readonly string[] =>
  owner.said.filter(({ about, kind }) => about === id && kind !== 7).map(({ text }) => text);

/** The hash that names the account, out of the key that a call came with. */
const keyOf = ({ text }: { readonly text: string }): string =>
  /Bearer sk-([0-9a-f]{64})/.exec(text)?.[1] ?? text;

const onlyOne = (keys: readonly string[]): string => {
  const [first, ...more] = [...new Set(keys)];
  expect(more).toEqual([]);
  return first ?? 'no call';
};

/** What the model was asked last by a person. */
const lastTask = (text: string): string | undefined =>
  [...text.matchAll(/"role":"user","content":(?:"((?:[^"\\]|\\.)*)"|\[(.*?)\])/g)].at(-1)?.[0];
