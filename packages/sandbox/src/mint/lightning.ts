import type { Database } from 'bun:sqlite';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Amount, type SerializedBlindedMessage, verifyMintQuoteSignature } from '@cashu/cashu-ts';
import { type Clock, unixSeconds } from '@nostr-dm-agent/kit/clock';
import { decode } from 'light-bolt11-decoder';
import { z } from 'zod';
import { encodeInvoice } from './bolt11.ts';
import { type Ledger, sumOf } from './mint-ledger.ts';
import { refusal } from './mint-refusals.ts';
import {
  type Input,
  type Output,
  outputSchema,
  type Signature,
  type SubscriptionKind,
  signatureSchema,
} from './mint-wire.ts';
import type { SandboxNetwork } from './network.ts';

/** How the invoices of this mint get paid: at once, a moment later, or when a test says so (or never). */
export type Incoming = 'at-once' | 'on-demand' | { readonly afterMs: number };

/** What becomes of payments to invoices from elsewhere. `pending`: until `settle` is called. */
export type Outgoing = 'paid' | 'pending' | 'failed';

/** The simulated Lightning side; a test changes it while the mint runs. */
export type LightningBehaviour = {
  incoming: Incoming;
  outgoing: Outgoing;
  /** What a payment over Lightning really costs, in sat; the rest of the reserve comes back (NUT-08). */
  routingFee: number;
  /** `fee_reserve` of a melt quote, in sat. */
  feeReserve: (amount: number) => number;
  invoiceExpirySeconds: number;
};

export type LightningParts = {
  readonly db: Database;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly behaviour: LightningBehaviour;
  readonly limits: { readonly min: number; readonly max: number };
  readonly change: boolean;
  readonly amountless: boolean;
  readonly rounding: 'up' | 'down';
  readonly onChange: (kind: SubscriptionKind, id: string) => void;
  /** Other mints that can be paid; undefined: payments to invoices from elsewhere arrive nowhere. */
  readonly network: SandboxNetwork | undefined;
};

export type Lightning = {
  readonly createMintQuote: (amount: number, pubkey: string | undefined, description: string) => MintQuote;
  readonly mintQuote: (id: string) => MintQuote;
  readonly mint: (
    id: string,
    outputs: readonly Output[],
    signature: string | undefined,
  ) => readonly Signature[];
  /** @param amountMsat for an invoice that names none */
  readonly createMeltQuote: (request: string, amountMsat?: number) => MeltQuote;
  readonly meltQuote: (id: string) => MeltQuote;
  readonly melt: (id: string, inputs: readonly Input[], outputs: readonly Output[]) => MeltQuote;
  /** Somebody pays the invoice of a mint quote, whether it has expired or not. */
  readonly pay: (id: string) => void;
  /** @throws MintRefusal 20000 */
  readonly quoteOf: (invoice: string) => string;
  /** @throws MintRefusal 20000 */
  readonly meltQuoteOf: (invoice: string) => string;
  /** Ends a pending payment. */
  readonly settle: (id: string, outcome: 'paid' | 'failed') => void;
  /** An invoice of somebody else's node, in sat (with a fraction, too). Undefined amount: the payer chooses. */
  readonly foreignInvoice: (amount: number | undefined, options?: ForeignInvoice) => string;
  readonly stop: () => void;
};

export type ForeignInvoice = {
  readonly network?: string;
  readonly expirySeconds?: number;
  /** Seconds since the invoice was made. */
  readonly age?: number;
  readonly description?: string | Uint8Array;
};

const mintQuoteRow = z.object({
  id: z.string(),
  amount: z.number(),
  request: z.string(),
  state: z.enum(['UNPAID', 'PAID', 'ISSUED']),
  pubkey: z.string().nullable(),
  expiry: z.number(),
});
const meltQuoteRow = z.object({
  id: z.string(),
  amount: z.number(),
  fee_reserve: z.number(),
  request: z.string(),
  state: z.enum(['UNPAID', 'PENDING', 'PAID']),
  expiry: z.number(),
  outputs: z.string().transform((text) => z.array(outputSchema).parse(JSON.parse(text))),
  change: z
    .string()
    .transform((text) => z.array(signatureSchema).parse(JSON.parse(text)))
    .nullable(),
  preimage: z.string().nullable(),
});
type MintQuoteRow = z.infer<typeof mintQuoteRow>;
type MeltQuoteRow = z.infer<typeof meltQuoteRow>;

