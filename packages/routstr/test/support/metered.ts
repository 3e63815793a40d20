import { randomBytes } from 'node:crypto';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { createMeter, type MeterOptions } from '../../src/meter/meter.ts';
import {
  defaultLimits,
  type MeteredRunOptions,
  type MeterPrice,
  type RunLimits,
} from '../../src/meter/metered-run.ts';
import { parseNodeUrl } from '../../src/node/node-url.ts';
import { startModelUpstream } from './model-upstream.ts';

/** 1 msat for a token of the prompt, 4 msat for one of the answer. */
export const price: MeterPrice = {
  sat: { prompt: 0.001, completion: 0.004, cacheRead: undefined, cacheWrite: undefined, request: 0 },
  usd: { prompt: 1e-6, completion: 4e-6, cacheRead: undefined, cacheWrite: undefined, request: 0 },
};

export function recordingLog() {
  const lines: string[] = [];
  const write = (facts: Record<string, unknown>, message: string): void => {
    lines.push(`${message} ${JSON.stringify(facts)}`);
  };
  const log: Logger = { debug: write, info: write, warn: write, error: write, child: () => log };
  return { log, lines };
}

/** A meter in front of an upstream that plays scenarios. */
export function startMetered(options?: MeterOptions) {
  const upstream = startModelUpstream();
  const { log, lines } = recordingLog();
  const meter = createMeter(log, options);
  const open = (limits: Partial<RunLimits> = {}, rest: Partial<MeteredRunOptions> = {}) => {
    const agentKey = `cashuB${randomBytes(40).toString('base64url')}`;
    const nodeKey = `sk-${randomBytes(32).toString('hex')}`;
    const run = meter.open({
      runId: 'run-1',
      node: parseNodeUrl(upstream.url),
      agentKey,
      nodeKey,
      price: () => price,
      limits: { ...defaultLimits, ...limits },
      ...rest,
    });
    const post = (body: unknown, init: RequestInit = {}): Promise<Response> =>
      fetch(`${run.baseUrl}/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${agentKey}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        ...init,
      });
    return { run, agentKey, nodeKey, post };
  };
  return {
    upstream,
    meter,
    lines,
    open,
    close: async (): Promise<void> => {
      await meter.close();
      await upstream.close();
    },
  };
}

/** A request as opencode makes it. */
export const ask = (rest: object = {}): object => ({
  model: 'm',
  stream: true,
  max_tokens: 1000,
  messages: [{ role: 'user', content: 'hello' }],
  ...rest,
});
