import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { z } from 'zod';
import { createForeignServer, freePort, readForeignBooks } from './foreign-server.ts';
import { type MintFront, startMintFront } from './mint-front.ts';

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
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = createForeignServer('cdk-mintd', () => `${url}/v1/keysets`, 30_000);
  const [work, toml] = [join(server.folder, 'mint'), join(server.folder, 'mint.toml')];
  mkdirSync(work);
  writeFileSync(toml, configuration(port, feePpk));
  const environment = { CDK_MINTD_MNEMONIC: generateMnemonic(wordlist, 128) };
  const start = (): Promise<void> => server.start([binary, '-w', work], environment);
  const made = server.spawn(
    [binary, '-w', work, 'config', 'init', '--file', toml, '--new-mint'],
    environment,
  );
  if ((await made.exited) !== 0) throw new Error(`cdk-mintd takes no configuration:\n${server.log()}`);
  await start();
  const info = z.object({ version: z.string() });
  const { version } = info.parse(await (await fetch(`${url}/v1/info`)).json());
  const front = startMintFront(() => port);
  return {
    front,
    version,
    books: () => readBooks(join(work, 'cdk-mintd.sqlite')),
    kill: server.kill,
    start,
    async stop() {
      await front.stop();
      await server.stop();
    },
  };
}

const readBooks = (path: string): CdkBooks =>
  readForeignBooks(path, (one) => ({
    outstanding: one('SELECT sum(total_issued) - sum(total_redeemed) FROM keyset_amounts'),
    paidIn: one('SELECT sum(amount_paid) FROM mint_quote'),
    issued: one('SELECT sum(amount_issued) FROM mint_quote'),
    paidOut: one(
      "SELECT sum(payment_amount + payment_fee) FROM completed_operations WHERE operation_kind = 'melt'",
    ),
    earned: one('SELECT sum(fee_collected) FROM keyset_amounts'),
    pending: one("SELECT count(*) FROM proof WHERE state = 'PENDING'"),
  }));
