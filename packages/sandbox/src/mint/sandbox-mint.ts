import { type Clock, systemClock } from '@nostr-dm-agent/kit/clock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { Server } from 'bun';
import { yOf } from './blind-signature.ts';
import { mintMigrations } from './database.ts';
import { createKeysets, type KeysetVersion, type MintKeyset } from './keysets.ts';
import {
  createLightning,
  type ForeignInvoice,
  type Incoming,
  type LightningBehaviour,
  type Outgoing,
} from './lightning.ts';
import { auditMint, type MintAudit } from './mint-audit.ts';
import { createFaults, type Faults } from './mint-faults.ts';
import { createLedger, type ProofState } from './mint-ledger.ts';
import { MintRefusal } from './mint-refusals.ts';
import { createSubscriptions, type SocketData } from './mint-subscriptions.ts';
import type { SandboxNetwork } from './network.ts';
import { cachedPaths, createRoutes, refusalResponse } from './routes.ts';

export type { Fault } from './mint-faults.ts';
export { createSandboxNetwork, type SandboxNetwork } from './network.ts';
export type { MintAudit };

export type SandboxMintOptions = {
  /** Default: any free port. */
  readonly port?: number;
  /** Where the mint keeps its books; default: in memory. */
  readonly file?: string;
  /** Input fee of its keysets; default 0. */
  readonly feePpk?: number;
  /** Default `01`. */
  readonly keysetVersion?: KeysetVersion;
  /** NUT-19; default on. */
  readonly cache?: boolean;
  /** Default: `at-once`. */
  readonly incoming?: Incoming;
  /** Default: `paid`. */
  readonly outgoing?: Outgoing;
  /** How many inputs or outputs it takes in one request; default 1,000. */
  readonly maxInputs?: number;
  /** NUT-08; off: what a payment did not cost is not given back. Default on. */
  readonly change?: boolean;
  /** NUT-05, an amount for an invoice that names none; default off. */
  readonly amountless?: boolean;
  /** How a fraction of a sat in an invoice is quoted; default up. */
  readonly rounding?: 'up' | 'down';
  /** NUT-17; default on. */
  readonly webSocket?: boolean;
  /** Mints that pay each other's invoices; default: nobody else is paid. */
  readonly network?: SandboxNetwork;
  readonly clock?: Clock;
};

/** A Cashu mint on loopback that checks every signature, with test sat. Everything but Lightning is real. */
export type SandboxMint = {
  /** `http://127.0.0.1:port`, without a slash at the end. */
  readonly url: string;
  /** Change its fields to change what Lightning does from now on. */
  readonly lightning: LightningBehaviour;
  readonly faults: Faults;
  /** `POST /v1/swap` …, in order of arrival. */
  readonly requests: string[];
  readonly keysets: () => readonly MintKeyset[];
  /** Makes a new active keyset; the others become inactive. */
  readonly rotate: (options?: { readonly feePpk?: number; readonly version?: KeysetVersion }) => MintKeyset;
  /** Another input fee of the keysets that are there; see `Keysets`. */
  readonly changeFee: (feePpk: number) => void;
  /** The keysets that are there end then (Unix seconds); see `Keysets`. */
  readonly endAt: (finalExpiry: number) => void;
  /** Answers 12001 for the keys of this keyset, and for everything with it. */
  readonly loseKeys: (keyset: string) => void;
  /** Somebody pays the invoice of this mint quote (also after it expired). */
  readonly pay: (mintQuote: string) => void;
  /** The mint quote that this invoice belongs to. @throws MintRefusal */
  readonly quoteOf: (invoice: string) => string;
  /** The newest melt quote for this invoice. @throws MintRefusal */
  readonly meltQuoteOf: (invoice: string) => string;
  /** Ends a payment that is `PENDING`. */
  readonly settle: (meltQuote: string, outcome: 'paid' | 'failed') => void;
  /** An invoice from elsewhere, in sat. */
  readonly invoice: (amount: number | undefined, options?: ForeignInvoice) => string;
  readonly stateOfSecret: (secret: string) => ProofState;
  readonly audit: () => MintAudit;
  /** Forgets NUT-19's cached answers, as a mint does that restarts with its cache in memory. */
  readonly clearCache: () => void;
  /** Refuses connections from now on until `start`; open ones are broken off. Its books stay. */
  readonly goDown: () => Promise<void>;
  /** Comes back on the same port. */
  readonly comeUp: () => void;
  readonly stop: () => Promise<void>;
};

