import { hashToCurve } from '@cashu/cashu-ts';
import type { Clock } from '@nostr-dm-agent/kit/clock';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { z } from 'zod';
import { placeOf, secretColumns } from '../at-rest/secret-columns.ts';
import type { MintUrl, OperationId } from '../wallet-types.ts';
import {
  mintUrlSchema,
  operationIdSchema,
  type StoredProof,
  satSchema,
  storedProofSchema,
} from './stored-proof.ts';
import type { Store } from './wallet-database.ts';

/** Somebody else took one of these proofs between selection and reservation. Nothing was written. */
class ReservationRaceError extends Error {
  override readonly name = 'ReservationRaceError';
}

export type ProofState = 'ready' | 'reserved' | 'sent' | 'spent' | 'quarantined';
export type ProofTotal = {
  readonly mint: MintUrl;
  /** `unusable`: ready, but of a keyset that has ended (NUT-02) or that the mint knows no more. */
  readonly state: ProofState | 'unusable';
  readonly amount: Sat;
};
/** Proofs of a keyset that ends (ms), or has: ready ones, or those of tokens that nobody has claimed. */
export type Ending = {
  readonly held: 'ready' | 'sent';
  readonly mint: MintUrl;
  readonly keyset: string;
  readonly endsAt: number;
  readonly amount: Sat;
};

/** Our ecash. Everything that writes is to be called inside the transaction that it belongs to. */
export type Proofs = {
  /** What can be spent: of no keyset that has ended or is gone. */
  readonly ready: (mint: MintUrl) => readonly StoredProof[];
  /** What is in keysets that end before this moment (ms), or have. */
  readonly ending: (before: number) => readonly Ending[];
  readonly heldBy: (operation: OperationId, state: ProofState) => readonly StoredProof[];
  readonly all: (mint: MintUrl, state: Exclude<ProofState, 'spent'>) => readonly StoredProof[];
  readonly exists: (y: string) => boolean;
  /** A proof that is in this wallet: neither spent nor given away. */
  readonly isHere: (y: string) => boolean;
  /** The send operation whose unclaimed token has this proof. */
  readonly sentBySecret: (secret: string) => OperationId | undefined;
  readonly totals: () => readonly ProofTotal[];
  readonly total: (mint: MintUrl, state: ProofState) => Sat;
  /** ready -> reserved. @throws ReservationRaceError unless all of them were ready */
  readonly reserve: (proofs: readonly StoredProof[], operation: OperationId) => void;
  /** reserved -> ready, all that this operation holds. */
  readonly release: (operation: OperationId) => void;
  /** From whatever state -> spent. */
  readonly spend: (proofs: readonly StoredProof[], operation: OperationId) => void;
  readonly stillIn: (proofs: readonly StoredProof[], state: ProofState) => readonly StoredProof[];
  /** Those that are in `from` still; the others stay as they are. */
  readonly setStateFrom: (proofs: readonly StoredProof[], from: ProofState, to: ProofState) => void;
  /** Adds what is not there yet; what is there stays as it is. */
  readonly add: (
    mint: MintUrl,
    proofs: readonly StoredProof[],
    state: Exclude<ProofState, 'reserved'>,
    operation: OperationId | undefined,
  ) => void;
};

/** `Y` of a proof (NUT-00), hex: what the mint knows it by. */
export const yOf = (proof: { readonly secret: string }): string =>
  hashToCurve(new TextEncoder().encode(proof.secret)).toHex(true);

const proofRow = z.object({ y: z.string(), proof: z.string() });
const column = secretColumns.proof;
const totalRow = z
  .object({
    mint: mintUrlSchema,
    counts_as: z.enum(['ready', 'unusable', 'reserved', 'sent', 'spent', 'quarantined']),
    amount: satSchema,
  })
  .transform(({ counts_as: state, ...rest }) => ({ ...rest, state }));
const endingRow = z.object({
  held: z.enum(['ready', 'sent']),
  mint: mintUrlSchema,
  keyset: z.string(),
  endsAt: z.number(),
  amount: satSchema,
});

/** Spent ones are most, and in no index of states: SQLite takes `proofs_live` only where this stands. */
const live = "state <> 'spent'";
/** Of a keyset that has ended by `?1`, or that its mint knows no more. */
const unusable = `keyset IN (SELECT id FROM keysets WHERE ends_at <= ?1 OR gone_at IS NOT NULL)`;

