import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { createForeignServer, freePort, readForeignBooks } from './foreign-server.ts';

/** The real node: a check-out of github.com/Routstr/routstr-core, and a Python that has its dependencies. */
export type RoutstrCore = { readonly checkout: string; readonly python: string };

/** @throws Error that says which variable is missing, or what is not where it says */
export function findRoutstrCore(environment: Readonly<Record<string, string | undefined>>): RoutstrCore {
  const { ROUTSTR_CORE: checkout, ROUTSTR_PYTHON: python } = environment;
  if (checkout === undefined || python === undefined) {
    throw new Error('Set ROUTSTR_CORE (a check-out of routstr-core) and ROUTSTR_PYTHON (a Python for it)');
  }
  for (const path of [join(checkout, 'routstr', 'core', 'main.py'), join(checkout, 'migrations'), python]) {
    if (!existsSync(path)) throw new Error(`${path} is not there`);
  }
  return { checkout, python };
}

/** What the node's own database says, in msat. */
export type CoreBooks = {
  readonly accounts: number;
  readonly creditedMsat: number;
  readonly largestCreditMsat: number;
  readonly refundedMsat: number;
  readonly spentMsat: number;
  readonly balancesMsat: number;
  readonly floatSat: number;
};

export type CoreNode = {
  /** Without a slash at the end. */
  readonly url: string;
  readonly version: string;
  /** SIGKILL. */
  readonly kill: () => Promise<void>;
  /** On the same port, with the same books. */
  readonly start: () => Promise<void>;
  readonly books: () => CoreBooks;
  readonly log: () => string;
  readonly stop: () => Promise<void>;
};

const adminPassword = 'only-on-loopback';
/** The node asks exchanges for the price; what it can't reach leaves this one as it is. */
const usdPerBtc = 100_000;

/**
 * As routstr-core's own container starts it, but for the price of a bitcoin, which is set beforehand: without one there
 * are no prices in sat.
 */
const entry = (port: number): string => `
import uvicorn
from routstr.payment import price
price.BTC_USD_PRICE, price.SATS_USD_PRICE = ${usdPerBtc}.0, ${usdPerBtc / 100_000_000}
from routstr.core.main import app
uvicorn.run(app, host="127.0.0.1", port=${port}, log_level="warning")
`;

/** USD for one token: 3 and 15 msat. */
const modelOf = (id: string, price: { readonly prompt: number; readonly completion: number }) => ({
  id: `anthropic/${id}`,
  name: id,
  description: '',
  created: 1,
  context_length: 200_000,
  architecture: {
    modality: 'text->text',
    input_modalities: ['text'],
    output_modalities: ['text'],
    tokenizer: 'Other',
    instruct_type: null,
  },
  pricing: price,
  top_provider: { context_length: 200_000, max_completion_tokens: 64_000, is_moderated: false },
  enabled: true,
});

/** The real node in a process and a folder of its own. Nothing that it does leaves this machine. */
export async function startRoutstrCore(
  core: RoutstrCore,
  options: {
    readonly mintUrl: string;
    /** OpenAI-compatible, with `/v1`. */
    readonly upstreamUrl: string;
    /** Has to be one that upstream knows by this name and with `anthropic/` before it. */
    readonly model: string;
  },
): Promise<CoreNode> {
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = createForeignServer('routstr-core', () => `${url}/v1/info`, 120_000);
  const books = join(server.folder, 'keys.db');
  // Its migrations are looked for in the current directory, and its wallet and logs are written there.
  symlinkSync(join(core.checkout, 'migrations'), join(server.folder, 'migrations'));
  const start = (): Promise<void> =>
    server.start([core.python, '-c', entry(port)], {
      PYTHONPATH: core.checkout,
      PYTHONDONTWRITEBYTECODE: '1',
      DATABASE_URL: `sqlite+aiosqlite:///${books}`,
      CASHU_MINTS: options.mintUrl,
      PRIMARY_MINT_URL: options.mintUrl,
      UPSTREAM_BASE_URL: options.upstreamUrl,
      UPSTREAM_API_KEY: 'upstream-key',
      ADMIN_PASSWORD: adminPassword,
      NSEC: '',
      RELAYS: '',
      ENABLE_ANALYTICS_SHARING: 'false',
      RECEIVE_LN_ADDRESS: '',
      PROVIDERS_REFRESH_INTERVAL_SECONDS: '0',
      ENABLE_PRICING_REFRESH: 'false',
      ENABLE_MODEL_PATHS_REFRESH: 'false',
      MODELS_REFRESH_INTERVAL_SECONDS: '0',
      MINT_OPERATION_TIMEOUT_SECONDS: '10',
      LITELLM_LOCAL_MODEL_COST_MAP: 'True',
      // Nobody listens there: what it wants to ask the world fails at once.
      HTTPS_PROXY: 'http://127.0.0.1:9',
    });

  try {
    await start();
    await addModel(url, modelOf(options.model, { prompt: 0.000003, completion: 0.000015 }));
    const { version } = infoSchema.parse(await (await fetch(`${url}/v1/info`)).json());
    return {
      ...{ url, version, start },
      ...{ kill: server.kill, log: server.log, stop: server.stop },
      books: () => readBooks(books),
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

const infoSchema = z.object({ version: z.string() });
const loginSchema = z.object({ token: z.string() });

/** As its operator does it: offline, the node knows none of upstream's models. */
async function addModel(url: string, model: object): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const post = async (path: string, body: object, more = {}): Promise<unknown> => {
    const answer = await fetch(`${url}/admin/api/${path}`, {
      method: 'POST',
      headers: { ...headers, ...more },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const { token } = loginSchema.parse(await post('login', { password: adminPassword }));
  await post('upstream-providers/1/models', model, { authorization: `Bearer ${token}` });
}

const readBooks = (path: string): CoreBooks =>
  readForeignBooks(path, (one) => {
    const msat = "CASE unit WHEN 'sat' THEN amount * 1000 ELSE amount END";
    return {
      accounts: one('SELECT count(*) FROM api_keys'),
      creditedMsat: one(`SELECT sum(${msat}) FROM cashu_transactions WHERE type = 'in'`),
      largestCreditMsat: one(
        `SELECT max(n) FROM (SELECT sum(${msat}) AS n FROM cashu_transactions
         WHERE type = 'in' AND api_key_hashed_key IS NOT NULL GROUP BY api_key_hashed_key)`,
      ),
      refundedMsat: one(`SELECT sum(${msat}) FROM cashu_transactions WHERE type = 'out'`),
      spentMsat: one('SELECT sum(total_spent) FROM api_keys'),
      balancesMsat: one('SELECT sum(balance) FROM api_keys'),
      // Nobody gives it any.
      floatSat: 0,
    };
  });
