import { expect, setDefaultTimeout, test } from 'bun:test';
import { relayWorld } from '@nostr-dm-agent/nostr/testing/relay-world';
import { createOutboxMessenger } from '../../src/app/outbox-messenger.ts';
import { createRests } from '../../src/store/rests-table.ts';
import { newIdentity, outboxWorld, recipientOf, textsFor } from '../support/outbox-world.ts';

setDefaultTimeout(40_000);

const foot = '— agent · 42 s · 5 steps';
const withoutNumber = (message: string) => message.replace(/^\(\d+\/\d+\)\n/, '');

test('of an endless answer ten messages come, what is left is offered, and nothing of it is lost', async () => {
  await using net = relayWorld();
  using world = outboxWorld();
  const [relay, owner] = [net.relay(), newIdentity()];
  const { outbox, db, signal } = world.live({ own: [relay.url] });
  const rests = createRests(db);
  const messenger = createOutboxMessenger(outbox, rests);
  const to = recipientOf(owner, []);
  const words = Array.from({ length: 12_000 }, (_, index) => `word${index}`);
  const heard = async () => {
    expect(await outbox.flush(20_000, signal)).toBe(true);
    return textsFor(owner, relay);
  };

  messenger.send(to, words.join(' '), { foot });
  const first = await heard();
  expect(first).toHaveLength(11);
  expect(first[10]).toMatch(
    /^… \d\d,\d{3} more characters\. !more lines sends the next part\.\n\n— agent · 42 s/,
  );

  const read = first.slice(0, 10);
  for (let rest = rests.take(owner.publicKey); rest !== undefined; rest = rests.take(owner.publicKey)) {
    const before = (await heard()).length;
    messenger.send(to, rest);
    read.push(...(await heard()).slice(before).filter((text) => !text.startsWith('…')));
  }
  expect(read.map(withoutNumber).join(' ').split(' ')).toEqual(words);
});

test('an answer that just fits is followed by its facts, and by no offer', async () => {
  await using net = relayWorld();
  using world = outboxWorld();
  const [relay, owner] = [net.relay(), newIdentity()];
  const { outbox, db, signal } = world.live({ own: [relay.url] });
  const rests = createRests(db);

  // So that the cut falls at every place around and in the foot.
  for (let length = 39_880; length <= 39_960; length += 16) {
    const before = textsFor(owner, relay).length;
    createOutboxMessenger(outbox, rests).send(recipientOf(owner, []), 'word '.repeat(length / 5), { foot });
    expect(await outbox.flush(20_000, signal)).toBe(true);
    const said = textsFor(owner, relay).slice(before);
    expect(said.map(withoutNumber).join(' ')).toEndWith(foot);
    expect(said.at(-1)?.startsWith('…') ?? true).toBe(rests.take(owner.publicKey) !== undefined);
  }
});

test('where files can be sent the whole comes as one, too, and a diff after its beginning; never by NIP-04, nor when it is short', async () => {
  await using net = relayWorld();
  using world = outboxWorld();
  const [relay, owner] = [net.relay(), newIdentity()];
  const { outbox, db, signal } = world.live({ own: [relay.url] });
  const rests = createRests(db);
  const files: { readonly name: string; readonly mime: string; readonly text: string }[] = [];
  const messenger = createOutboxMessenger(outbox, rests, undefined, {
    isFull: () => false,
    prepare: ({ name, bytes, type: { mime } }) => {
      const text = Buffer.from(bytes).toString();
      return { name, mime, size: bytes.length, send: () => void files.push({ name, mime, text }) };
    },
  });
  const to = recipientOf(owner, []);
  const long = 'word '.repeat(9_000);
  const diff = '+ a line that was added\n'.repeat(300);
  const whole = { name: 'changes.diff', text: diff, sooner: true } as const;
  messenger.send(to, long, { foot });
  messenger.send(to, `1 file\n\n${diff}`, { whole, foot });
  expect(files.splice(0)).toEqual([
    { name: 'reply.md', mime: 'text/markdown', text: long },
    { name: 'changes.diff', mime: 'text/x-diff', text: diff },
  ]);
  expect(await outbox.flush(20_000, signal)).toBe(true);
  const said = textsFor(owner, relay);
  expect(said[10]).toMatch(/All of it comes as a file, reply\.md; !more lines sends the next part as text\./);
  const [beginning = ''] = said.slice(11);
  expect(said).toHaveLength(12);
  expect(beginning).toStartWith('1 file\n\n+ a line');
  expect(beginning).toMatch(/added\n\n… \d,\d{3} more characters\. All of it comes as a file, changes\.diff/);
  expect(beginning).toEndWith(foot);
  const shown = beginning.split('\n\n…')[0] ?? '';
  expect(`${shown}\n${rests.take(owner.publicKey)}\n`).toBe(`1 file\n\n${diff}`);

  // One endless line is cut, though not within a character.
  for (const head of ['1 file\n\n+', '1 file\n\n++']) {
    messenger.send(to, head + '😀'.repeat(4_000), { whole });
    const rest = rests.take(owner.publicKey) ?? '';
    expect([rest.isWellFormed(), Math.round(rest.length / 100)]).toEqual([true, 48]);
  }
  files.splice(0);

  messenger.send(to, diff.slice(0, 2_000), { whole });
  messenger.send(to, long, { whole: 'none' });
  messenger.send({ ...to, protocol: 'nip04' }, long);
  messenger.send({ ...to, protocol: 'nip04' }, diff, {
    whole,
    beside: [{ send: () => files.push({ ...whole, mime: '' }) }],
  });
  expect(files).toEqual([]);
});

test('a word that no message can hold is named, and the rest arrives', async () => {
  await using net = relayWorld();
  using world = outboxWorld();
  const [relay, owner] = [net.relay(), newIdentity()];
  const { outbox, db, signal } = world.live({ own: [relay.url] });
  const messenger = createOutboxMessenger(outbox, createRests(db));

  messenger.send(recipientOf(owner, []), `Look: cashuB${'x'.repeat(30_000)} there`);
  expect(await outbox.flush(20_000, signal)).toBe(true);
  expect(textsFor(owner, relay)).toEqual(['Look: [left out: 30,006 characters without a space] there']);
});
