/**
 * Gift wraps per second, ours against nostr-tools, in one run: medians of rounds taken in turn, so that what else the
 * machine does hits both. Prints ratios; absolute numbers are this machine's. `bun bench/unwrap.ts`
 */

import type { NostrEvent, PublicKey, RelayUrl } from '@nostr-dm-agent/nostr';
import { createUnwrap } from '@nostr-dm-agent/nostr';
import * as nip59 from 'nostr-tools/nip59';
import { generateSecretKey, getPublicKey, verifyEvent } from 'nostr-tools/pure';

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
  clock: { now: () => Date.now() },
};
const unwrap = createUnwrap(options);
const unwrapUnverified = createUnwrap({ ...options, verifyWrapSignature: false });

const expectVerdict = (judged: ReturnType<typeof unwrap>, verdict: 'message' | 'rejected') => {
  if (judged.verdict !== verdict) throw new Error(`unexpected: ${JSON.stringify(judged)}`);
};

type Contender = { readonly wraps: readonly string[]; readonly open: (wrap: NostrEvent) => void };
const contenders = {
  'nostr-tools: verifyEvent + nip59.unwrapEvent': {
    wraps: fromOwners,
    open: (wrap) => {
      if (!verifyEvent(wrap) || nip59.unwrapEvent(wrap, secretKey).content === '')
        throw new Error('unexpected');
    },
  },
  'ours, every check': { wraps: fromOwners, open: (wrap) => expectVerdict(unwrap(wrap, relay), 'message') },
  'ours, signature of the wrap not verified': {
    wraps: fromOwners,
    open: (wrap) => expectVerdict(unwrapUnverified(wrap, relay), 'message'),
  },
  'ours, a stranger turned away': {
    wraps: fromStranger,
    open: (wrap) => expectVerdict(unwrap(wrap, relay), 'rejected'),
  },
  'ours, a stranger turned away, signature of the wrap not verified': {
    wraps: fromStranger,
    open: (wrap) => expectVerdict(unwrapUnverified(wrap, relay), 'rejected'),
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
