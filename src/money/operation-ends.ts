import type {
  OperationId,
  OperationSummary,
  Overview,
  Receive,
  Requests,
  Spend,
} from '@nostr-dm-agent/cashu-wallet';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { type Sat, zeroSat } from '@nostr-dm-agent/kit/sat';
import type { PublicKey, Recipient } from '@nostr-dm-agent/nostr';
import type { Role } from '../config/config.ts';
import type { Awaited, AwaitedStore } from '../store/awaited-table.ts';
import type { Background } from './background.ts';
import { createClaimWatch } from './claim-watch.ts';

/** What somebody who waited for an operation is to know: it has ended, or a person must look at it. */
export type OperationEnd = {
  readonly to: Recipient;
  readonly operation: OperationSummary;
  /** A token that was asked for and could only be made later. For admins alone. */
  readonly token: string | undefined;
  /** Of a top-up: what has come for its payment request. */
  readonly asEcash: Sat;
};

/** Invoices that are watched at once; the others are asked about with what is open. */
const mostWatched = 20;
const retryWatchMs = 30_000;

/** States of a token that may still be claimed. */
const out: readonly string[] = ['issued', 'handed_over', 'reclaiming'];

/** States in which it is known how an operation has ended, as far as whoever asked for it is concerned. */
const ends: Readonly<Record<OperationSummary['kind'], readonly string[]>> = {
  mint: ['done', 'expired', 'issued_before'],
  receive: ['done', 'failed', 'refused'],
  melt: ['paid', 'rolled_back', 'expired'],
  send: ['issued', 'handed_over', 'rolled_back', 'failed', 'claimed', 'reclaimed'],
};

type EndWatchDeps = {
  readonly wallet: Overview &
    Requests &
    Pick<Spend, 'handOver' | 'watchClaims'> &
    Pick<Receive, 'watchTopUp'>;
  readonly awaited: AwaitedStore;
  readonly roleOf: (owner: PublicKey) => Role | undefined;
  readonly atomically: (change: () => void) => void;
  readonly tell: (end: OperationEnd) => void;
  readonly background: Background;
  readonly log: Logger;
};

/**
 * Tells everybody who waits for an operation how it ended, and watches the invoices of those that have not.
 *
 * @param tell is called in the transaction that forgets the promise
 * @returns looks at all of them, once
 */
export function createEndWatch(deps: EndWatchDeps): () => void {
  const { wallet, awaited, background, log } = deps;
  const watched = new Set<OperationId>();
  const elsewhere = new Set<OperationId>();

  const tell = ({ operation: id, to }: Awaited, operation: OperationSummary, role: Role): void => {
    const isToken = operation.kind === 'send' && ['issued', 'handed_over'].includes(operation.state);
    const token = role === 'admin' && isToken ? wallet.handOver(id, to.publicKey) : undefined;
    const asEcash = wallet.requests.paidFor(id) ?? zeroSat;
    // An invoice that nobody paid is no news where its request was.
    const isSilent = operation.state === 'expired' && asEcash >= operation.amount;
    deps.atomically(() => {
      if (!isSilent) deps.tell({ to, operation, token, asEcash });
      awaited.remove(id);
      if (token !== undefined) awaited.add({ operation: id, to, claim: true });
    });
  };

  /** Tokens whose claim is awaited, watched together at each mint: one request, one socket. */
  const claims = createClaimWatch(deps, () => look());

  const watch = (operation: OperationId): void => {
    if (watched.has(operation) || watched.size >= mostWatched) return;
    watched.add(operation);
    background.run('watching an invoice', async () => {
      try {
        await wallet.watchTopUp(operation, background.signal);
      } catch (error) {
        if (background.signal.aborted) return;
        log.warn({ operation, error }, 'an invoice could not be watched');
        await background.pause(retryWatchMs);
      } finally {
        watched.delete(operation);
      }
      look();
    });
  };

  const lookAt = (each: Awaited): void => {
    const role = deps.roleOf(each.to.publicKey);
    if (role === undefined) {
      // Who was removed meanwhile is told nothing.
      awaited.remove(each.operation);
      return;
    }
    const operation = wallet.operation(each.operation);
    if (operation === undefined) {
      // The promise was made by a bot with other words.
      if (!elsewhere.has(each.operation)) {
        elsewhere.add(each.operation);
        log.warn({ operation: each.operation }, 'an operation that somebody waits for is not in this wallet');
      }
    } else if (each.claim && operation.state === 'reclaimed') {
      // Whoever took it back knows.
      awaited.remove(each.operation);
    } else if (each.claim && out.includes(operation.state)) {
      claims.expect(operation.mint, each.operation);
    } else if (ends[operation.kind].includes(operation.state) || operation.trouble !== undefined) {
      tell(each, operation, role);
    } else if (operation.kind === 'mint') watch(each.operation);
  };

  const look = (): void => {
    if (background.signal.aborted) return;
    for (const each of awaited.list()) lookAt(each);
    claims.watch();
  };
  return look;
}
