import { Database } from 'bun:sqlite';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createForeignServer, freePort, readForeignBooks } from './foreign-server.ts';
import { type MintFront, startMintFront } from './mint-front.ts';
import type { Nutshell } from './nutshell-install.ts';

/** Nutshell's own variables, e.g. `FAKEWALLET_PAY_INVOICE_STATE`. */
export type NutshellSettings = Readonly<Record<string, string>>;

/** What the mint's own database says, in sat. */
export type NutshellBooks = {
  /** Signed and not spent. */
  readonly outstanding: number;
  /** Paid in over Lightning and signed. */
  readonly issued: number;
  /** Paid out over Lightning, with what Lightning cost. */
  readonly paidOut: number;
  /** Input fees. */
  readonly earned: number;
  /** Proofs in the middle of something. */
  readonly pending: number;
};

/** A Nutshell mint in a process and a folder of its own. Its Lightning is FakeWallet. */
export type NutshellMint = {
  /** An address of its own for one wallet, with faults of its own. */
  readonly front: () => MintFront;
  readonly books: () => NutshellBooks;
  /** SIGKILL. */
  readonly kill: () => Promise<void>;
  /** Comes up with the same books, perhaps with other settings. */
  readonly start: (settings?: NutshellSettings) => Promise<void>;
  /**
   * What its operator has to do after it was killed in the middle of a swap: the proofs are `PENDING`, and Nutshell
   * itself never frees them. While it is down. Gives the number of proofs.
   */
  readonly freeSwaps: () => number;
  readonly stop: () => Promise<void>;
};

export async function startNutshell(
  nutshell: Nutshell,
  feePpk: number,
  settings: NutshellSettings = {},
): Promise<NutshellMint> {
  let port = 0;
  const server = createForeignServer('nutshell', () => `http://127.0.0.1:${port}/v1/keysets`, 60_000);
  const books = join(server.folder, 'books', 'mint.sqlite3');
  const seed = randomBytes(16).toString('hex');
  const fronts: MintFront[] = [];
  const start = (changed: NutshellSettings = {}): Promise<void> => {
    port = freePort();
    return server.start([nutshell.mint], {
      MINT_BACKEND_BOLT11_SAT: 'FakeWallet',
      MINT_PRIVATE_KEY: seed,
      MINT_LISTEN_HOST: '127.0.0.1',
      MINT_LISTEN_PORT: String(port),
      MINT_DATABASE: join(server.folder, 'books'),
      MINT_INPUT_FEE_PPK: String(feePpk),
      MINT_RATE_LIMIT: 'FALSE',
      // Default 10 s: how often the backend is asked about an invoice.
      MINT_QUOTE_BACKEND_CHECK_RATE_LIMIT: '1',
      FAKEWALLET_BALANCE_SAT: '100000000',
      FAKEWALLET_DELAY_INCOMING_PAYMENT: '0',
      FAKEWALLET_DELAY_OUTGOING_PAYMENT: '0',
      TOR: 'FALSE',
      ...settings,
      ...changed,
    });
  };
  try {
    await start();
  } catch (error) {
    await server.kill();
    throw error;
  }
  return {
    front() {
      const front = startMintFront(() => port);
      fronts.push(front);
      return front;
    },
    books: () => readBooks(books),
    kill: server.kill,
    start,
    freeSwaps() {
      const db = new Database(books);
      try {
        return db.query('DELETE FROM proofs_pending WHERE melt_quote IS NULL').run().changes;
      } finally {
        db.close();
      }
    },
    async stop() {
      for (const front of fronts) await front.stop();
      await server.stop();
    },
  };
}

const readBooks = (path: string): NutshellBooks =>
  readForeignBooks(path, (one) => ({
    outstanding: one('SELECT sum(balance) FROM balance'),
    issued: one("SELECT sum(amount) FROM mint_quotes WHERE state = 'ISSUED'"),
    paidOut: one("SELECT sum(amount + coalesce(fee_paid, 0)) FROM melt_quotes WHERE state = 'PAID'"),
    earned: one('SELECT sum(fees_paid) FROM keysets'),
    pending: one('SELECT count(*) FROM proofs_pending'),
  }));
