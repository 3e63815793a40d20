import { tryProxy } from '@nostr-dm-agent/kit/net';
import type { Config } from '../config/config.ts';
import { formatDuration } from '../replies/format.ts';
import { proxyProblem, proxyRemedies } from '../replies/proxy-replies.ts';
import type { Finding } from './finding.ts';

const timeoutMs = 10_000;

/** The proxy that every other check goes through; nothing without one. */
export async function checkProxy(
  { proxy }: Pick<Config, 'proxy'>,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  if (proxy === undefined) return [];
  const subject = `proxy ${proxy.host}:${proxy.port}`;
  const startedAt = performance.now();
  const timeout = AbortSignal.timeout(timeoutMs);
  const problem = await tryProxy(proxy, AbortSignal.any([signal, timeout])).catch((error: unknown) => {
    if (!timeout.aborted) throw error;
    return 'unreachable' as const;
  });
  if (problem !== undefined) {
    return [{ subject, state: 'broken', fact: proxyProblem(problem), remedy: proxyRemedies[problem] }];
  }
  const fact = `answers in ${formatDuration(performance.now() - startedAt)}; what follows goes through it`;
  return [{ subject, state: 'ok', fact }];
}
