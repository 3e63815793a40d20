import { setImmediate as nextRound } from 'node:timers/promises';
import type { UnsignedEvent } from '../event.ts';

/** More than this is not done: each bit doubles the work, and 20 are some ten seconds of one core. */
export const MOST_POW_BITS = 20;
/** How long is hashed at a stretch, ms: messages and meters go on meanwhile. */
const SLICE_MS = 6;
const PER_LOOK = 64;

/** Leading zero bits of an id (NIP-13), hex. */
export function powOf(id: string): number {
  const zeros = /^0*/.exec(id)?.[0].length ?? 0;
  const digit = id[zeros];
  return 4 * zeros + (digit === undefined ? 0 : Math.clz32(Number.parseInt(digit, 16)) - 28);
}

/**
 * Adds a `nonce` tag with which the id of an event begins with so many zero bits (NIP-13), in slices between which
 * everything else goes on.
 * @returns undefined when that is more than {@link MOST_POW_BITS}, or not found before the signal aborts
 */
export async function withWork<Event extends UnsignedEvent>(
  event: Event,
  bits: number,
  signal: AbortSignal,
): Promise<Event | undefined> {
  if (bits > MOST_POW_BITS) return undefined;
  const tags = event.tags.filter(([name]) => name !== 'nonce');
  const target = `${bits}`;
  const { pubkey, created_at, kind, content } = event;
  // NIP-01's serialisation, around the nonce.
  const head = JSON.stringify([0, pubkey, created_at, kind, [...tags, ['nonce']]]).slice(0, -3);
  const before = new Bun.CryptoHasher('sha256').update(`${head},"`);
  const behind = `","${target}"]],${JSON.stringify(content)}]`;
  for (let nonce = 0; !signal.aborted; ) {
    const end = performance.now() + SLICE_MS;
    do {
      for (let step = 0; step < PER_LOOK; step++, nonce++) {
        const id = before.copy().update(`${nonce}${behind}`).digest('hex');
        if (powOf(id) >= bits) return { ...event, tags: [...tags, ['nonce', `${nonce}`, target]] };
      }
    } while (performance.now() < end);
    await nextRound();
  }
  return undefined;
}
