import type { Fetch } from '@nostr-dm-agent/kit/http';
import { parseJson } from '@nostr-dm-agent/kit/json';
import { outwardFetch } from '@nostr-dm-agent/kit/net';
import { isTokenLike } from '@nostr-dm-agent/kit/token-text';
import { z } from 'zod';
import { type ModelList, parseModelList } from '../models/model-list.ts';
import { type ApiKey, apiKeyOf, isApiKey } from './api-key.ts';
import { exchange, type NodeRequest, noAnswer, type Reply } from './node-http.ts';
import { lightningOf, type NodeLightning } from './node-lightning.ts';
import type { NodeUrl } from './node-url.ts';
import { numeric } from './numeric.ts';
import { type OneCall, type OneCallOutcome, payForOneCall } from './one-call.ts';
import type {
  Answer,
  CreateOutcome,
  Evidence,
  InfoOutcome,
  NodeInfo,
  RefundOutcome,
  TopUpOutcome,
} from './outcomes.ts';
import { isMissingPath, isUnknownKey, notCredited, readRefusal, refundRefused } from './refusal-meaning.ts';
import { scrub } from './refusal-shapes.ts';

/** In ms, for one whole exchange. */
export type NodeTimeouts = {
  readonly create: number;
  readonly info: number;
  readonly topUp: number;
  /** The node mints during it. */
  readonly refund: number;
  readonly models: number;
};
export const defaultTimeouts: NodeTimeouts = {
  create: 60_000,
  info: 15_000,
  topUp: 60_000,
  refund: 60_000,
  models: 20_000,
};

/**
 * The balance API and the public pages of one Routstr node (docs/node-protocol.md#calls). Nothing throws for what a
 * node does; every method throws the signal's reason when its caller aborts.
 *
 * Never call `topup` and `refund` of one key at once (core #462: money was lost); that is for the caller to see to.
 */
export type NodeClient = {
  readonly url: NodeUrl;
  /** Presents a token: makes the account `apiKeyOf(token)`. The same token again is answered with the same account. */
  readonly create: (token: string, signal: AbortSignal) => Promise<CreateOutcome>;
  readonly info: (key: ApiKey, signal: AbortSignal) => Promise<InfoOutcome>;
  readonly topup: (key: ApiKey, token: string, signal: AbortSignal) => Promise<TopUpOutcome>;
  /**
   * Asks for the change. A node may answer this once only: `keep` gets the body of a 200 as it came, before anything
   * reads it, and is to put it on disk before it returns.
   */
  readonly refund: (key: ApiKey, keep: (raw: string) => void, signal: AbortSignal) => Promise<RefundOutcome>;
  /** The same for a token that paid for one request (`x-cashu`); `unknown_key`: the node never had it. */
  readonly refundPayment: (
    token: string,
    keep: (raw: string) => void,
    signal: AbortSignal,
  ) => Promise<RefundOutcome>;
  /** One model call that its token pays for: see `payForOneCall`. */
  readonly callOnce: (
    call: OneCall,
    keep: (token: string) => void,
    signal: AbortSignal,
  ) => Promise<OneCallOutcome>;
  readonly lightning: NodeLightning;
  readonly nodeInfo: (signal: AbortSignal) => Promise<Answer<NodeInfo>>;
  readonly models: (signal: AbortSignal) => Promise<Answer<ModelList>>;
};

const prefixes = ['balance', 'wallet'] as const;
type Prefix = (typeof prefixes)[number];

const balanceBytes = 1024 * 1024;
const modelBytes = 16 * 1024 * 1024;

const msat = numeric.transform((value) => Math.trunc(value));
/** What was credited; less than nothing is nothing. */
const credit = msat.transform((value) => Math.max(0, value));
const createSchema = z.object({ api_key: z.string().refine(isApiKey), balance: credit });
const topUpSchema = z.object({ msats: credit });
const infoSchema = z.object({
  balance: msat,
  reserved: msat.nullish(),
  total_spent: msat.nullish(),
});
const refundSchema = z.object({ token: z.string().refine(isTokenLike) });
const nodeInfoSchema = z.object({
  name: z.string().nullish(),
  version: z.string().nullish(),
  npub: z.string().nullish(),
  mints: z.array(z.string()).nullish(),
});