/** NUT-04, NUT-23. */
const showMintQuote = (row: MintQuoteRow) => ({
  quote: row.id,
  request: row.request,
  amount: row.amount,
  unit: 'sat',
  state: row.state,
  expiry: row.expiry,
  ...(row.pubkey === null ? {} : { pubkey: row.pubkey }),
});
/** NUT-05, NUT-23. */
const showMeltQuote = (row: MeltQuoteRow) => ({
  quote: row.id,
  request: row.request,
  amount: row.amount,
  unit: 'sat',
  fee_reserve: row.fee_reserve,
  state: row.state,
  expiry: row.expiry,
  payment_preimage: row.preimage,
  ...(row.change === null ? {} : { change: row.change }),
});
export type MintQuote = ReturnType<typeof showMintQuote>;
export type MeltQuote = ReturnType<typeof showMeltQuote>;

/** Quotes and their payments: NUT-04, NUT-05, NUT-08 (change) and NUT-20 (locked quotes). */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a factory of short functions over one database; melt is one transaction
export function createLightning({
  db,
  ledger,
  clock,
  behaviour,
  limits,
  change: givesChange,
  amountless,
  rounding,
  onChange,
  network,
}: LightningParts): Lightning {
  const nodeKey = createHash('sha256').update('sandbox lightning node').digest();
  const timers = new Set<ReturnType<typeof setTimeout>>();

  const readMintQuote = (id: string): MintQuoteRow => {
    const row = db.query('SELECT * FROM mint_quotes WHERE id = ?').get(id);
    if (!row) throw refusal.quoteUnknown();
    return mintQuoteRow.parse(row);
  };
  const readMeltQuote = (id: string): MeltQuoteRow => {
    const row = db.query('SELECT * FROM melt_quotes WHERE id = ?').get(id);
    if (!row) throw refusal.quoteUnknown();
    return meltQuoteRow.parse(row);
  };
  const invoice = (amount: number | undefined, options: ForeignInvoice = {}): string =>
    encodeInvoice(
      {
        network: options.network ?? 'bcrt',
        amountMsat: amount === undefined ? undefined : BigInt(Math.round(amount * 1000)),
        timestamp: unixSeconds(clock) - (options.age ?? 0),
        paymentHash: randomBytes(32),
        paymentSecret: randomBytes(32),
        description: options.description ?? 'sandbox',
        expirySeconds: options.expirySeconds ?? behaviour.invoiceExpirySeconds,
      },
      nodeKey,
    );

  function pay(id: string): void {
    readMintQuote(id);
    db.query("UPDATE mint_quotes SET state = 'PAID' WHERE id = ? AND state = 'UNPAID'").run(id);
    onChange('bolt11_mint_quote', id);
  }

  function payLater(id: string, afterMs: number): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      pay(id);
    }, afterMs);
    timers.add(timer);
  }

  const ownRow = z.object({ id: z.string(), state: z.string() });
  const ownQuote = (request: string) => {
    const row = db.query('SELECT id, state FROM mint_quotes WHERE request = ?').get(request);
    return row === null ? undefined : ownRow.parse(row);
  };
  const leave = network?.join({
    owns: (request) => ownQuote(request) !== undefined,
    isPaid: (request) => ownQuote(request)?.state !== 'UNPAID',
    receive: (request) => {
      const quote = ownQuote(request);
      if (quote) pay(quote.id);
    },
  });

  /** Spends what the melt holds, signs the change onto the blank outputs (NUT-08) and keeps the rest. */
  function finish(quote: MeltQuoteRow, inputAmount: number, inputFee: number, lightningFee: number): void {
    const owed = inputAmount - inputFee - quote.amount - lightningFee;
    const change = powersOfTwo(givesChange ? owed : 0)
      .slice(0, quote.outputs.length)
      .flatMap((amount, i) => {
        const output = quote.outputs[i];
        return output ? [ledger.sign(output, amount)] : [];
      });
    db.query("UPDATE proofs SET state = 'SPENT' WHERE quote = ?").run(quote.id);
    ledger.earn(inputFee + owed - sumOf(change));
    db.query(
      "UPDATE melt_quotes SET state = 'PAID', change = ?, preimage = ?, fee_paid = ? WHERE id = ?",
    ).run(JSON.stringify(change), randomBytes(32).toString('hex'), lightningFee, quote.id);
    network?.payeeOf(quote.request)?.receive(quote.request);
  }

  const heldBy = (quote: string) =>
    db
      .query<{ amount: number; fee: number }, [string]>(
        `SELECT sum(p.amount) AS amount, (sum(k.fee_ppk) + 999) / 1000 AS fee
         FROM proofs p JOIN keysets k ON k.id = p.keyset WHERE p.quote = ?`,
      )
      .get(quote) ?? { amount: 0, fee: 0 };

  if (typeof behaviour.incoming === 'object') {
    for (const { id } of db
      .query<{ id: string }, []>("SELECT id FROM mint_quotes WHERE state = 'UNPAID'")
      .all()) {
      payLater(id, behaviour.incoming.afterMs);
    }
  }

  return {
    createMintQuote(amount, pubkey, description) {
      if (amount < limits.min || amount > limits.max) throw refusal.amountOutsideLimits();
      const id = randomUUID();
      db.query(
        "INSERT INTO mint_quotes (id, amount, request, state, pubkey, expiry) VALUES (?, ?, ?, 'UNPAID', ?, ?)",
      ).run(
        id,
        amount,
        invoice(amount, { description }),
        pubkey ?? null,
        unixSeconds(clock) + behaviour.invoiceExpirySeconds,
      );
      if (behaviour.incoming === 'at-once') pay(id);
      else if (behaviour.incoming !== 'on-demand') payLater(id, behaviour.incoming.afterMs);
      return showMintQuote(readMintQuote(id));
    },
    mintQuote: (id) => showMintQuote(readMintQuote(id)),
    mint: (id, outputs, signature) =>
      db.transaction(() => {
        const quote = readMintQuote(id);
        if (quote.state === 'UNPAID') throw refusal.quoteUnpaid();
        if (quote.state === 'ISSUED') throw refusal.quoteIssued();
        ledger.verifyOutputs(outputs);
        if (sumOf(outputs) !== quote.amount) throw refusal.unbalanced('outputs do not match the quote');
        const messages = outputs.map(
          (o): SerializedBlindedMessage => ({ ...o, amount: Amount.from(o.amount) }),
        );
        if (quote.pubkey !== null && !verifyMintQuoteSignature(quote.pubkey, id, messages, signature ?? '')) {
          throw refusal.quoteSignature();
        }
        db.query("UPDATE mint_quotes SET state = 'ISSUED' WHERE id = ?").run(id);
        onChange('bolt11_mint_quote', id);
        return outputs.map((output) => ledger.sign(output, output.amount));
      })(),
    createMeltQuote(request, amountMsat) {
      const { msat, expiry } = readInvoice(request, amountless ? amountMsat : undefined);
      const amount = rounding === 'up' ? Math.ceil(msat / 1000) : Math.floor(msat / 1000);
      if (amount < limits.min || amount > limits.max) throw refusal.amountOutsideLimits();
      if (expiry < unixSeconds(clock)) throw refusal.quoteExpired();
      const own = db.query('SELECT 1 FROM mint_quotes WHERE request = ?').get(request) !== null;
      const id = randomUUID();
      db.query(
        "INSERT INTO melt_quotes (id, amount, fee_reserve, request, state, expiry) VALUES (?, ?, ?, ?, 'UNPAID', ?)",
      ).run(
        id,
        amount,
        own ? 0 : behaviour.feeReserve(amount),
        request,
        Math.min(expiry, unixSeconds(clock) + behaviour.invoiceExpirySeconds),
      );
      return showMeltQuote(readMeltQuote(id));
    },
    meltQuote: (id) => showMeltQuote(readMeltQuote(id)),
    melt: (id, inputs, outputs) =>
      db.transaction(() => {
        const quote = { ...readMeltQuote(id), outputs: [...outputs] };
        if (quote.state === 'PAID') throw refusal.invoicePaid();
        if (quote.state === 'PENDING') throw refusal.quotePending();
        if (quote.expiry < unixSeconds(clock)) throw refusal.quoteExpired();
        if (
          db.query("SELECT 1 FROM melt_quotes WHERE request = ? AND state <> 'UNPAID'").get(quote.request)
        ) {
          throw refusal.invoicePaid();
        }
        ledger.verifyInputs(inputs, outputs, id);
        ledger.verifyOutputs(outputs);
        const fee = ledger.inputFee(inputs);
        if (sumOf(inputs) < quote.amount + quote.fee_reserve + fee) {
          throw refusal.unbalanced('inputs do not cover amount, fee reserve and input fees');
        }
        const own = db
          .query<{ id: string; state: string }, [string]>(
            'SELECT id, state FROM mint_quotes WHERE request = ?',
          )
          .get(quote.request);
        if (own && own.state !== 'UNPAID') throw refusal.invoicePaid();
        if (!own && network?.payeeOf(quote.request)?.isPaid(quote.request)) throw refusal.invoicePaid();
        if (!own && behaviour.outgoing === 'failed') throw refusal.lightningFailed();
        ledger.setState(inputs, 'PENDING', id);
        if (!own && behaviour.outgoing === 'pending') {
          db.query("UPDATE melt_quotes SET state = 'PENDING', outputs = ? WHERE id = ?").run(
            JSON.stringify(outputs),
            id,
          );
        } else {
          finish(quote, sumOf(inputs), fee, own ? 0 : Math.min(behaviour.routingFee, quote.fee_reserve));
          if (own) pay(own.id);
        }
        onChange('bolt11_melt_quote', id);
        return showMeltQuote(readMeltQuote(id));
      })(),
    pay,
    meltQuoteOf(request) {
      const row = db
        .query<{ id: string }, [string]>('SELECT id FROM melt_quotes WHERE request = ? ORDER BY rowid DESC')
        .get(request);
      if (!row) throw refusal.quoteUnknown();
      return row.id;
    },
    quoteOf(request) {
      const row = db
        .query<{ id: string }, [string]>('SELECT id FROM mint_quotes WHERE request = ?')
        .get(request);
      if (!row) throw refusal.quoteUnknown();
      return row.id;
    },
    settle: (id, outcome) =>
      db.transaction(() => {
        const quote = readMeltQuote(id);
        if (quote.state !== 'PENDING') throw refusal.badRequest('this payment is not pending');
        if (outcome === 'paid') {
          const held = heldBy(id);
          finish(quote, held.amount, held.fee, Math.min(behaviour.routingFee, quote.fee_reserve));
        } else {
          ledger.release(id);
          db.query("UPDATE melt_quotes SET state = 'UNPAID', outputs = '[]' WHERE id = ?").run(id);
        }
        onChange('bolt11_melt_quote', id);
      })(),
    foreignInvoice: invoice,
    stop() {
      leave?.();
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
    },
  };
}

function readInvoice(
  request: string,
  given: number | undefined,
): { readonly msat: number; readonly expiry: number } {
  try {
    const { sections, expiry } = decode(request);
    const msat = sections.find((s) => s.name === 'amount')?.value ?? given;
    if (msat === undefined) throw refusal.badRequest('Amountless invoices are not supported');
    const timestamp = sections.find((s) => s.name === 'timestamp')?.value ?? 0;
    // The decoder's `expiry` is in seconds from the timestamp, 3600 where the invoice says nothing (BOLT11).
    return { msat: Number(msat), expiry: timestamp + (expiry ?? 3600) };
  } catch (cause) {
    throw refusal.badRequest(cause instanceof Error ? cause.message : 'Invalid invoice');
  }
}

function powersOfTwo(amount: number): number[] {
  const powers: number[] = [];
  for (let power = 1; power <= amount; power *= 2)
    if (Math.floor(amount / power) % 2 === 1) powers.push(power);
  // Largest first, so that too few blank outputs lose the least.
  return powers.reverse();
}
