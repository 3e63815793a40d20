import type { Database } from 'bun:sqlite';
import {
  Amount,
  getSecretKind,
  getTagScalar,
  isHTLCSpendAuthorised,
  isP2PKSpendAuthorised,
  type Proof,
} from '@cashu/cashu-ts';
import { isSigned, signBlinded, yOf } from './blind-signature.ts';
import type { Keysets } from './keysets.ts';
import { refusal } from './mint-refusals.ts';
import { type Input, type Output, type Signature, signatureSchema } from './mint-wire.ts';

export type ProofState = 'UNSPENT' | 'PENDING' | 'SPENT';

/**
 * What the mint signed and what came back to it: blind signatures (NUT-00), swaps with fees (NUT-02, 03), states
 * (NUT-07), restore (NUT-09), spending conditions (NUT-11, 14) and DLEQ proofs (NUT-12). Nothing here begins a
 * transaction of its own but `swap`: its callers know what belongs together.
 */
export type Ledger = {
  readonly verifyInputs: (inputs: readonly Input[], outputs: readonly Output[], quote?: string) => void;
  readonly verifyOutputs: (outputs: readonly Output[]) => void;
  readonly inputFee: (inputs: readonly Input[]) => number;
  readonly sign: (output: Output, amount: number) => Signature;
  readonly setState: (inputs: readonly Input[], state: 'PENDING' | 'SPENT', quote?: string) => void;
  readonly release: (quote: string) => void;
  readonly earn: (amount: number) => void;
  readonly swap: (inputs: readonly Input[], outputs: readonly Output[]) => readonly Signature[];
  readonly stateOf: (y: string) => { readonly state: ProofState; readonly witness: string | null };
  readonly restore: (outputs: readonly Output[]) => {
    readonly outputs: readonly Output[];
    readonly signatures: readonly Signature[];
  };
};

