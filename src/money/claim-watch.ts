import type { MintUrl, OperationId, Spend } from '@nostr-dm-agent/cashu-wallet';
import { pause } from '@nostr-dm-agent/kit/abort';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Background } from './background.ts';

const retryWatchMs = 30_000;

type ClaimWatchDeps = {
  readonly wallet: Pick<Spend, 'watchClaims'>;
  readonly background: Background;
  readonly log: Logger;
};

/** Watches what is expected anew at each look, mint by mint; a watch whose tokens are still the same goes on. */
export function createClaimWatch(
  { wallet, background, log }: ClaimWatchDeps,
  look: () => void,
): { readonly expect: (mint: MintUrl, operation: OperationId) => void; readonly watch: () => void } {
  const watched = new Map<MintUrl, { readonly tokens: string; readonly end: AbortController }>();
  let expected = new Map<MintUrl, OperationId[]>();

  const begin = (mint: MintUrl, operations: readonly OperationId[]): void => {
    const end = new AbortController();
    const mine = { tokens: operations.join(), end };
    watched.set(mint, mine);
    background.run('watching tokens that are out', async () => {
      const signal = AbortSignal.any([background.signal, end.signal]);
      try {
        await wallet.watchClaims(mint, operations, signal);
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ mint, error }, 'tokens that are out could not be watched');
        if (!(await pause(retryWatchMs, signal))) return;
      }
      if (watched.get(mint) === mine) watched.delete(mint);
      look();
    });
  };

  return {
    expect: (mint, operation) => {
      expected.set(mint, [...(expected.get(mint) ?? []), operation]);
    },
    watch: () => {
      const now = expected;
      expected = new Map();
      for (const [mint, { tokens, end }] of watched) {
        if (now.get(mint)?.join() === tokens) now.delete(mint);
        else {
          watched.delete(mint);
          end.abort();
        }
      }
      for (const [mint, operations] of now) begin(mint, operations);
    },
  };
}
