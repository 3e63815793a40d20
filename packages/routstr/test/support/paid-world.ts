import { expect } from 'bun:test';
import type { CashuWallet, LedgerEntry } from '@nostr-dm-agent/cashu-wallet';
import {
  createBench,
  fund,
  newWords,
  type OpenOptions,
  quiet,
  soon,
} from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type { SandboxMintOptions } from '@nostr-dm-agent/sandbox/mint';
import { type SandboxNode, type SandboxNodeOptions, startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import { startScriptedUpstream } from '@nostr-dm-agent/sandbox/testing/scripted-upstream';
import { z } from 'zod';
import { createMeter } from '../../src/meter/meter.ts';
import type { MeterPrice } from '../../src/meter/metered-run.ts';
import { createNodeClient, defaultTimeouts, type NodeTimeouts } from '../../src/node/node-client.ts';
import { parseNodeUrl } from '../../src/node/node-url.ts';
import type { ModelTerms } from '../../src/paid-run/budget-rules.ts';
import type { MoreMoney } from '../../src/paid-run/more-money.ts';
import type { PaidRun } from '../../src/paid-run/paid-run.ts';
import type { PaidRunCost, PreparedPaidRun, RunTicket } from '../../src/paid-run/run-ticket.ts';
import {
  createRoutstrProvider,
  type RoutstrProvider,
  type RoutstrProviderOptions,
} from '../../src/routstr-provider.ts';

export const hour = 3_600_000;
export const day = 24 * hour;

export type PaidWorldOptions = {
  readonly mint?: SandboxMintOptions;
  readonly node?: Partial<SandboxNodeOptions>;
  readonly wallet?: Partial<OpenOptions>;
  readonly provider?: Partial<Omit<RoutstrProviderOptions, 'rules' | 'nodes'>>;
  readonly nodes?: Partial<RoutstrProviderOptions['nodes']>;
  readonly rules?: Partial<RoutstrProviderOptions['rules']>;
  readonly timeouts?: Partial<NodeTimeouts>;
  readonly funds?: number;
};

/** The prices of the node's claude-sonnet-4.5: 3 and 15 msat a token. */
export const sonnetPrice: MeterPrice = {
  sat: { prompt: 0.003, completion: 0.015, cacheRead: undefined, cacheWrite: undefined, request: 0 },
  usd: { prompt: 3e-6, completion: 15e-6, cacheRead: undefined, cacheWrite: undefined, request: 0 },
};

/** The model that runs ask for, with its price. */
export const sonnet: ModelTerms = { id: 'claude-sonnet-4.5', minimum: sat(0), price: sonnetPrice };

/** What a call costs 135.3 sat with: claude-sonnet-4.5 at 3 and 15 msat. */
export const costly = { prompt_tokens: 40_100, completion_tokens: 1000, total_tokens: 41_100 };

/** A wallet with 10,000 sat, a mint, a Routstr node with a model behind it, the meter and the provider: all real sockets. */
export async function startPaidWorld(options: PaidWorldOptions = {}) {
  const bench = createBench();
  const ends: (() => unknown)[] = [];
  const clock = { offset: 0, now: () => Date.now() + clock.offset };
  const mint = bench.mint({ feePpk: 100, ...options.mint });
  const upstream = startScriptedUpstream();
  ends.push(upstream.stop);
  const node = startSandboxNode({
    mints: [mint.url],
    upstream: { baseUrl: upstream.baseUrl },
    clock,
    ...options.node,
  });
  ends.push(node.stop);
  const words = newWords();
  const directory = bench.folder();
  const openWallet = (): CashuWallet => bench.wallet(mint, { words, directory, clock, ...options.wallet });
  let wallet = openWallet();
  const funds = options.funds ?? 10_000;
  await fund(wallet, funds);
  const meter = createMeter(quiet);
  ends.push(meter.close);

  const news: PaidRun[] = [];
  const settings: { budget: Sat; limit: Sat | undefined; node: string } = {
    budget: sat(2000),
    limit: undefined,
    node: node.url,
  };
  const open = (): RoutstrProvider =>
    createRoutstrProvider({
      wallet,
      nodes: {
        current: () => parseNodeUrl(settings.node),
        at: (url) => createNodeClient(url, { ...defaultTimeouts, ...options.timeouts }),
        ...options.nodes,
      },
      rules: {
        budget: () => settings.budget,
        dayLimit: () => settings.limit,
        dayStart: () => 0,
        model: () => undefined,
        ...options.rules,
      },
      meter,
      announce: (run) => {
        news.push(run);
      },
      clock,
      log: quiet,
      waits: { present: [5, 5], settle: [5, 5] },
      ...options.provider,
    });
  let provider = open();
  let alive = true;
  /** Closes provider and wallet: the files are for another process. */
  const retire = async (): Promise<void> => {
    if (!alive) return;
    alive = false;
    await provider.close();
    wallet.close();
  };

  const ticket = (runId: string, { budget, ...more }: TicketOptions = {}): RunTicket => ({
    runId,
    sessionId: 's1',
    owner: 'ada',
    model: 'routstr/claude-sonnet-4.5',
    task: 'write hello.txt with the text hi',
    budget: budget === undefined ? undefined : sat(budget),
    ...more,
  });
  return {
    mint,
    node,
    meter,
    upstream,
    clock,
    words,
    directory,
    news,
    settings,
    funds,
    ticket,
    wallet: () => wallet,
    provider: () => provider,
    prepare: (runId: string, more: TicketOptions = {}) => provider.prepareRun(ticket(runId, more), soon()),
    finalize: (runId: string): Promise<Plain<PaidRunCost>> => provider.finalizeRun(runId, soon()),
    more: (runId: string, amount: number): Promise<Plain<MoreMoney>> =>
      provider.more(runId, sat(amount), soon()),
    state: (runId: string) => provider.paidRuns.find(runId)?.body.state,
    outcomes: (runId: string, step: string) =>
      provider.paidRuns
        .evidence(runId)
        .filter((entry) => entry.step === step)
        .map((entry) => entry.outcome),
    /** Moves the clock and looks after what is owed. */
    async later(ms: number): Promise<void> {
      clock.offset += ms;
      await provider.lookAfter(soon());
    },
    /** Another life of the bot, with the same files. */
    async restart(): Promise<readonly PaidRun[]> {
      await retire();
      alive = true;
      wallet = openWallet();
      provider = open();
      await wallet.recover(soon());
      return provider.recover(soon());
    },
    /** Of which rows it was told, and their states. */
    told: () => news.map(({ id, body }) => `${id} ${body.state}`),
    retire,
    async end(): Promise<void> {
      if (alive) await provider.close();
      for (const end of ends.splice(0).reverse()) await end();
      await bench.end();
    },
  };
}
type TicketOptions = Partial<Omit<RunTicket, 'budget'>> & { readonly budget?: number };
/** The same with plain numbers, for comparisons. */
type Plain<T> = T extends Sat ? number : T extends object ? { readonly [Key in keyof T]: Plain<T[Key]> } : T;
export type PaidWorld = Awaited<ReturnType<typeof startPaidWorld>>;

const configurationSchema = z.object({
  provider: z.object({ routstr: z.object({ options: z.object({ baseURL: z.url() }) }) }),
});

/** The run is to begin; gives what the agent gets. */
export function ready(prepared: PreparedPaidRun): { readonly key: string; readonly baseUrl: string } {
  if (prepared.state !== 'ready') throw new Error(`refused: ${prepared.refusal.kind}`);
  const { configuration, variables } = prepared.access;
  const { provider } = configurationSchema.parse(configuration);
  return { key: variables.ROUTSTR_API_KEY ?? '', baseUrl: provider.routstr.options.baseURL };
}

/** Why something was refused; undefined: it was not. */
export const refusalOf = (result: {
  readonly state: string;
  readonly refusal?: object;
}): object | undefined => result.refusal;

/** One model call of the agent. */
export async function call(
  prepared: PreparedPaidRun,
  init: RequestInit = {},
): Promise<{ readonly status: number; readonly text: string }> {
  const { key, baseUrl } = ready(prepared);
  const response = await fetch(`${baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'claude-sonnet-4.5',
      stream: true,
      max_tokens: 100,
      messages: [{ role: 'user', content: 'hi' }],
    }),
    ...init,
  });
  return { status: response.status, text: await response.text() };
}

export const lastEntry = (world: PaidWorld): LedgerEntry => {
  const [entry] = world.wallet().ledger.latest(1);
  if (!entry) throw new Error('the ledger is empty');
  return entry;
};

/** Everything is home: wallet + ledger = what was put in, and node and mint say the same. To the sat. */
export async function expectAllHome(world: PaidWorld): Promise<void> {
  const wallet = world.wallet();
  const { ready: free, ...rest } = wallet.balance();
  expect(rest).toMatchObject({ reserved: 0, sent: 0, incoming: 0 });
  const ledger = wallet.ledger.latest(1000);
  for (const entry of ledger) {
    expect(entry.state).toBe('settled');
    expect(entry.budget).toBe(sat(entry.spent + entry.refund + entry.fee));
  }
  const gone = ledger.reduce((sum, entry) => sum + entry.spent + entry.fee, 0);
  expect(free + gone).toBe(world.funds);
  expect(await wallet.check(soon())).toMatchObject({ consistent: true, problems: [], spentElsewhere: 0 });
  const books = world.node.audit();
  expect(books).toMatchObject({ balanced: true });
  // What the node earned is what the ledger says was spent: dust that it could not give back included.
  const spentMsat = ledger.reduce((sum, entry) => sum + entry.spent, 0) * 1000;
  expect(books.spentMsat + books.forfeitedMsat + books.balancesMsat + books.keptMsat).toBe(spentMsat);
  const held = Object.values(books.heldSat).reduce((sum, amount) => sum + amount, 0);
  expect(world.mint.audit()).toMatchObject({ balanced: true, totalOutstanding: free + held, pending: 0 });
}

export const asked = (node: SandboxNode, what: string): number =>
  node.requests.filter((line) => line.endsWith(what)).length;
