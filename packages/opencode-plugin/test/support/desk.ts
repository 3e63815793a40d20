import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFileIfThere } from '@nostr-dm-agent/kit/files';
import { openWalletSession, type WalletSession } from '@nostr-dm-agent/routstr/remote';
import { startSandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { startModel } from '@nostr-dm-agent/sandbox/model';
import { startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import { openFilledWallet } from '@nostr-dm-agent/sandbox/testing/filled-wallet';
import { z } from 'zod';
import { silent } from '../../src/wallet-access.ts';
import { findWallet, wallet } from '../../src/wallet-place.ts';
import { startInTerminal, type TerminalSession } from './terminal.ts';

export const opencode = join(import.meta.dir, '../../../../node_modules/opencode-ai/bin/opencode.exe');
export const pluginFolder = join(import.meta.dir, '../..');

/** A mint, a node with a model behind it, and somebody who has ecash. */
export async function startTown() {
  const mint = startSandboxMint({ feePpk: 100, incoming: 'at-once' });
  const model = startModel();
  const node = startSandboxNode({ mints: [mint.url], upstream: { baseUrl: model.url, model: 'tiny' } });
  const friend = await openFilledWallet(mint.url, 50_000);
  // Invoices are paid when a story says so.
  mint.lightning.incoming = 'on-demand';
  return {
    mint,
    node,
    model,
    friend,
    url: `${node.url}/v1`,
    /**
     * What left the friend and no mint took is in the wallet, or held by the node, whose books agree.
     * @param ready what is in the wallet
     */
    missing: (ready: number): number => {
      const { minted, melted, earned, balanced } = mint.audit();
      const audit = node.audit();
      const held = Object.values(audit.heldSat).reduce((sum, amount) => sum + amount, 0);
      if (!balanced || !audit.balanced) throw new Error('a mint or node has lost its balance');
      return minted - melted - earned - friend.balance() - held - ready;
    },
    /** What a person does who scans the code. */
    pay: (invoice: string) => mint.pay(mint.quoteOf(invoice)),
    stop: async () => {
      await node.stop();
      await model.stop();
      await mint.stop();
    },
  };
}
export type Town = Awaited<ReturnType<typeof startTown>>;

const authSchema = z.record(
  z.string(),
  z.object({
    type: z.literal('api'),
    key: z.string(),
    metadata: z.record(z.string(), z.string()).optional(),
  }),
);

/** A checkout may have a bot's `.env`; these homes are of people who have none. */
const nowhere = { env: '/nowhere/.env' };

const labels = {
  token: 'Paste a Cashu token',
  wallet: 'From the local wallet',
  invoice: 'Lightning invoice',
} as const;
type Size = { readonly columns?: number; readonly rows?: number };
type Login = keyof typeof labels;

/** A fresh home of somebody who sits at a desk, and their opencode. */
export function createDesk(town: { readonly url: string; readonly mint: { readonly url: string } }) {
  const home = mkdtempSync(join(tmpdir(), 'opencode-desk-'));
  const work = join(home, 'work');
  mkdirSync(work);
  const config = join(home, '.config/opencode');
  // opencode fetches its plugin's types with the first start; here there is no registry.
  mkdirSync(join(config, 'node_modules'), { recursive: true });
  writeFileSync(
    join(config, 'package-lock.json'),
    JSON.stringify({ packages: { '': { dependencies: { '@opencode-ai/plugin': '1.18.33' } } } }),
  );
  const catalogue = join(home, 'models.json');
  writeFileSync(catalogue, '{}');
  const env: Record<string, string> = {
    PATH: process.env.PATH ?? '',
    HOME: home,
    PWD: work,
    LANG: 'C.UTF-8',
    CASHU_MINT_URL: town.mint.url,
    OPENCODE_DISABLE_MODELS_FETCH: '1',
    OPENCODE_MODELS_PATH: catalogue,
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
    OPENCODE_DISABLE_PROJECT_CONFIG: '1',
  };
  const running = new Set<TerminalSession>();
  const run = (args: readonly string[], size: Size = {}): TerminalSession => {
    const session = startInTerminal([opencode, ...args], { cwd: work, env, ...size });
    running.add(session);
    return session;
  };
  return {
    home,
    env,
    run,
    /** The one command of the documentation. */
    install: () => run(['plugin', pluginFolder, '--global']),
    configure: (options: object) => {
      const file = join(config, 'opencode.json');
      writeFileSync(file, JSON.stringify({ plugin: [[pluginFolder, options]] }));
      rmSync(join(config, 'opencode.jsonc'), { force: true });
    },
    login: async (method: Login, typed: string, size: Size = {}): Promise<TerminalSession> => {
      const session = run(['auth', 'login', '--provider', 'routstr', '--method', labels[method]], size);
      await session.answer('Node', town.url);
      await session.answer(method === 'token' ? 'Cashu token' : 'How many sat?', typed);
      return session;
    },
    /** What opencode has stored. */
    auth: () =>
      authSchema.parse(JSON.parse(readFileIfThere(join(home, '.local/share/opencode/auth.json')) ?? '{}')),
    /** The wallet of this home, from beside opencode. */
    withWallet: async <T>(work: (session: WalletSession) => Promise<T>): Promise<T> => {
      const { home: botHome, wallet: config } = wallet(env, nowhere);
      const session = openWalletSession({ home: botHome, wallet: config }, silent);
      try {
        return await work(session);
      } finally {
        await session.close();
      }
    },
    /** Its words, if it has any. */
    words: () => findWallet(env, nowhere).place?.wallet.mnemonic,
    /** The files of this home that hold a text, whatever they are. */
    filesWith: (text: string): readonly string[] => {
      const bytes = Buffer.from(text);
      return readdirSync(home, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .filter((file) => readFileSync(file).includes(bytes));
    },
    end: async () => {
      for (const session of running) await session.kill();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
export type Desk = ReturnType<typeof createDesk>;
