import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getEncodedToken, type P2PKOptions, type Proof, Wallet } from '@cashu/cashu-ts';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { sat } from '@nostr-dm-agent/kit/sat';
import { type SandboxMint, type SandboxMintOptions, startSandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { generateMnemonic, mnemonicToSeedSync } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { type CashuWalletOptions, openCashuWallet } from '../../src/cashu-wallet.ts';
import { readMnemonic } from '../../src/crypto/seed.ts';
import type { CashuWallet } from '../../src/faces.ts';
import { readMintUrl } from '../../src/mints/mint-list.ts';

export const quiet: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => quiet,
};

export const newWords = (): string => generateMnemonic(wordlist, 128);

/** A signal that ends a test that hangs. */
export const soon = (): AbortSignal => AbortSignal.timeout(60_000);

export type OpenOptions = Partial<Omit<CashuWalletOptions, 'seed' | 'defaultMint'>> & {
  readonly words: string;
};

/** Any mint: the sandbox's, or one that is not ours. */
export type MintAddress = Pick<SandboxMint, 'url'>;

/** The wallet under test, with short waits. */
export function openWallet(
  mint: MintAddress,
  options: OpenOptions & { readonly directory: string },
): CashuWallet {
  const { words, ...rest } = options;
  return openCashuWallet({
    seed: readMnemonic(words),
    defaultMint: readMintUrl(mint.url),
    mints: [],
    maxBalance: sat(1_000_000),
    network: undefined,
    log: quiet,
    limits: { timeoutMs: 20_000, meltTimeoutMs: 20_000 },
    ...rest,
    policy: { settleAfterMs: -1, ...rest.policy },
  });
}

/** Mints, folders and wallets of one test, ended by `end`. */
export function createBench() {
  const ends: (() => unknown)[] = [];
  const folder = (): string => {
    const path = mkdtempSync(join(tmpdir(), 'wallet-'));
    ends.push(() => rmSync(path, { recursive: true, force: true }));
    return path;
  };
  return {
    folder,
    mint(options?: SandboxMintOptions): SandboxMint {
      const mint = startSandboxMint(options);
      ends.push(() => mint.stop());
      return mint;
    },
    /** Another address of a mint, as a proxy is one. */
    door(mint: MintAddress): string {
      const server = Bun.serve({
        hostname: '127.0.0.1',
        port: 0,
        fetch: (request) => {
          const { pathname, search } = new URL(request.url);
          return fetch(new Request(`${mint.url}${pathname}${search}`, request));
        },
      });
      ends.push(() => server.stop(true));
      return `http://127.0.0.1:${server.port}`;
    },
    wallet(mint: MintAddress, options: Partial<OpenOptions> = {}): CashuWallet {
      const wallet = openWallet(mint, { words: newWords(), directory: folder(), ...options });
      let open = true;
      ends.push(() => open && wallet.close());
      return {
        ...wallet,
        close() {
          open = false;
          wallet.close();
        },
      };
    },
    async end(): Promise<void> {
      for (const end of ends.splice(0).reverse()) await end();
    },
  };
}
export type Bench = ReturnType<typeof createBench>;

/** Fills the wallet through a Lightning invoice. */
export async function fund(wallet: CashuWallet, amount: number): Promise<void> {
  const { operation } = await wallet.topUp({ amount: sat(amount) }, soon());
  const state = await wallet.watchTopUp(operation, soon());
  if (state !== 'paid') throw new Error(`the top-up is ${state}`);
}

/** Somebody else with a wallet of their own (cashu-ts alone). */
export async function stranger(mint: MintAddress) {
  const wallet = new Wallet(mint.url, { bip39seed: new Uint8Array(randomBytes(64)) });
  await wallet.loadMint();
  const proofs = async (amount: number): Promise<Proof[]> => {
    const quote = await wallet.createMintQuoteBolt11(amount);
    return wallet.mintProofsBolt11(amount, quote.quote);
  };
  return {
    wallet,
    proofs,
    async token(amount: number, lock?: P2PKOptions): Promise<string> {
      const minted = await proofs(amount + 10);
      const sending = wallet.ops.send(amount, minted);
      const { send } = await (lock ? sending.asP2PK(lock) : sending).run();
      return getEncodedToken({ mint: mint.url, proofs: send, unit: 'sat' });
    },
    async redeem(token: string): Promise<number> {
      const got = await wallet.receive(token);
      return got.reduce((sum, proof) => sum + proof.amount.toNumber(), 0);
    },
  };
}

/** The same money in another text. */
export async function rewritten(mint: MintAddress, token: string): Promise<string> {
  const { wallet } = await stranger(mint);
  const proofs = wallet.decodeToken(token).proofs.toReversed();
  return getEncodedToken({ mint: mint.url, proofs, unit: 'sat', memo: 'once more' });
}

/** What somebody who has the words, and nothing else, finds unspent at the mint. Independent of the wallet under test. */
export async function balanceFromWords(mint: SandboxMint, words: string, gap = 20): Promise<number> {
  const wallet = new Wallet(mint.url, { bip39seed: new Uint8Array(mnemonicToSeedSync(words)) });
  await wallet.loadMint();
  let total = 0;
  for (const { id } of mint.keysets()) {
    const { proofs } = await wallet.batchRestore(gap, gap, 0, id);
    for (const proof of proofs) {
      if (mint.stateOfSecret(proof.secret) === 'UNSPENT') total += proof.amount.toNumber();
    }
  }
  return total;
}

export const count = (mint: SandboxMint, path: string): number =>
  mint.requests.filter((request) => request.endsWith(` ${path}`)).length;

/** A wallet's words and folder, and the mint that it is at: what its lives have in common. */
export type Life = { readonly mint: SandboxMint; readonly words: string; readonly directory: string };

/** For stories in which a wallet is opened again, or twice. */
export const createLives = (bench: ReturnType<typeof createBench>) => ({
  /** At a mint that repeats no answer. */
  begin: (options: Parameters<typeof bench.mint>[0] = {}): Life => ({
    mint: bench.mint({ cache: false, ...options }),
    words: newWords(),
    directory: bench.folder(),
  }),
  open: ({ mint, ...options }: Life): CashuWallet => bench.wallet(mint, options),
});
