/**
 * Gift wraps per second, ours against nostr-tools, then each piece that is written by hand, and what loading costs: in one
 * run, medians of rounds taken in turn, so that what else the machine does hits both. The ratios count; absolute numbers are
 * this machine's. `bun bench/unwrap.ts`
 */

import { systemClock } from '@nostr-dm-agent/kit/clock';
import type { NostrEvent, PublicKey, RelayUrl } from '@nostr-dm-agent/nostr';
import { createUnwrap, signEvent } from '@nostr-dm-agent/nostr';
import {
  eventHash,
  giftWrap,
  nip04,
  nip44,
  sharedX,
  verifyEvent,
} from '@nostr-dm-agent/nostr/testing/own-crypto';
import * as theirNip04 from 'nostr-tools/nip04';
import * as theirNip44 from 'nostr-tools/nip44';
import * as nip59 from 'nostr-tools/nip59';
import {
  finalizeEvent,
  generateSecretKey,
  getEventHash,
  getPublicKey,
  verifyEvent as theirVerifyEvent,
} from 'nostr-tools/pure';

const WRAPS = 200;
const ROUNDS = 9;

const secretKey = generateSecretKey();
const publicKey = getPublicKey(secretKey) as PublicKey;
const owners = Array.from({ length: 4 }, () => generateSecretKey());
const ownerKeys = new Set<string>(owners.map(getPublicKey));
const stranger = generateSecretKey();
const relay = 'wss://relay.example/' as RelayUrl;

const text =
  'please look into the failing test of the parser, fix it, and tell me what it was; thank you very much';
const wrapsFrom = (sender: (index: number) => Uint8Array): string[] =>
  Array.from({ length: WRAPS }, (_, index) => {
    const rumor = { kind: 14, tags: [['p', publicKey]], content: `${text} ${index}` };
    return JSON.stringify(nip59.wrapEvent(rumor, sender(index), publicKey));
  });
const fromOwners = wrapsFrom((index) => owners[index % owners.length] ?? stranger);
const fromStranger = wrapsFrom(() => stranger);

const options = {
  identity: { publicKey, secretKey },
  isOwner: (author: PublicKey) => ownerKeys.has(author),
  clock: systemClock,
};
const unwrap = createUnwrap(options);

const expectVerdict = (judged: ReturnType<typeof unwrap>, verdict: 'message' | 'rejected') => {
  if (judged.verdict !== verdict) throw new Error(`unexpected: ${JSON.stringify(judged)}`);
};

type Contender = { readonly wraps: readonly string[]; readonly open: (wrap: NostrEvent) => void };
const contenders = {
  'nostr-tools: verifyEvent + nip59.unwrapEvent': {
    wraps: fromOwners,
    open: (wrap) => {
      if (!theirVerifyEvent(wrap) || nip59.unwrapEvent(wrap, secretKey).content === '')
        throw new Error('unexpected');
    },
  },
  'ours, every check': { wraps: fromOwners, open: (wrap) => expectVerdict(unwrap(wrap, relay), 'message') },
  'ours, a stranger turned away': {
    wraps: fromStranger,
    open: (wrap) => expectVerdict(unwrap(wrap, relay), 'rejected'),
  },
} satisfies Record<string, Contender>;

/** Milliseconds per wrap. Parsed anew each time: nostr-tools marks events that it has verified. */
function round({ wraps, open }: Contender): number {
  const parsed = wraps.map((wrap): NostrEvent => JSON.parse(wrap));
  const start = performance.now();
  for (const wrap of parsed) open(wrap);
  return (performance.now() - start) / wraps.length;
}

const times = new Map<string, number[]>();
for (let index = 0; index <= ROUNDS; index += 1)
  for (const [name, contender] of Object.entries(contenders)) {
    const time = round(contender);
    // The first round warms up.
    if (index > 0) times.set(name, [...(times.get(name) ?? []), time]);
  }

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const reference = median([...times.values()][0] ?? []);
for (const [name, values] of times) {
  const ms = median(values);
  console.log(
    `${name.padEnd(66)} ${(1000 / ms).toFixed(0).padStart(6)} /s  ${ms.toFixed(3)} ms  ${(reference / ms).toFixed(1).padStart(5)}x`,
  );
}

