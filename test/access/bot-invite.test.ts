import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { RelayUrl } from '@nostr-dm-agent/nostr';
import { createUnwrap } from '@nostr-dm-agent/nostr';
import { createParty, forge, forgeLegacy, nowSeconds } from '@nostr-dm-agent/nostr/testing/forge';
import * as nip19 from 'nostr-tools/nip19';
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { createAdmission } from '../../src/access/admission.ts';
import { findInviteCode, newInviteCode, showInviteCode } from '../../src/access/invite-code.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createInviteStore } from '../../src/store/invites-table.ts';
import { createOwners } from '../../src/store/owners-table.ts';
import { startTestBot, type TestBot } from '../support/bot.ts';
import { silentLog } from '../support/inbox.ts';
import { createOwner, type TestOwner } from '../support/owner.ts';

const ask = async (owner: TestOwner, text: string, pattern = /./) =>
  (await owner.answer(await owner.send(text), pattern)).text;

/** Whatever was sent to the bot before has been looked at. */
const caughtUp = async (bot: TestBot) => expect(await ask(bot.owner, '!ping')).toStartWith('pong');

const shown = /^[0-9a-z]{5}(-[0-9a-z]{5}){3}$/;
const invite = async (bot: TestBot): Promise<string> => {
  const { text } = await bot.owner.answer(await bot.owner.send('!invite'), shown);
  return text;
};
const npubOf = (owner: TestOwner) => nip19.npubEncode(owner.publicKey);

