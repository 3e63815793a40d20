import type { RunPayment } from '../backends/payment.ts';
import type { PreparedRun } from './provider.ts';

export type PaidWork<Work> =
  | { readonly state: 'refused'; readonly reason: string }
  /** Somebody ended it before its agent began. */
  | { readonly state: 'stopped' }
  | { readonly state: 'worked'; readonly work: Work };

export type PaidTask<Work> = {
  readonly pay: (signal: AbortSignal) => Promise<PreparedRun>;
  /** @param payment a promise: on its way, and it may fail */
  readonly work: (payment: RunPayment | Promise<RunPayment>, ended: AbortSignal) => Promise<Work>;
};

/** @throws what `pay` or `work` throw */
export async function payThenWork<Work>(
  { pay, work }: PaidTask<Work>,
  signal: AbortSignal,
): Promise<PaidWork<Work>> {
  const prepared = await pay(signal);
  if (prepared.state === 'refused') return prepared;
  if (signal.aborted) return { state: 'stopped' };
  return { state: 'worked', work: await work(prepared.payment, neverAborted) };
}

/**
 * For an agent that is held at a door until its run is paid: mint and node are asked while it gets ready. When paying
 * fails the work is ended, and nothing of it has reached a model. Both are over when this resolves.
 *
 * @throws what `pay` or `work` throw
 */
export async function payAndWork<Work>(
  { pay, work }: PaidTask<Work>,
  signal: AbortSignal,
): Promise<PaidWork<Work>> {
  const unpaid = new AbortController();
  const unused = new AbortController();
  const paying = pay(AbortSignal.any([signal, unused.signal]));
  const payment = paying.then((prepared) => {
    if (prepared.state === 'refused') throw new Error('the run is not paid for');
    return prepared.payment;
  });
  payment.catch(() => unpaid.abort());
  // One that ended by itself before it was paid for has nothing to pay.
  let endedFirst = false;
  const working = work(payment, unpaid.signal).finally(() => {
    endedFirst = !unpaid.signal.aborted;
    unused.abort();
  });
  const [paid, worked] = await Promise.allSettled([paying, working]);
  if (worked.status === 'rejected') throw worked.reason;
  if (!endedFirst) {
    if (paid.status === 'rejected') throw paid.reason;
    if (paid.value.state === 'refused') return paid.value;
  }
  return { state: 'worked', work: worked.value };
}

const neverAborted = new AbortController().signal;
