import { watchProxy } from '@nostr-dm-agent/kit/net';
import { proxyProblem } from '../replies/proxy-replies.ts';
import type { Basics } from './basics.ts';

/** Says in the log when the proxy (`BOT_PROXY`) stops working and when it works again. */
export function logProxy({ log }: Pick<Basics, 'log'>, open: AsyncDisposableStack): void {
  open.defer(
    watchProxy(({ address, problem }) => {
      if (problem === undefined) log.info({ address }, 'the proxy works again');
      else log.warn({ address, problem }, `the proxy ${proxyProblem(problem)}; it is tried again`);
    }),
  );
}