describe('a code lets one stranger in', () => {
  let bot: TestBot;
  const people: TestOwner[] = [];
  const newcomer = async () => {
    const person = await createOwner(bot.relay.url, bot.publicKey);
    people.push(person);
    return person;
  };
  beforeAll(async () => {
    bot = await startTestBot();
  });
  afterAll(async () => {
    for (const person of people) person.close();
    await bot.cleanUp();
  });

  test('who sends it is welcomed and may work; who invited is told; nobody else gets in by it', async () => {
    const code = await invite(bot);
    expect(await ask(bot.owner, '!invite list')).toMatch(
      /1\. made (?:just now|a minute ago|1 min ago) by you, good for (?:24 h|23 h 59 min)/,
    );
    const ada = await newcomer();
    const welcome = await ask(ada, `my code: ${code.toUpperCase()} thanks`);
    expect(welcome).toStartWith('Welcome. You are a member of this bot now.');
    expect((await bot.owner.heard(/used your invitation/)).text).toContain(npubOf(ada));
    expect(await ask(bot.owner, '!owners')).toMatch(/2\. npub1\w+\n {3}member, added just now by npub1\w+…/);
    await ada.answer(await ada.send('write a poem'), /did: write a poem/);
    expect(await ask(bot.owner, '!invite list')).toStartWith('No invitation is open.');

    const bob = await newcomer();
    await bob.send(code);
    await bob.sendNip04(code);
    await caughtUp(bot);
    expect(bob.said).toEqual([]);
    expect(bot.log()).not.toContain(code);
    const db = new Database(join(bot.home, 'bot.db'), { readonly: true });
    const rows = db.query<{ n: number }, [string]>('SELECT count(*) AS n FROM messages WHERE sender = ?');
    expect([rows.get(ada.publicKey)?.n, rows.get(bob.publicKey)?.n]).toEqual([2, 0]);
    db.close();
  });

  test('by NIP-04 it works as well, and is answered in it', async () => {
    const code = await invite(bot);
    const person = await newcomer();
    const answer = await person.answer(await person.sendNip04(code), /Welcome/);
    expect(answer.kind).toBe(4);
  });

  test('the same rumor in other wraps burns no second code, and a member who sends a code runs no task', async () => {
    const [first, second] = [await invite(bot), await invite(bot)];
    const person = await newcomer();
    const { id, wraps } = person.wraps(first, 3);
    for (const wrap of wraps) await person.publish(wrap);
    await person.answer(id, /Welcome/);
    expect(await ask(person, first)).toContain('no longer works');
    expect(await ask(person, second)).toContain('was not used');
    expect(person.texts().filter((text) => text.startsWith('Welcome'))).toHaveLength(1);
    // Its own number, which is that of no other: the ones before it are used.
    const number = /^(\d+)\. made/.exec(await ask(bot.owner, '!invite list'))?.[1] ?? '';
    expect(bot.tasksDone().join()).not.toContain(first);
    const before = Number(number) - 1;
    expect(await ask(bot.owner, `!invite cancel ${before}`)).toContain(`No invitation ${before} is open`);
    expect(await ask(bot.owner, `!invite cancel ${number}`)).toBe('1 invitation taken back, none is open.');
    const late = await newcomer();
    await late.send(second);
    await caughtUp(bot);
    expect(late.said).toEqual([]);
  });

  test('guesses, and what only looks like a code, get silence and are not stored; the real one still works', async () => {
    const code = await invite(bot);
    const guesser = await newcomer();
    const other = showInviteCode(newInviteCode((count) => crypto.getRandomValues(new Uint8Array(count))));
    for (const text of [other, code.slice(0, -1), `${code}x`, `!${code.slice(0, 5)}`, 'let me in']) {
      await guesser.send(text);
    }
    await caughtUp(bot);
    // After five mistakes the guesser is not listened to any more.
    await guesser.send(code);
    await caughtUp(bot);
    expect(guesser.said).toEqual([]);
    const db = readFileSync(join(bot.home, 'bot.db'));
    const wal = readFileSync(join(bot.home, 'bot.db-wal'));
    for (const file of [db, wal]) expect([file.includes(other), file.includes(code)]).toEqual([false, false]);
    const friend = await newcomer();
    expect(await ask(friend, code)).toStartWith('Welcome');
  });

  test('of two who send the same code at once, one is let in', async () => {
    const code = await invite(bot);
    const rivals = [await newcomer(), await newcomer()] as const;
    const wraps = rivals.flatMap((rival) => rival.wraps(code, 2).wraps);
    await Promise.all(wraps.map((wrap) => rivals[0].publish(wrap)));
    await caughtUp(bot);
    await until(() => rivals.some(({ said }) => said.length > 0), 'one of them is welcomed');
    await caughtUp(bot);
    expect(rivals.map(({ said }) => said.length).toSorted()).toEqual([0, 1]);
  });

  test('members may not invite, and hear what they may do instead; an admin by code is refused', async () => {
    const member = people[0];
    if (member === undefined) throw new Error('nobody came');
    expect(await ask(member, '!invite')).toBe(
      '!invite is for admins. Ask an admin to invite them; !owners shows who is one.',
    );
    expect(await ask(member, '!owners')).toContain(npubOf(bot.owner));
    expect(await ask(bot.owner, '!invite admin')).toContain('!owners add <npub> admin');
    expect(await ask(bot.owner, '!invite cancel')).toContain('nothing was taken back');
  });

  test('an invitation ends with the admin who made it', async () => {
    const [adminKey] = [generateSecretKey()];
    const admin = await createOwner(bot.relay.url, bot.publicKey, adminKey);
    people.push(admin);
    const npub = nip19.npubEncode(getPublicKey(adminKey));
    await ask(bot.owner, `!owners add ${npub} admin`, /is an admin now/);
    const { text: code } = await admin.answer(await admin.send('!invite'), shown);
    await ask(bot.owner, `!owners add ${npub} member`, /is a member now/);
    const person = await newcomer();
    await person.send(code);
    await caughtUp(bot);
    expect(person.said).toEqual([]);
    expect(await ask(bot.owner, '!invite list')).toStartWith('No invitation');
  });
});

test('a code that was sent while the bot was dead lets in at the next start; one that expired does not', async () => {
  const bot = await startTestBot();
  const ada = await createOwner(bot.relay.url, bot.publicKey);
  const bob = await createOwner(bot.relay.url, bot.publicKey);
  try {
    const [good, old] = [await invite(bot), await invite(bot)];
    await bot.end('SIGKILL');
    const db = new Database(join(bot.home, 'bot.db'));
    db.query('UPDATE invites SET expires_at = ? WHERE id = 2').run(Date.now() - 1);
    db.close();
    const { id, wraps } = ada.wraps(good, 2);
    for (const wrap of wraps) await ada.publish(wrap);
    await bob.send(old);
    await bot.start();
    await ada.answer(id, /Welcome/);
    await caughtUp(bot);
    expect(bob.said).toEqual([]);
    await bot.end('SIGKILL');
    await bot.start();
    expect(await ask(ada, '!ping')).toStartWith('pong');
    await until(() => ada.texts().length === 2, 'one welcome and one pong');
  } finally {
    ada.close();
    bob.close();
    await bot.cleanUp();
  }
});