const limits = { min: 1, max: 1_000_000 };

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: wires the mint and its server
export function startSandboxMint(options: SandboxMintOptions = {}): SandboxMint {
  const clock = options.clock ?? systemClock;
  const caching = options.cache ?? true;
  const webSocket = options.webSocket ?? true;
  const db = openDatabase(options.file ?? ':memory:', mintMigrations);
  const keysets = createKeysets(db, clock);
  const rotate: SandboxMint['rotate'] = ({ feePpk, version } = {}) =>
    keysets.rotate(feePpk ?? options.feePpk ?? 0, version ?? options.keysetVersion ?? '01');
  if (keysets.all().length === 0) rotate();

  const ledger = createLedger(db, keysets, options.maxInputs ?? 1000);
  const behaviour: LightningBehaviour = {
    incoming: options.incoming ?? 'at-once',
    outgoing: options.outgoing ?? 'paid',
    routingFee: 1,
    feeReserve: (amount) => Math.max(2, Math.ceil(amount * 0.02)),
    invoiceExpirySeconds: 3600,
  };
  const subscriptions = createSubscriptions((kind, id) => {
    try {
      if (kind === 'proof_state') return { Y: id, ...ledger.stateOf(id) };
      return kind === 'bolt11_mint_quote' ? lightning.mintQuote(id) : lightning.meltQuote(id);
    } catch (cause) {
      if (cause instanceof MintRefusal) return undefined;
      throw cause;
    }
  });
  const lightning = createLightning({
    db,
    ledger,
    clock,
    behaviour,
    limits,
    change: options.change ?? true,
    amountless: options.amountless ?? false,
    rounding: options.rounding ?? 'up',
    onChange: subscriptions.notify,
    network: options.network,
  });
  const answer = createRoutes({
    keysets,
    ledger,
    lightning,
    info: () =>
      describe({
        caching,
        webSocket,
        change: options.change ?? true,
        amountless: options.amountless ?? false,
      }),
    onSpent: (ys) => {
      for (const y of ys) subscriptions.notify('proof_state', y);
    },
  });

  const faults = createFaults();
  const requests: string[] = [];
  const cache = new Map<string, string>();

  async function respond(request: Request, server: Server<SocketData>): Promise<Response | undefined> {
    const path = new URL(request.url).pathname;
    if (path === '/v1/ws' && webSocket && server.upgrade(request, { data: { subscriptions: new Map() } })) {
      return undefined;
    }
    requests.push(`${request.method} ${path}`);
    const text = request.method === 'POST' ? await request.text() : '';
    const early = await faults.apply(path, 'before');
    if (early) return early;
    const key = `${path} ${text}`;
    const known = cache.get(key);
    const result = known === undefined ? answer(request.method, path, text) : undefined;
    const body = known ?? (result === undefined ? undefined : JSON.stringify(result));
    if (body === undefined) return new Response('not found', { status: 404 });
    if (caching && cachedPaths.includes(path)) cache.set(key, body);
    const late = await faults.apply(path, 'after', body);
    return late ?? new Response(body, { headers: { 'content-type': 'application/json' } });
  }

  const listen = (port: number): Server<SocketData> =>
    Bun.serve<SocketData>({
      hostname: '127.0.0.1',
      port,
      idleTimeout: 120,
      websocket: subscriptions.websocket,
      fetch: async (request, server) => {
        try {
          return await respond(request, server);
        } catch (cause) {
          if (cause instanceof MintRefusal) return refusalResponse(cause);
          throw cause;
        }
      },
    });
  let server = listen(options.port ?? 0);
  const port = server.port ?? 0;

  const goDown = async () => {
    faults.release();
    await server.stop(true);
  };
  return {
    url: `http://127.0.0.1:${port}`,
    lightning: behaviour,
    faults,
    requests,
    keysets: keysets.all,
    rotate,
    changeFee: keysets.changeFee,
    endAt: keysets.endAt,
    loseKeys: keysets.loseKeys,
    pay: lightning.pay,
    quoteOf: lightning.quoteOf,
    meltQuoteOf: lightning.meltQuoteOf,
    settle: lightning.settle,
    invoice: lightning.foreignInvoice,
    stateOfSecret: (secret) => ledger.stateOf(yOf(secret)).state,
    audit: () => auditMint(db),
    clearCache: () => cache.clear(),
    goDown,
    comeUp: () => {
      server = listen(port);
    },
    async stop() {
      lightning.stop();
      await goDown();
      db.close();
    },
  };
}

/** NUT-06. */
function describe({
  caching,
  webSocket,
  change,
  amountless,
}: Record<'caching' | 'webSocket' | 'change' | 'amountless', boolean>) {
  const method = { method: 'bolt11', unit: 'sat', min_amount: limits.min, max_amount: limits.max };
  const supported = { supported: true };
  return {
    name: 'Sandbox mint',
    // The curve's generator: CDK's wallet wants a point, whichever it is.
    pubkey: '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798',
    version: 'nostr-dm-agent-sandbox/1',
    description: 'Test money only',
    contact: [],
    nuts: {
      4: { methods: [{ ...method, options: { description: true } }], disabled: false },
      5: { methods: [{ ...method, options: { amountless } }], disabled: false },
      7: supported,
      8: { supported: change },
      9: supported,
      10: supported,
      11: supported,
      12: supported,
      14: supported,
      ...(webSocket
        ? {
            17: {
              supported: [
                {
                  method: 'bolt11',
                  unit: 'sat',
                  commands: ['bolt11_mint_quote', 'bolt11_melt_quote', 'proof_state'],
                },
              ],
            },
          }
        : {}),
      ...(caching
        ? { 19: { ttl: 3600, cached_endpoints: cachedPaths.map((path) => ({ method: 'POST', path })) } }
        : {}),
      20: supported,
    },
  };
}
