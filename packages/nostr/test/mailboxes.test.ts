import { afterEach, expect, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { createMailboxes, type MailboxesOptions } from '../src/mailbox/mailboxes.ts';
import {
  createParty,
  type Forgery,
  forge,
  forgeJunk,
  nowSeconds,
  type Party,
  plain,
} from './support/forge.ts';
import { silentLogger } from './support/relay-client.ts';
import { loopback, relayWorld } from './support/relay-world.ts';
import { createScriptedRelay } from './support/scripted-relay.ts';

const payer = createParty();
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** Mailboxes that are listened to, and what came. */
function start(options: Partial<MailboxesOptions> & Pick<MailboxesOptions, 'relays'>, boxes: Party[]) {
  const letters: string[] = [];
  const ending = new AbortController();
  cleanups.push(() => ending.abort());
  const mailboxes = createMailboxes({
    keys: () => boxes,
    since: () => Date.now(),
    onLetter: ({ content }) => {
      letters.push(content);
      return 'done';
    },
    log: silentLogger,
    ...options,
  });
  mailboxes.start(ending.signal);
  return { ...mailboxes, letters, stop: () => ending.abort() };
}
const settle = () => Bun.sleep(0).then(() => Bun.sleep(0));

test('a letter to one of the keys is read, and one subscription serves them all', async () => {
  const relay = createScriptedRelay('one');
  const boxes = [createParty(), createParty()];
  const running = start({ relays: [relay] }, boxes);
  for (const [i, { publicKey }] of boxes.entries()) relay.deliver(forge(payer, publicKey, `to ${i}`));
  await until(() => running.letters.length === 2, 'both letters');
  expect(running.letters.sort()).toEqual(['to 0', 'to 1']);
  expect(relay.subscriptions()).toBe(1);
  expect(relay.asked.at(-1)?.[0]?.['#p']).toEqual(boxes.map(({ publicKey }) => publicKey));
  expect(running.isServedBy(relay.url)).toBe(true);
});

test('without keys nobody is subscribed to; a new key is from its refresh on, and none when it is gone', async () => {
  const relay = createScriptedRelay('one');
  const boxes: Party[] = [];
  const running = start({ relays: [relay] }, boxes);
  expect(relay.subscriptions()).toBe(0);
  expect(running.isServedBy(relay.url)).toBeUndefined();
  const box = createParty();
  boxes.push(box);
  running.refresh();
  relay.deliver(forge(payer, box.publicKey, 'hello'));
  await until(() => running.letters.length === 1, 'the letter');
  running.refresh();
  expect(relay.asked).toHaveLength(1);
  boxes.pop();
  running.refresh();
  expect(relay.subscriptions()).toBe(0);
});

test('what was sent while nobody listened is found, as far back as was said, and three days for back-dating', async () => {
  const relay = createScriptedRelay('one');
  const box = createParty();
  const since = Date.now() - 8 * 86_400_000;
  const at = (days: number) => ({ wrap: { created_at: nowSeconds() - days * 86_400 } });
  relay.deliver(forge(payer, box.publicKey, 'ten days ago', at(10)));
  relay.deliver(forge(payer, box.publicKey, 'twelve days ago', at(12)));
  const running = start({ relays: [relay], since: () => since }, [box]);
  await until(() => running.letters.length > 0, 'the letter');
  expect(running.letters).toEqual(['ten days ago']);
});

test('each letter is read once: from two relays, after a reconnect; one with a broken signature does not keep it out', async () => {
  const [one, two] = [createScriptedRelay('one'), createScriptedRelay('two')];
  const box = createParty();
  const running = start({ relays: [one, two] }, [box]);
  const letter = forge(payer, box.publicKey, 'once');
  one.deliver({ ...letter, sig: '0'.repeat(128) });
  await settle();
  for (const relay of [one, two]) relay.deliver(letter);
  await until(() => running.letters.length > 0, 'the letter');
  one.disconnect();
  one.connect();
  one.deliver(letter, { store: false });
  await settle();
  expect(running.letters).toEqual(['once']);
});

const forgeries: readonly [string, Forgery][] = [
  ['another author in the rumor', { rumor: { pubkey: createParty().publicKey } }],
  ['a seal whose signature is broken', { signedSeal: { sig: '0'.repeat(128) } }],
  ['a seal of another', { signedSeal: { pubkey: createParty().publicKey } }],
  ['a seal of another kind', { seal: { kind: 14 } }],
  ['no seal', { sealJson: '"hello"' }],
  ['no rumor', { rumorJson: 'null' }],
  ['content that is no text', { rumor: { content: { proofs: [] } } }],
  ['a rumor that is no message', { rumor: { kind: 1 } }],
  ['a wrap that is none', { wrap: { kind: 1 } }],
];
test.each(forgeries)('%s is no letter', async (_, forgery) => {
  const relay = createScriptedRelay('one');
  const box = createParty();
  const running = start({ relays: [relay] }, [box]);
  relay.deliver(forge(payer, box.publicKey, 'forged', forgery));
  relay.deliver(forge(payer, box.publicKey, 'genuine'));
  await until(() => running.letters.includes('genuine'), 'the genuine one');
  expect(running.letters).toEqual(['genuine']);
});

test('money is forgiven what a command is not: no id, no p, a date that is wrong', async () => {
  const relay = createScriptedRelay('one');
  const box = createParty();
  const running = start({ relays: [relay] }, [box]);
  const lenient: Forgery[] = [
    { rumor: { id: undefined } },
    { rumor: { tags: [] } },
    { rumor: { created_at: nowSeconds() + 90 * 86_400 } },
  ];
  for (const [i, forgery] of lenient.entries()) relay.deliver(forge(payer, box.publicKey, `${i}`, forgery));
  await until(() => running.letters.length === 3, 'all of them');
});

test('a letter that there is no room for is asked for again', async () => {
  const relay = createScriptedRelay('one');
  const box = createParty();
  const told: string[] = [];
  let room = false;
  start(
    {
      relays: [relay],
      onLetter: ({ content }) => {
        if (!room) return 'later';
        told.push(content);
        return 'done';
      },
      limits: { askAgainMs: 0 },
    },
    [box],
  );
  relay.deliver(forge(payer, box.publicKey, 'patient'));
  await settle();
  room = true;
  await until(() => told.length > 0, 'the letter');
  expect(told).toEqual(['patient']);
});

test('a listener that fails loses no letter', async () => {
  const relay = createScriptedRelay('one');
  const box = createParty();
  const told: string[] = [];
  let broken = true;
  const onLetter: MailboxesOptions['onLetter'] = ({ content }) => {
    if (broken) throw new Error('the disk is full');
    told.push(content);
    return 'done';
  };
  start({ relays: [relay], onLetter, limits: { askAgainMs: 0 } }, [box]);
  relay.deliver(forge(payer, box.publicKey, 'kept'));
  await settle();
  broken = false;
  await until(() => told.length > 0, 'the letter');
});

test('a flood is read slowly, the newest first, and does not hold up the program', async () => {
  const relay = createScriptedRelay('one');
  const box = createParty();
  const junk = forgeJunk(box.publicKey, 3000);
  const running = start({ relays: [relay], limits: { junkBurst: 10, junkPerSecond: 5 } }, [box]);
  for (const wrap of junk) relay.deliver(wrap, { store: false });
  relay.deliver(forge(payer, box.publicKey, 'behind the flood'));
  const began = performance.now();
  await until(() => running.letters.length > 0, 'the letter');
  expect(running.letters).toEqual(['behind the flood']);
  // 3,000 would have taken ten minutes, and a second of this program's time.
  expect(performance.now() - began).toBeLessThan(5_000);
});

test('a relay that does not answer for these keys is known not to deliver, until it does', async () => {
  const relay = createScriptedRelay('one', true);
  const running = start({ relays: [relay], limits: { patienceMs: 0 } }, [createParty()]);
  relay.connect({ eose: false });
  await Bun.sleep(1);
  expect(running.isServedBy(relay.url)).toBe(false);
  relay.sendEose();
  expect(running.isServedBy(relay.url)).toBe(true);
});

test('over a socket: stored and live letters, with a relay’s restart between', async () => {
  await using world = relayWorld();
  const relay = world.relay();
  const connection = world.connect(loopback(relay.port));
  const box = createParty();
  relay.inject(plain(forge(payer, box.publicKey, 'stored')));
  const running = start({ relays: [connection] }, [box]);
  await until(() => running.letters.length === 1, 'the stored one');
  await until(() => running.isServedBy(connection.url) === true, 'it is served');
  relay.inject(plain(forge(payer, box.publicKey, 'live')));
  await until(() => running.letters.length === 2, 'the live one');
  running.stop();
  await until(() => relay.subscriptions().length === 0, 'the subscription being closed');
});
