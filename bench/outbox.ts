// How long from `send()` to the EVENT frame at the relay, against nostr-tools' nip17.wrapEvent + SimplePool.publish in
// the same process, one after the other, so that both meet the same machine. The relay is a bare server on loopback that
// says OK to everything: checking events as a relay does would take longer than what is measured.
// Ours also stores the message on disk (synchronous=FULL) before it is published; nostr-tools stores nothing.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { Recipient } from '@nostr-dm-agent/nostr';
import {
  createOutbox,
  createRelayLists,
  createRelays,
  generateSecretKey,
  parseRelayUrl,
  publicKeyOf,
  signEvent,
} from '@nostr-dm-agent/nostr';
import { wrapEvent } from 'nostr-tools/nip17';
import { SimplePool } from 'nostr-tools/pool';
import { z } from 'zod';
import { botMigrations } from '../src/store/bot-schema.ts';
import { createOutboxStore } from '../src/store/outbox-table.ts';
import { createRelayListStore } from '../src/store/relay-lists-table.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 300);
const WARM_UP = 30;
const text = 'All tests pass now. '.repeat(20);

const idOf = z.looseObject({ id: z.string() });
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
const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  fetch: (request, self) => (self.upgrade(request) ? undefined : new Response('', { status: 426 })),
  websocket: {
    message: (socket, frame) => {
      const [type, first]: unknown[] = JSON.parse(String(frame));
      if (type === 'REQ') socket.send(JSON.stringify(['EOSE', first]));
      if (type !== 'EVENT') return;
      onEvent();
      socket.send(JSON.stringify(['OK', idOf.parse(first).id, true, '']));
    },
  },
});
const relayUrl = parseRelayUrl(`ws://127.0.0.1:${server.port}`);
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
  ...{ clock, random, log: log, own: [relayUrl] },
  sign: async (template) => signEvent(template, secretKey),
});
const lists = createRelayLists({ relays, indexers: [], store: createRelayListStore(db), clock, log, signal });
const outbox = createOutbox({ identity, relays, lists, store: createOutboxStore(db), clock, random, log });
outbox.start(signal);
await lists.lookUp(owner);
const to: Recipient = { publicKey: owner, protocol: 'nip17', fallbackRelays: [relayUrl] };

const pool = new SimplePool();
await pool.ensureRelay(relayUrl);

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
  const published = pool.publish([relayUrl], wrapEvent(secretKey, { publicKey: owner, relayUrl }, text));
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
await server.stop(true);
