// How long from `send()` to the EVENT frame at the relay, against nostr-tools' nip17.wrapEvent + SimplePool.publish in
// the same process, one after the other, so that both meet the same machine. The relay is the sandbox's, on loopback.
// Ours also stores the message on disk (synchronous=FULL) before it is published; nostr-tools stores nothing.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wrapEvent } from 'nostr-tools/nip17';
import { SimplePool } from 'nostr-tools/pool';
import { systemClock } from '../src/clock.ts';
import { openDatabase } from '../src/db/open.ts';
import { createOutboxStore } from '../src/db/outbox.ts';
import { createRelayListStore } from '../src/db/relay-lists.ts';
import { botMigrations } from '../src/db/schema.ts';
import type { Logger } from '../src/log.ts';
import { generateSecretKey, publicKeyOf, signEvent } from '../src/nostr/event.ts';
import { createOutbox } from '../src/nostr/outbox.ts';
import { createRelayLists } from '../src/nostr/relay-lists.ts';
import { createRelays } from '../src/nostr/relays.ts';
import type { Recipient } from '../src/nostr/types.ts';
import { startSandboxRelay } from '../src/sandbox/relay.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 300);
const WARM_UP = 30;
const text = 'All tests pass now. '.repeat(20);

const quiet = () => {};
const log: Logger = {
  debug: quiet,
  info: quiet,
  warn: console.error,
  error: console.error,
  child: () => log,
};
const secretKey = generateSecretKey();
const identity = { secretKey, publicKey: publicKeyOf(secretKey) };
const owner = publicKeyOf(generateSecretKey());

let onEvent: () => void = quiet;
const relay = startSandboxRelay({ onMessage: ([type]) => void (type === 'EVENT' && onEvent()) });
const arrival = () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  onEvent = () => resolve(performance.now());
  return promise;
};

const folder = mkdtempSync(join(tmpdir(), 'bench-outbox-'));
const db = openDatabase(join(folder, 'bot.db'), botMigrations);
const ending = new AbortController();
const { signal } = ending;
const clock = systemClock;
const random = Math.random;
const relays = createRelays({
  ...{ clock, random, logger: log, own: [relay.url] },
  sign: async (template) => signEvent(template, secretKey),
});
const lists = createRelayLists({ relays, indexers: [], store: createRelayListStore(db), clock, log, signal });
const outbox = createOutbox({ identity, relays, lists, store: createOutboxStore(db), clock, random, log });
outbox.start(signal);
await lists.lookUp(owner);
const to: Recipient = { publicKey: owner, protocol: 'nip17', fallbackRelays: [relay.url] };

const pool = new SimplePool();
await pool.ensureRelay(relay.url);

type Sample = { readonly returned: number; readonly arrived: number };

async function ours(): Promise<Sample> {
  const arrived = arrival();
  const started = performance.now();
  outbox.send(to, text);
  const returned = performance.now() - started;
  const sample = { returned, arrived: (await arrived) - started };
  await outbox.flush(10_000, signal);
  return sample;
}

async function theirs(): Promise<Sample> {
  const arrived = arrival();
  const started = performance.now();
  const published = pool.publish(
    [relay.url],
    wrapEvent(secretKey, { publicKey: owner, relayUrl: relay.url }, text),
  );
  const returned = performance.now() - started;
  const sample = { returned, arrived: (await arrived) - started };
  await Promise.all(published);
  return sample;
}

const samples = { ours: [] as Sample[], theirs: [] as Sample[] };
for (let round = -WARM_UP; round < ROUNDS; round++) {
  const [own, other] = [await ours(), await theirs()];
  if (round < 0) continue;
  samples.ours.push(own);
  samples.theirs.push(other);
}

const at = (values: readonly number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * share)]?.toFixed(2);
const summary = (taken: readonly Sample[]) => ({
  'at the relay, median ms': at(
    taken.map(({ arrived }) => arrived),
    0.5,
  ),
  '95 % ms': at(
    taken.map(({ arrived }) => arrived),
    0.95,
  ),
  'call returned, median ms': at(
    taken.map(({ returned }) => returned),
    0.5,
  ),
});
console.log(`one DM of ${text.length} characters, ${ROUNDS} rounds each`);
console.table({
  'outbox.send (stored on disk)': summary(samples.ours),
  'nostr-tools 2.25.2': summary(samples.theirs),
});

ending.abort();
pool.destroy();
relays.close();
db.close();
rmSync(folder, { recursive: true, force: true });
await relay.stop();
