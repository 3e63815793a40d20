import type { Database } from 'bun:sqlite';
import { createNewMintKeys, deserializeMintKeys, serializeMintKeys } from '@cashu/cashu-ts';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { z } from 'zod';
import { publicKeyOf } from './blind-signature.ts';
import { refusal } from './mint-refusals.ts';

/** `00`: NUT-02's first keyset ids; `01`: the second, which commit to unit, fee and expiry. */
export type KeysetVersion = '00' | '01';

export type MintKeyset = {
  readonly id: string;
  readonly active: boolean;
  /** Input fee in parts per thousand of a sat for each input. */
  readonly feePpk: number;
  /** NUT-02, in Unix seconds. */
  readonly finalExpiry?: number;
  /** Decimal amount -> private key. */
  readonly privateKeys: Readonly<Record<string, Uint8Array>>;
  /** Decimal amount -> compressed public key, hex. */
  readonly publicKeys: Readonly<Record<string, string>>;
};

export type Keysets = {
  readonly all: () => readonly MintKeyset[];
  /** @throws MintRefusal 12001 */
  readonly get: (id: string) => MintKeyset;
  /** The same, unless it has ended. @throws MintRefusal 12001, 12003 */
  readonly live: (id: string) => MintKeyset;
  /** A new active keyset; those before it become inactive. */
  readonly rotate: (feePpk: number, version: KeysetVersion) => MintKeyset;
  /** Another fee for those that are there. Ids of version `01` commit to theirs: they would be wrong. */
  readonly changeFee: (feePpk: number) => void;
  /** All that are there end then, until the mint is restarted. For version `00`: ids of `01` commit to it. */
  readonly endAt: (finalExpiry: number) => void;
  /** Knows this one no more (12001), though it is listed. */
  readonly loseKeys: (id: string) => void;
};

const rowSchema = z.object({
  id: z.string(),
  active: z.number().transform((n) => n === 1),
  fee_ppk: z.number(),
  private_keys: z.string().transform((text) => z.record(z.string(), z.string()).parse(JSON.parse(text))),
});

/** The mint's keysets (NUT-01, NUT-02), in the given database. */
export function createKeysets(db: Database, clock: Clock): Keysets {
  const keysets = new Map<string, MintKeyset>();
  const lost = new Set<string>();
  const remember = (id: string, active: boolean, feePpk: number, privateKeys: Record<string, Uint8Array>) => {
    const publicKeys = serializeMintKeys(
      Object.fromEntries(Object.entries(privateKeys).map(([amount, key]) => [amount, publicKeyOf(key)])),
    );
    const keyset: MintKeyset = { id, active, feePpk, privateKeys, publicKeys };
    keysets.set(id, keyset);
    return keyset;
  };
  for (const raw of db.query('SELECT * FROM keysets ORDER BY rowid').all()) {
    const row = rowSchema.parse(raw);
    remember(row.id, row.active, row.fee_ppk, deserializeMintKeys(row.private_keys));
  }

  const get = (id: string): MintKeyset => {
    const keyset = keysets.get(id);
    if (!keyset || lost.has(id)) throw refusal.keysetUnknown();
    return keyset;
  };
  return {
    all: () => [...keysets.values()],
    get,
    live(id) {
      const keyset = get(id);
      if ((keyset.finalExpiry ?? Number.POSITIVE_INFINITY) * 1000 <= clock.now()) throw refusal.keysetEnded();
      return keyset;
    },
    endAt(finalExpiry) {
      for (const [id, keyset] of keysets) keysets.set(id, { ...keyset, finalExpiry });
    },
    changeFee(feePpk) {
      db.query('UPDATE keysets SET fee_ppk = ?').run(feePpk);
      for (const [id, keyset] of keysets) keysets.set(id, { ...keyset, feePpk });
    },
    loseKeys: (id) => lost.add(id),
    rotate(feePpk, version) {
      const pair = createNewMintKeys(32, undefined, {
        input_fee_ppk: feePpk,
        unit: 'sat',
        versionByte: version === '00' ? 0 : 1,
      });
      db.transaction(() => {
        db.exec('UPDATE keysets SET active = 0');
        db.query('INSERT INTO keysets (id, active, fee_ppk, private_keys) VALUES (?, 1, ?, ?)').run(
          pair.keysetId,
          feePpk,
          JSON.stringify(serializeMintKeys(pair.privKeys)),
        );
      })();
      for (const [id, keyset] of keysets) keysets.set(id, { ...keyset, active: false });
      return remember(pair.keysetId, true, feePpk, pair.privKeys);
    },
  };
}