export function createProofs({ db, atRest }: Store, clock: Clock): Proofs {
  const usable = db.query(
    `SELECT y, proof FROM proofs WHERE state = 'ready' AND ${live} AND mint = ?2 AND NOT ${unusable} ORDER BY amount`,
  );
  const endingSums = db.query(
    `SELECT state AS held, proofs.mint, keyset, ends_at AS endsAt, sum(amount) AS amount
     FROM proofs JOIN keysets ON keysets.id = keyset
     WHERE state IN ('ready', 'sent') AND ${live} AND ends_at <= ? GROUP BY keyset, state`,
  );
  const byState = db.query(
    `SELECT y, proof FROM proofs WHERE state = ? AND ${live} AND mint = ? ORDER BY amount`,
  );
  const byHolder = db.query('SELECT y, proof FROM proofs WHERE operation = ? AND state = ?');
  const sums = db.query(
    `SELECT mint, CASE WHEN state = 'ready' AND ${unusable} THEN 'unusable' ELSE state END AS counts_as,
       sum(amount) AS amount
     FROM (SELECT state, mint, keyset, sum(amount) AS amount FROM proofs WHERE ${live} GROUP BY state, mint, keyset)
     GROUP BY counts_as, mint`,
  );
  const take = db.query(
    "UPDATE proofs SET state = 'reserved', operation = ? WHERE y = ? AND state = 'ready'",
  );
  const free = db.query(
    "UPDATE proofs SET state = 'ready', operation = NULL WHERE operation = ? AND state = 'reserved'",
  );
  const spendOne = db.query("UPDATE proofs SET state = 'spent', operation = ? WHERE y = ?");
  const setOne = db.query('UPDATE proofs SET state = ? WHERE y = ? AND state = ?');
  const insert = db.query(
    `INSERT INTO proofs (y, mint, keyset, amount, proof, state, operation, origin, created_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (y) DO NOTHING`,
  );
  const inState = db.query('SELECT 1 FROM proofs WHERE y = ? AND state = ?');
  const any = db.query('SELECT 1 FROM proofs WHERE y = ?');
  const here = db.query("SELECT 1 FROM proofs WHERE y = ? AND state NOT IN ('sent', 'spent')");
  const sentOne = db.query<{ operation: string }, [string]>(
    "SELECT operation FROM proofs WHERE y = ? AND state = 'sent'",
  );
  const readAll = (rows: readonly unknown[]) =>
    rows.map((row) => {
      const { y, proof } = proofRow.parse(row);
      return storedProofSchema.parse(atRest.openJson(placeOf(column, y), proof));
    });
  const totals = () => sums.all(clock.now()).map((row) => totalRow.parse(row));
  return {
    ready: (mint) => readAll(usable.all(clock.now(), mint)),
    ending: (before) => endingSums.all(before).map((row) => endingRow.parse(row)),
    all: (mint, state) => readAll(byState.all(state, mint)),
    heldBy: (operation, state) => readAll(byHolder.all(operation, state)),
    exists: (y) => any.get(y) !== null,
    isHere: (y) => here.get(y) !== null,
    sentBySecret: (secret) => {
      const row = sentOne.get(yOf({ secret }));
      return row ? operationIdSchema.parse(row.operation) : undefined;
    },
    totals,
    total: (mint, state) => totals().find((t) => t.mint === mint && t.state === state)?.amount ?? sat(0),
    reserve(proofs, operation) {
      for (const proof of proofs) {
        if (take.run(operation, yOf(proof)).changes !== 1) throw new ReservationRaceError();
      }
    },
    release: (operation) => {
      free.run(operation);
    },
    spend(proofs, operation) {
      for (const proof of proofs) spendOne.run(operation, yOf(proof));
    },
    stillIn: (proofs, state) => proofs.filter((proof) => inState.get(yOf(proof), state) !== null),
    setStateFrom(proofs, from, to) {
      for (const proof of proofs) setOne.run(to, yOf(proof), from);
    },
    add(mint, proofs, state, operation) {
      const holder = state === 'sent' ? (operation ?? null) : null;
      for (const proof of proofs) {
        const y = yOf(proof);
        insert.run(
          y,
          mint,
          proof.id,
          proof.amount,
          atRest.sealJson(placeOf(column, y), proof),
          state,
          holder,
          operation ?? null,
          clock.now(),
        );
      }
    },
  };
}