/** A client for the node at `url`. Holds no connection between calls; there is nothing to close. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the requests of one client, each a few lines, that share its prefix
export function createNodeClient(
  url: NodeUrl,
  timeouts: NodeTimeouts = defaultTimeouts,
  fetch: Fetch = outwardFetch,
): NodeClient {
  /** Which of the two prefixes this node has; known after the first answer that is not a missing path. */
  let prefix: Prefix | undefined;

  async function balanceCall(
    path: string,
    request: Pick<NodeRequest, 'method' | 'bearer' | 'payment' | 'json' | 'timeoutMs'>,
    signal: AbortSignal,
  ): Promise<Reply> {
    let reply: Reply | undefined;
    for (const candidate of prefix === undefined ? prefixes : [prefix]) {
      reply = await exchange(
        { ...request, url: `${url}/${candidate}/${path}`, maxBytes: balanceBytes },
        signal,
        fetch,
      );
      if (isMissingPath(reply, request.bearer !== undefined || request.payment !== undefined)) continue;
      if (reply.kind === 'answer' && reply.status < 500) prefix = candidate;
      break;
    }
    return reply ?? { kind: 'not_sent', message: 'no path' };
  }

  async function ask<T>(
    path: string,
    limits: { timeoutMs: number; maxBytes: number },
    read: (json: unknown) => T | undefined,
    signal: AbortSignal,
  ): Promise<Answer<T>> {
    const reply = await exchange({ method: 'GET', url: `${url}/${path}`, ...limits }, signal, fetch);
    if (reply.kind !== 'answer') return { state: 'unavailable', evidence: noAnswer(reply.message) };
    if (!isOk(reply)) return { state: 'unavailable', evidence: readRefusal(reply).evidence };
    const value = read(parseJson(reply.body));
    return value === undefined ? { state: 'unavailable', evidence: accepted(reply) } : { state: 'ok', value };
  }

  async function refund(
    by: Pick<NodeRequest, 'bearer' | 'payment'>,
    keep: (raw: string) => void,
    signal: AbortSignal,
  ): Promise<RefundOutcome> {
    const reply = await balanceCall('refund', { method: 'POST', ...by, timeoutMs: timeouts.refund }, signal);
    if (!isOk(reply)) return refundRefused(reply);
    keep(reply.body);
    return readRefund(reply);
  }

  return {
    url,

    create: async (token, signal) => {
      const timeoutMs = timeouts.create;
      const json = { initial_balance_token: token };
      let reply = await balanceCall('create', { method: 'POST', json, timeoutMs }, signal);
      if (isMissingPath(reply, false)) {
        // Older nodes take it in the address, which ends up in logs. Asked about a token, they redeem it as well.
        reply = await balanceCall('info', { method: 'GET', bearer: token, timeoutMs }, signal);
      }
      if (!isOk(reply)) return notCredited(reply);
      const body = createSchema.safeParse(parseJson(reply.body)).data;
      // Another key than the one the token stands for would be somebody else's account.
      if (!body || body.api_key !== apiKeyOf(token)) {
        return { state: 'ambiguous', reason: 'not_the_node', evidence: accepted(reply) };
      }
      return {
        state: 'credited',
        apiKey: body.api_key,
        balanceMsat: body.balance,
        evidence: accepted(reply),
      };
    },

    info: async (key, signal) => {
      const reply = await balanceCall(
        'info',
        { method: 'GET', bearer: key, timeoutMs: timeouts.info },
        signal,
      );
      if (reply.kind !== 'answer') return { state: 'unavailable', evidence: noAnswer(reply.message) };
      if (!isOk(reply)) {
        const { refusal, evidence } = readRefusal(reply);
        const unknown = reply.status === 401 && isUnknownKey(refusal);
        return { state: unknown ? 'unknown_key' : 'unavailable', evidence };
      }
      const body = infoSchema.safeParse(parseJson(reply.body)).data;
      if (!body) return { state: 'unavailable', evidence: accepted(reply) };
      return {
        state: 'known',
        balance: {
          availableMsat: body.balance,
          reservedMsat: body.reserved ?? 0,
          totalSpentMsat: body.total_spent ?? undefined,
        },
        evidence: accepted(reply),
      };
    },

    topup: async (key, token, signal) => {
      const reply = await balanceCall(
        'topup',
        { method: 'POST', bearer: key, json: { cashu_token: token }, timeoutMs: timeouts.topUp },
        signal,
      );
      if (!isOk(reply)) {
        if (reply.kind === 'answer' && reply.status === 401) {
          const { refusal, evidence } = readRefusal(reply);
          if (isUnknownKey(refusal)) return { state: 'unknown_key', evidence };
        }
        return notCredited(reply);
      }
      const body = topUpSchema.safeParse(parseJson(reply.body)).data;
      return body
        ? { state: 'credited', addedMsat: body.msats, evidence: accepted(reply) }
        : { state: 'ambiguous', reason: 'not_the_node', evidence: accepted(reply) };
    },

    refund: (key, keep, signal) => refund({ bearer: key }, keep, signal),
    refundPayment: (token, keep, signal) => refund({ payment: token }, keep, signal),

    lightning: lightningOf(balanceCall),

    callOnce: (call, keep, signal) => payForOneCall(url, call, keep, signal, fetch),

    nodeInfo: (signal) =>
      ask(
        'info',
        { timeoutMs: timeouts.info, maxBytes: balanceBytes },
        (json) => {
          const info = nodeInfoSchema.safeParse(json).data;
          return (
            info && {
              name: info.name ?? undefined,
              version: info.version ?? undefined,
              npub: info.npub ?? undefined,
              mints: info.mints ?? [],
            }
          );
        },
        signal,
      ),

    models: (signal) =>
      ask('models', { timeoutMs: timeouts.models, maxBytes: modelBytes }, parseModelList, signal),
  };
}

type Accepted = Extract<Reply, { kind: 'answer' }>;
const isOk = (reply: Reply): reply is Accepted & { readonly status: 200 } =>
  reply.kind === 'answer' && reply.status === 200;

const accepted = (reply: Accepted): Evidence => ({
  status: reply.status,
  code: undefined,
  message: '',
  requestId: reply.requestId,
});

/**
 * The token of a refund's body, or of a header that is one. What the node says that it is worth is not asked: the token
 * is. Also used on what was put on disk and never read.
 */
export const readRefundBody = (raw: string): string | undefined =>
  isTokenLike(raw) ? raw : refundSchema.safeParse(parseJson(raw)).data?.token;

function readRefund(reply: Accepted): RefundOutcome {
  const raw = reply.body;
  const token = readRefundBody(raw);
  if (token !== undefined) return { state: 'token', token, raw, evidence: accepted(reply) };
  const evidence = { ...accepted(reply), message: scrub(raw) };
  return { state: 'ambiguous', reason: 'unreadable', raw, evidence };
}