describe('what strangers cost', () => {
  const bot = createParty();
  const admin = createParty();
  const now = { ms: 0 };
  const db = openDatabase(':memory:', botMigrations);
  const clock = systemClock;
  const invites = createInviteStore(db, clock);
  const owners = createOwners(db, [{ publicKey: admin.publicKey, role: 'admin' }], clock);
  const { strangers } = createAdmission({
    ...{ invites, owners, log: silentLog, monotonic: () => now.ms },
    messenger: { send: () => [], react: () => {} },
    tell: () => {},
  });
  let opened = 0;
  const unwrap = createUnwrap({
    identity: bot,
    isOwner: (author) => owners.roleOf(author) !== undefined,
    strangers: {
      mayBeRead: (author) => {
        const may = strangers.mayBeRead(author);
        if (may) opened += 1;
        return may;
      },
      isInvited: strangers.isInvited,
    },
    clock,
  });
  const relay = 'wss://relay.example/' as RelayUrl;
  const knock = (text: string) => unwrap(forge(createParty(), bot.publicKey, text), relay);
  const stranger = { verdict: 'rejected', reason: 'stranger' } as const;
  const code = newInviteCode((count) => crypto.getRandomValues(new Uint8Array(count)));

  test('nothing of theirs is opened while no invitation is open', () => {
    expect(knock(code)).toEqual(stranger);
    expect(opened).toBe(0);
  });

  test('while one is, so many at once, and so many a second; then they are strangers again', () => {
    const invite = invites.add(code, admin.publicKey);
    for (let sent = 0; sent < 60; sent += 1) expect(knock('spam')).toEqual(stranger);
    expect(opened).toBe(50);
    expect(knock(code)).toEqual(stranger);
    now.ms += 1000;
    expect(knock(code)).toMatchObject({ verdict: 'message', message: { text: code } });
    for (let sent = 0; sent < 10; sent += 1) knock('spam');
    expect(opened).toBe(55);
    now.ms += 60_000;
    invites.cancel(invite.id);
    expect(knock(code)).toEqual(stranger);
    expect(opened).toBe(55);
  });

  test('whatever is wrong with what they send, they are strangers; a broken signature is one', () => {
    invites.add(
      newInviteCode((count) => crypto.getRandomValues(new Uint8Array(count))),
      admin.publicKey,
    );
    now.ms += 60_000;
    const sender = createParty();
    const wrong = [
      forge(sender, bot.publicKey, code, { rumor: { pubkey: admin.publicKey } }),
      forge(sender, bot.publicKey, code, { rumor: { created_at: nowSeconds() + 7200 } }),
      forge(sender, bot.publicKey, code, { rumor: { kind: 444 } }),
      forge(sender, bot.publicKey, code, { rumorJson: '{}' }),
      forge(sender, bot.publicKey, code, {
        rumor: {
          tags: [
            ['p', bot.publicKey],
            ['p', admin.publicKey],
          ],
        },
      }),
    ];
    for (const wrap of wrong) expect(unwrap(wrap, relay)).toEqual(stranger);
    const unsigned = forge(sender, bot.publicKey, code, { signedSeal: { sig: '00'.repeat(64) } });
    expect(unwrap(unsigned, relay)).toMatchObject({ reason: 'seal-signature' });
    const legacy = { ...forgeLegacy(sender, bot.publicKey, code), sig: '00'.repeat(64) };
    expect(unwrap(legacy, relay)).toMatchObject({ reason: 'signature' });
  });
});

test('a code is found in what people write around it, and nowhere else', () => {
  const code = newInviteCode(() => Uint8Array.from({ length: 20 }, (_, index) => index * 13));
  const text = showInviteCode(code);
  expect(text).toMatch(shown);
  for (const written of [text, text.toUpperCase(), code, text.replaceAll('-', ' '), `Code: ${text}.`]) {
    expect(findInviteCode(written)).toBe(code);
  }
  expect(findInviteCode(text.replaceAll('0', 'O').replaceAll('1', 'l'))).toBe(code);
  for (const none of [
    '',
    'hello',
    `x${text}`,
    `${text}1`,
    text.slice(0, -2),
    'u'.repeat(20),
    ' '.repeat(501) + text,
  ]) {
    expect(findInviteCode(none)).toBeUndefined();
  }
});