/** Both do the same work: what is ours, what is theirs. */
type Piece = { readonly ours: () => unknown; readonly theirs: () => unknown };
const me = owners[0] ?? stranger;
const identity = { secretKey: me, publicKey: getPublicKey(me) as PublicKey };
const [known, secret] = [nip44.conversationKey(me, publicKey), sharedX(me, publicKey)];
const wrap: NostrEvent = JSON.parse(fromOwners[0] ?? '');
const template = () => ({ kind: 1059, created_at: 1, tags: wrap.tags, content: wrap.content });
const rumor = { kind: 14, created_at: 1, tags: [['p', publicKey]], content: text };
const [payload, legacy] = [
  nip44.encrypt(JSON.stringify(wrap).slice(0, 1000), known),
  nip04.encrypt(text, secret),
];
const pieces: Readonly<Record<string, Piece>> = {
  'event hash': { ours: () => eventHash(wrap), theirs: () => getEventHash(wrap) },
  // A copy: nostr-tools marks events that it has verified.
  'event verified': { ours: () => verifyEvent({ ...wrap }), theirs: () => theirVerifyEvent({ ...wrap }) },
  'event signed': { ours: () => signEvent(template(), me), theirs: () => finalizeEvent(template(), me) },
  'NIP-44 conversation key (ECDH)': {
    ours: () => nip44.conversationKey(me, publicKey),
    theirs: () => theirNip44.getConversationKey(me, publicKey),
  },
  'NIP-44 encrypted, key known': {
    ours: () => nip44.encrypt(text, known),
    theirs: () => theirNip44.encrypt(text, known),
  },
  'NIP-44 decrypted, key known': {
    ours: () => nip44.decrypt(payload, known),
    theirs: () => theirNip44.decrypt(payload, known),
  },
  'NIP-04 encrypted, secret known': {
    ours: () => nip04.encrypt(text, secret),
    theirs: () => theirNip04.encrypt(me, publicKey, text),
  },
  'NIP-04 decrypted, secret known': {
    ours: () => nip04.decrypt(legacy, secret),
    theirs: () => theirNip04.decrypt(me, publicKey, legacy),
  },
  'gift wrap made': {
    ours: () => giftWrap(rumor, { from: identity, to: publicKey, clock: systemClock, random: Math.random }),
    theirs: () => nip59.wrapEvent(rumor, me, publicKey),
  },
};
const each = (work: () => unknown): number => {
  const start = performance.now();
  for (let index = 0; index < WRAPS / 2; index += 1) work();
  return ((performance.now() - start) / (WRAPS / 2)) * 1000;
};
const row = (name: string, ours: number, theirs: number, unit: string): void =>
  console.log(
    `${name.padEnd(40)} ${ours.toFixed(1).padStart(8)} ${unit}  ${theirs.toFixed(1).padStart(8)} ${unit}  ${(theirs / ours).toFixed(1).padStart(6)}x`,
  );

console.log('\neach piece: ours, nostr-tools, ratio');
for (const [name, { ours, theirs }] of Object.entries(pieces)) {
  const rounds = Array.from({ length: ROUNDS + 1 }, () => [each(ours), each(theirs)] as const).slice(1);
  row(name, median(rounds.map(([own]) => own)), median(rounds.map(([, other]) => other)), 'µs');
}

/** Milliseconds to load modules in a process of its own, without starting it. */
async function loading(modules: readonly string[]): Promise<number> {
  const code = `const start = performance.now(); ${modules.map((name) => `await import('${name}');`).join(' ')} console.log(performance.now() - start)`;
  const child = Bun.spawn([process.execPath, '-e', code], { cwd: import.meta.dir, stdout: 'pipe' });
  return Number(await new Response(child.stdout).text());
}
const own = ['tiny-secp256k1', '@noble/ciphers/chacha.js'];
const loads: (readonly [number, number])[] = [];
for (let index = 0; index < ROUNDS; index += 1) {
  loads.push([await loading(own), await loading([...own, 'nostr-tools/nip44'])]);
}
row(
  'loaded at start; theirs on top',
  median(loads.map(([mine]) => mine)),
  median(loads.map(([, more]) => more)),
  'ms',
);
