import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createWallet } from '@nostr-dm-agent/cashu-wallet/open';
import { fund, newWords } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { type Clock, systemClock } from '@nostr-dm-agent/kit/clock';
import { sat } from '@nostr-dm-agent/kit/sat';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import {
  createOutbox,
  createRelayLists,
  createRelays,
  type EventId,
  generateSecretKey,
  type PublicKey,
  publicKeyOf,
  signEvent,
} from '@nostr-dm-agent/nostr';
import { parseNodeUrl } from '@nostr-dm-agent/routstr';
import { createPaidRunStore } from '@nostr-dm-agent/routstr/books';
import { startSandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { createOutboxMessenger } from '../../src/app/outbox-messenger.ts';
import type { AgentResult, Backend } from '../../src/backends/backend.ts';
import { noResults } from '../../src/files/result-files.ts';
import { createAsks } from '../../src/runs/asks.ts';
import type { Messenger } from '../../src/runs/messenger.ts';
import type { Provider } from '../../src/runs/provider.ts';
import { createRunBoard } from '../../src/runs/run-board.ts';
import type { RunDeps } from '../../src/runs/run-deps.ts';
import { createRunQueue } from '../../src/runs/run-queue.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';
import { storesIn } from '../../src/store/open-stores.ts';
import { createOutboxStore } from '../../src/store/outbox-table.ts';
import { createRelayListStore } from '../../src/store/relay-lists-table.ts';
import type { BareRelay } from './bare-relay.ts';

const quiet = { debug() {}, info() {}, warn: console.error, error: console.error, child: () => quiet };

/** Of so many runs, one is paid at the mint: a token is made, and its change comes back. The others' books are kept alike. */
const atMintEvery = 50;

/**
 * The bot's own queue, outbox, stores, wallet and books in one process, at a clock that is set by hand. What it works with is
 * not there: an agent is a promise that somebody else resolves, a relay takes everything.
 */
export async function createWorld(
  relay: BareRelay,
  options: { readonly clock: Clock; readonly concurrency: number; readonly random: () => number },
) {
  const { clock, random } = options;
  const folder = mkdtempSync(join(tmpdir(), 'bench-scale-'));
  const db = openDatabase(join(folder, 'bot.db'), botMigrations);
  const stores = storesIn(db, [], { clock, random });
  const messages = createMessageStore(db, clock);
  const ending = new AbortController();
  const secretKey = generateSecretKey();
  const relays = createRelays({
    ...{ clock: systemClock, random, log: quiet, own: [relay.url] },
    sign: async (template) => signEvent(template, secretKey),
  });
  const lists = createRelayLists({
    ...{ relays, indexers: [], store: createRelayListStore(db), clock, log: quiet, signal: ending.signal },
  });
  const outbox = createOutbox({
    ...{ identity: { secretKey, publicKey: publicKeyOf(secretKey) }, relays, lists },
    ...{ store: createOutboxStore(db), clock, random, log: quiet },
  });
  outbox.start(ending.signal);
  const messenger = createOutboxMessenger(outbox, stores.rests);

  const mint = startSandboxMint();
  const words = newWords();
  const wallet = createWallet(
    { mnemonic: words, mintUrl: mint.url, mints: [], directory: folder, maxBalance: sat(100_000_000) },
    { log: quiet, clock },
  );
  await fund(wallet, 50_000);
  const books = createPaidRunStore(wallet, clock);
  let paidAtMint = 0;
  const provider = payingProvider(wallet, books, () => {
    paidAtMint += 1;
    return paidAtMint % atMintEvery === 0;
  });

  const agents = new Map<string, (result: AgentResult) => void>();
  const deps = runDeps({ stores, messenger, provider, agents, clock });
  const queue = createRunQueue(deps, options.concurrency);
  const sizeOf = (file: string) => statSync(join(folder, file)).size;
  return {
    ...{ stores, messages, outbox, messenger, wallet, books, queue, mint, db },
    /** Runs whose agent works. */
    working: () => [...agents.keys()],
    end: (runId: string) => agents.get(runId)?.(answered),
    bytes: () => ({ bot: sizeOf('bot.db'), wallet: sizeOf(wallet.info().file.slice(folder.length + 1)) }),
    close: async () => {
      await queue.close();
      ending.abort();
      relays.close();
      wallet.close();
      db.close();
      await mint.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
export type World = Awaited<ReturnType<typeof createWorld>>;

const answered: AgentResult = {
  outcome: 'answered',
  answer: 'Done: the parser reads empty lines, and there is a test for it. '.repeat(8),
  failure: undefined,
  backendSession: 'ses_1',
  steps: 5,
  tools: { edit: 2, bash: 1 },
  tokens: { input: 9_000, output: 800, reasoning: 0, cacheRead: 0, cacheWrite: 0 },
  model: 'anthropic/claude-sonnet-4',
  unknownEvents: 0,
  limits: [],
  newGit: [],
};

/** A run's books as they are kept at a node, without the node: every state on disk as `routstr` writes it. */
function payingProvider(
  wallet: ReturnType<typeof createWallet>,
  books: ReturnType<typeof createPaidRunStore>,
  isAtMint: () => boolean,
): Provider {
  const node = parseNodeUrl('http://127.0.0.1:1/v1');
  const [out, spent, fee] = [sat(2000), sat(138), sat(0)];
  const tokens = new Map<string, string>();
  return {
    name: 'routstr',
    prepareRun: async ({ runId, owner, sessionId, task, model }, signal) => {
      if (isAtMint()) {
        const { operation } = await wallet.send({ amount: out, key: runId }, signal);
        tokens.set(runId, wallet.handOver(operation, node));
      }
      books.create(runId, node, {
        ...{ purpose: 'run', owner, sessionId, model, prompt: task.slice(0, 80), budget: out },
      });
      const issued = { token: 'cashuB'.padEnd(700, 'o'), out, face: out };
      const credited = { ...issued, creditedMsat: 2_000_000 };
      books.move(runId, ['created'], { state: 'token_issued', ...issued });
      books.move(runId, ['token_issued'], { state: 'deposited', ...credited });
      books.move(runId, ['deposited'], { state: 'running', ...credited });
      books.record(runId, 'deposit', 'credited', {
        status: 200,
        code: undefined,
        requestId: undefined,
        message: '2000 sat',
      });
      return { state: 'ready', payment: { credentials: 'provided', variables: {}, configuration: {} } };
    },
    finalizeRun: async (runId, signal) => {
      const token = tokens.get(runId);
      tokens.delete(runId);
      if (token !== undefined) await wallet.receive(token, { cap: false }, signal);
      books.record(runId, 'refund', 'change', {
        status: 200,
        code: undefined,
        requestId: undefined,
        message: '1862 sat',
      });
      books.move(runId, ['running'], { state: 'settled', out, spent, change: sat(out - spent - fee), fee });
      books.setTold(runId);
      return { spent, budget: out };
    },
    recover: async () => [],
  };
}

function runDeps(parts: {
  readonly stores: ReturnType<typeof storesIn>;
  readonly messenger: Messenger;
  readonly provider: Provider;
  readonly agents: Map<string, (result: AgentResult) => void>;
  readonly clock: Clock;
}): RunDeps {
  const { stores, messenger, provider, agents, clock } = parts;
  const backend: Backend = {
    name: 'opencode',
    run: ({ runId }, observer) =>
      new Promise((resolve) => {
        observer.onSpawn?.(1);
        agents.set(runId, (result) => {
          agents.delete(runId);
          resolve(result);
        });
      }),
    endLeftovers: async () => 0,
    health: async () => ({ state: 'ok', path: '/opencode', version: '1' }),
    models: async () => [],
  };
  return {
    ...{ stores, messenger, clock, log: quiet, board: createRunBoard(), reached: () => {} },
    backends: new Map([['opencode', backend]]),
    places: {
      waits: ({ directory }) => directory.startsWith('away:'),
      enter: (session) => ({ session, leave: () => undefined }),
    },
    providers: {
      providers: new Map([[provider.name, provider]]),
      providerFor: () => ({ provider, note: undefined }),
    },
    asks: createAsks({ messenger, deadlineMs: 60_000, clock, log: quiet }),
    approvalsFor: async () => 'off',
    refuseRun: async () => undefined,
    results: () => noResults,
    scheduled: () => undefined,
    lookAgain: () => undefined,
    limits: { timeoutMs: 3_600_000, idleMs: 3_600_000, holdMs: 0, progressMs: 0, settleMs: 60_000 },
  };
}

/** An order as a message makes one. */
export const orderOf = (owner: PublicKey, session: string, message: string, relay: BareRelay['url']) => ({
  ...({ owner, session, messageKind: 14, protocol: 'nip17', fallbackRelays: [relay] } as const),
  ...{
    message: message as EventId,
    mode: 'agent' as const,
    model: undefined,
  },
  ...{
    task: 'Fix the parser so that it reads empty lines, and add a test for it please.',
    budget: undefined,
  },
});
