import { Database } from 'bun:sqlite';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { z } from 'zod';
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

const startTimeoutMs = 60_000;

export async function startNutshell(
  nutshell: Nutshell,
  feePpk: number,
  settings: NutshellSettings = {},
): Promise<NutshellMint> {
  const folder = mkdtempSync(join(tmpdir(), 'nutshell-'));
  const log = join(folder, 'mint.log');
  const seed = randomBytes(16).toString('hex');
  const fronts: MintFront[] = [];
  let port = 0;
  let child: Bun.Subprocess | undefined;

  const isUp = async (): Promise<boolean> => {
    try {
      return (await fetch(`http://127.0.0.1:${port}/v1/keysets`)).ok;
    } catch {
      // It does not listen yet.
      return false;
    }
  };
  const start = async (changed: NutshellSettings = {}): Promise<void> => {
    port = freePort();
    child = Bun.spawn([nutshell.mint], {
      cwd: folder,
      // Nothing of ours: no .env, no proxies, no home with settings in it.
      env: {
        PATH: process.env.PATH ?? '',
        HOME: folder,
        MINT_BACKEND_BOLT11_SAT: 'FakeWallet',
        MINT_PRIVATE_KEY: seed,
        MINT_LISTEN_HOST: '127.0.0.1',
        MINT_LISTEN_PORT: String(port),
        MINT_DATABASE: join(folder, 'books'),
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
      },
      stdout: Bun.file(log),
      stderr: Bun.file(log),
    });
    const own = child;
    await until(async () => own.exitCode !== null || (await isUp()), 'Nutshell answers', startTimeoutMs);
    if (own.exitCode !== null) throw new Error(`Nutshell did not start:\n${tail(log)}`);
  };
  const kill = async (): Promise<void> => {
    child?.kill('SIGKILL');
    await child?.exited;
  };
  // Whoever is ended in a hurry leaves nothing behind either.
  const onExit = (): void => {
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', onExit);

  try {
    await start();
  } catch (error) {
    await kill();
    throw error;
  }
  return {
    front() {
      const front = startMintFront(() => port);
      fronts.push(front);
      return front;
    },
    books: () => readBooks(join(folder, 'books', 'mint.sqlite3')),
    kill,
    start,
    freeSwaps() {
      const db = new Database(join(folder, 'books', 'mint.sqlite3'));
      try {
        return db.query('DELETE FROM proofs_pending WHERE melt_quote IS NULL').run().changes;
      } finally {
        db.close();
      }
    },
    async stop() {
      for (const front of fronts) await front.stop();
      await kill();
      process.off('exit', onExit);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function readBooks(path: string): NutshellBooks {
  const db = new Database(path, { readonly: true });
  try {
    const sum = (sql: string): number =>
      z.object({ n: z.number() }).parse(db.query(`SELECT coalesce((${sql}), 0) AS n`).get()).n;
    return {
      outstanding: sum('SELECT sum(balance) FROM balance'),
      issued: sum("SELECT sum(amount) FROM mint_quotes WHERE state = 'ISSUED'"),
      paidOut: sum("SELECT sum(amount + coalesce(fee_paid, 0)) FROM melt_quotes WHERE state = 'PAID'"),
      earned: sum('SELECT sum(fees_paid) FROM keysets'),
      pending: sum('SELECT count(*) FROM proofs_pending'),
    };
  } finally {
    db.close();
  }
}

/** Nobody listens there; another process could take it before the mint does, which would then not start. */
export function freePort(): number {
  const probe = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: () => undefined } });
  const { port } = probe;
  probe.stop(true);
  return port;
}

export const tail = (file: string): string => readFileSync(file, 'utf8').slice(-3000);
