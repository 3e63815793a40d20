import { Database } from 'bun:sqlite';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { generateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { z } from 'zod';
import { type MintFront, startMintFront } from './mint-front.ts';
import { freePort, tail } from './nutshell.ts';

/** What the mint's own database says, in sat. */
export type CdkBooks = {
  /** Signed and not spent. */
  readonly outstanding: number;
  /** Paid in over Lightning, and signed. */
  readonly paidIn: number;
  readonly issued: number;
  /** Paid out over Lightning, with what Lightning cost. */
  readonly paidOut: number;
  /** Input fees. */
  readonly earned: number;
  /** Proofs in the middle of something. */
  readonly pending: number;
};

/** A cdk-mintd in a process and a folder of its own. Its Lightning is CDK's fake wallet. */
export type CdkMint = {
  readonly front: MintFront;
  readonly version: string;
  readonly books: () => CdkBooks;
  /** SIGKILL. */
  readonly kill: () => Promise<void>;
  /** Comes up with the same books. */
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

const configuration = (port: number, feePpk: number): string => `
[info]
url = "http://127.0.0.1:${port}/"
listen_host = "127.0.0.1"
listen_port = ${port}
mnemonic = "env:CDK_MINTD_MNEMONIC"
input_fee_ppk = ${feePpk}
[database]
engine = "sqlite"
[payment_backend]
backend = "fakewallet"
[fake_wallet]
supported_units = ["sat"]
fee_percent = 0.02
reserve_fee_min = 2
min_delay_time = 0
max_delay_time = 0
`;

/** @param binary cdk-mintd 0.18, the features `fakewallet` and `sqlite` */
export async function startCdkMintd(binary: string, feePpk: number): Promise<CdkMint> {
  const folder = mkdtempSync(join(tmpdir(), 'cdk-mintd-'));
  const [work, toml, log] = [join(folder, 'mint'), join(folder, 'mint.toml'), join(folder, 'mint.log')];
  mkdirSync(work);
  const port = freePort();
  writeFileSync(toml, configuration(port, feePpk));
  const spawn = (...args: readonly string[]): Bun.Subprocess =>
    Bun.spawn([binary, '-w', work, ...args], {
      cwd: folder,
      env: { PATH: process.env.PATH ?? '', HOME: folder, CDK_MINTD_MNEMONIC: words },
      stdout: Bun.file(log),
      stderr: Bun.file(log),
    });
  const words = generateMnemonic(wordlist, 128);
  let child: Bun.Subprocess | undefined;
  const isUp = async (): Promise<boolean> => {
    try {
      return (await fetch(`http://127.0.0.1:${port}/v1/keysets`)).ok;
    } catch {
      // It does not listen yet.
      return false;
    }
  };
  const start = async (): Promise<void> => {
    const own = spawn();
    child = own;
    await until(async () => own.exitCode !== null || (await isUp()), 'cdk-mintd answers', 30_000);
    if (own.exitCode !== null) throw new Error(`cdk-mintd did not start:\n${tail(log)}`);
  };
  const kill = async (): Promise<void> => {
    child?.kill('SIGKILL');
    await child?.exited;
  };
  const onExit = (): void => {
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', onExit);
  const made = await spawn('config', 'init', '--file', toml, '--new-mint').exited;
  if (made !== 0) throw new Error(`cdk-mintd takes no configuration:\n${tail(log)}`);
  await start();
  const info = z.object({ version: z.string() });
  const { version } = info.parse(await (await fetch(`http://127.0.0.1:${port}/v1/info`)).json());
  const front = startMintFront(() => port);
  return {
    front,
    version,
    books: () => readBooks(join(work, 'cdk-mintd.sqlite')),
    kill,
    start,
    async stop() {
      await front.stop();
      await kill();
      process.off('exit', onExit);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function readBooks(path: string): CdkBooks {
  const db = new Database(path, { readonly: true });
  try {
    const sum = (sql: string): number =>
      z.object({ n: z.number() }).parse(db.query(`SELECT coalesce((${sql}), 0) AS n`).get()).n;
    return {
      outstanding: sum('SELECT sum(total_issued) - sum(total_redeemed) FROM keyset_amounts'),
      paidIn: sum('SELECT sum(amount_paid) FROM mint_quote'),
      issued: sum('SELECT sum(amount_issued) FROM mint_quote'),
      paidOut: sum(
        "SELECT sum(payment_amount + payment_fee) FROM completed_operations WHERE operation_kind = 'melt'",
      ),
      earned: sum('SELECT sum(fee_collected) FROM keyset_amounts'),
      pending: sum("SELECT count(*) FROM proof WHERE state = 'PENDING'"),
    };
  } finally {
    db.close();
  }
}
