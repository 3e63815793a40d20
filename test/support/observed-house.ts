import { type SandboxMintOptions, startSandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { startModel } from '@nostr-dm-agent/sandbox/model';
import { nodeUserAgent, startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import type { PaidHouse } from './paid-house.ts';
import { type Passed, startRecordingProxy } from './recording-proxy.ts';

/**
 * Sandbox mint, node and model, with a witness in front of the mint and of the node: what a bot asks of them, and how
 * long they take for it. The node's own requests to the mint are told apart by their user agent.
 */
export function startObservedHouse({
  delayMs,
  ...options
}: Pick<SandboxMintOptions, 'feePpk'> & { readonly delayMs?: number } = {}) {
  // The proxy speaks no WebSocket. Invoices pay themselves, also those of the node's operator.
  const mint = startSandboxMint({ ...options, webSocket: false });
  const mintFront = startRecordingProxy(mint.url, delayMs);
  const upstream = startModel();
  const node = startSandboxNode({
    mints: [mintFront.url],
    upstream: { baseUrl: upstream.url, model: 'tiny' },
  });
  const nodeFront = startRecordingProxy(node.url, delayMs);
  const house: Pick<PaidHouse, 'mintUrl' | 'nodeUrl' | 'model'> = {
    mintUrl: mintFront.url,
    nodeUrl: `${nodeFront.url}/v1`,
    model: 'routstr/claude-sonnet-4.5',
  };
  return {
    ...{ ...house, mint, node },
    /** What anybody but the node asked of the mint. */
    mintRequests: (): readonly Passed[] =>
      mintFront.passed.filter(({ userAgent }) => userAgent !== nodeUserAgent),
    nodeRequests: (): readonly Passed[] => nodeFront.passed,
    /** Everything, the node's dealings with the mint included. */
    witnessed: (): readonly Passed[] => [...mintFront.passed, ...nodeFront.passed],
    stop: async () => {
      await Promise.all([nodeFront.stop(), node.stop(), upstream.stop()]);
      await mintFront.stop();
      await mint.stop();
    },
  };
}
export type ObservedHouse = ReturnType<typeof startObservedHouse>;