export const sumOf = (items: readonly { readonly amount: number }[]): number =>
  items.reduce((sum, item) => sum + item.amount, 0);

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions over one database
export function createLedger(db: Database, keysets: Keysets, maxInputs: number): Ledger {
  const findProof = db.query<{ state: 'PENDING' | 'SPENT'; witness: string | null }, [string]>(
    'SELECT state, witness FROM proofs WHERE y = ?',
  );
  const findSignature = db.query<{ signature: string }, [string]>(
    'SELECT signature FROM signatures WHERE blinded = ?',
  );

  function verifySpendingConditions(
    inputs: readonly Input[],
    outputs: readonly Output[],
    quote: string,
  ): void {
    const proofs = inputs.map((input): Proof => {
      const { witness, ...rest } = input;
      return { ...rest, amount: Amount.from(input.amount), ...(witness === undefined ? {} : { witness }) };
    });
    const whole = proofs.some(({ secret }) => signsAll(secret));
    if (whole && !proofs.every(({ secret }) => signsAll(secret))) {
      throw refusal.witnessMissing('inputs that want SIG_ALL do not mix with others');
    }
    const message = whole ? sigAllMessage(inputs, outputs) + quote : undefined;
    // With SIG_ALL the one signature stands in the first input's witness.
    for (const proof of whole ? proofs.slice(0, 1) : proofs) {
      const kind = conditionOf(proof.secret);
      if (kind === 'P2PK' && !isP2PKSpendAuthorised(proof, undefined, message)) {
        throw refusal.witnessMissing('no valid signature provided for the P2PK lock');
      }
      if (kind === 'HTLC' && !isHTLCSpendAuthorised(proof, undefined, message)) {
        throw refusal.witnessMissing('no valid preimage or signature provided for the hash lock');
      }
    }
  }

  const ledger: Ledger = {
    verifyInputs(inputs, outputs, quote = '') {
      if (inputs.length > maxInputs) throw refusal.tooManyInputs();
      if (new Set(inputs.map((i) => i.secret)).size !== inputs.length) throw refusal.duplicateInputs();
      for (const input of inputs) {
        const state = findProof.get(yOf(input.secret))?.state;
        if (state === 'PENDING') throw refusal.proofPending();
        if (state === 'SPENT') throw refusal.proofSpent();
        const key = keysets.live(input.id).privateKeys[String(input.amount)];
        if (!key || !isSigned(input.secret, input.C, key)) throw refusal.proofInvalid();
      }
      verifySpendingConditions(inputs, outputs, quote);
    },
    verifyOutputs(outputs) {
      if (outputs.length > maxInputs) throw refusal.tooManyOutputs();
      if (new Set(outputs.map((o) => o.B_)).size !== outputs.length) throw refusal.duplicateOutputs();
      for (const output of outputs) {
        if (!keysets.live(output.id).active) throw refusal.keysetInactive();
        if (findSignature.get(output.B_)) throw refusal.outputsSigned();
      }
    },
    inputFee: (inputs) => Math.ceil(inputs.reduce((sum, i) => sum + keysets.get(i.id).feePpk, 0) / 1000),
    sign(output, amount) {
      const key = keysets.get(output.id).privateKeys[String(amount)];
      if (!key) throw refusal.amountOutsideLimits();
      const signature: Signature = { id: output.id, amount, ...signBlinded(output.B_, key) };
      db.query('INSERT INTO signatures (blinded, keyset, amount, signature) VALUES (?, ?, ?, ?)').run(
        output.B_,
        output.id,
        amount,
        JSON.stringify(signature),
      );
      return signature;
    },
    setState(inputs, state, quote) {
      const put = db.query(
        `INSERT INTO proofs (y, keyset, amount, state, witness, quote) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (y) DO UPDATE SET state = excluded.state`,
      );
      for (const input of inputs) {
        put.run(yOf(input.secret), input.id, input.amount, state, input.witness ?? null, quote ?? null);
      }
    },
    release: (quote) => {
      db.query("DELETE FROM proofs WHERE quote = ? AND state = 'PENDING'").run(quote);
    },
    earn: (amount) => {
      if (amount > 0) db.query('INSERT INTO earnings (amount) VALUES (?)').run(amount);
    },
    swap: (inputs, outputs) =>
      db.transaction(() => {
        ledger.verifyInputs(inputs, outputs);
        ledger.verifyOutputs(outputs);
        const fee = ledger.inputFee(inputs);
        if (sumOf(inputs) - fee !== sumOf(outputs)) {
          throw refusal.unbalanced(`inputs ${sumOf(inputs)} - fees ${fee} != outputs ${sumOf(outputs)}`);
        }
        ledger.setState(inputs, 'SPENT');
        ledger.earn(fee);
        return outputs.map((output) => ledger.sign(output, output.amount));
      })(),
    stateOf(y) {
      const row = findProof.get(y);
      return { state: row?.state ?? 'UNSPENT', witness: row?.witness ?? null };
    },
    restore(outputs) {
      const found = outputs.flatMap((output) => {
        const row = findSignature.get(output.B_);
        return row ? [{ output, signature: signatureSchema.parse(JSON.parse(row.signature)) }] : [];
      });
      return {
        outputs: found.map(({ output, signature }) => ({ ...output, amount: signature.amount })),
        signatures: found.map(({ signature }) => signature),
      };
    },
  };
  return ledger;
}

/** The kind of a NUT-10 secret; undefined for a plain one. */
function conditionOf(secret: string): string | undefined {
  if (!secret.startsWith('[')) return undefined;
  try {
    return getSecretKind(secret);
  } catch (cause) {
    throw refusal.badRequest(`malformed well-known secret: ${cause instanceof Error ? cause.message : ''}`);
  }
}

/** Whether a P2PK or HTLC secret wants one signature over the whole transaction (NUT-11, `SIG_ALL`). */
function signsAll(secret: string): boolean {
  return conditionOf(secret) !== undefined && (getTagScalar(secret, 'sigflag') ?? '') === 'SIG_ALL';
}

function sigAllMessage(inputs: readonly Input[], outputs: readonly Output[]): string {
  return [...inputs.map((i) => i.secret + i.C), ...outputs.map((o) => o.amount + o.B_)].join('');
}
