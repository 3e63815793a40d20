/*
 * Keys that a user has in hand (`sk-…`): for opencode at a desk. One account at a node for each; what pays for it is the
 * wallet, a token that is pasted (`user-key-token.ts`), or an invoice of the node that anybody pays. Their rows go the
 * ways of an account (`node-account.ts`); what the user spends is the node's word alone.
 *
 *   created ─► token_issued ─► deposited ─► kept ─► refund_due ─► change_held ─► settled
 *      │                                    ▲ ▲
 *      └─► invoiced ────────── paid ────────┘ └─ a top-up is merged; one that is paid after its key has left goes home, too
 *
 *   state      on disk when it is entered             killed in it: recovery
 *   ─────────  ─────────────────────────────────────  ─────────────────────────────────────────────────────────────
 *   created    a pasted token, kept by the wallet     no token was made for it: void; the wallet redeems what is kept
 *   invoiced   the node's invoice, before it is seen  the node is asked whether it was paid, until a day after its end
 *   kept       what the node credited                 nothing to do
 *
 * What was cut off is told by the next who asks (`news`), once: a row's user knows its state when `told` says so.
 */
import { pause } from '@nostr-dm-agent/kit/abort';
import { isApiKey } from '../node/api-key.ts';
import type { KeyAtNode, KeyFacts, KeyNews, MadeKey, RefundedKey, ToppedUp } from '../remote/key-facts.ts';
import type { KeyPayment } from '../remote/wallet-session.ts';
import { advance } from './advance.ts';
import type { MakeRoom } from './budget-rules.ts';
import { isIn, isOfUserKey, isOpen, moneyOf, type PaidRun, staysAtNode } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { addedOf, madeOf, refuse } from './user-key-answers.ts';
import { again, begin, isDone, type NewKey } from './user-key-begin.ts';
import { factsOf, newsOf, secretOf } from './user-key-facts.ts';
import { lookAt, refundKey } from './user-key-refund.ts';

type TopUpOf = { readonly id: string; readonly key: string; readonly payment: KeyPayment };

export type UserKeys = {
  /** The same id again makes nothing: it says what became of it. */
  readonly make: (request: NewKey, signal: AbortSignal) => Promise<MadeKey>;
  /** Until its invoice is paid, or nobody will pay it. */
  readonly awaitKey: (id: string, signal: AbortSignal, onAsked: () => void) => Promise<MadeKey>;
  /** The same for more on a key; the id is the top-up's. */
  readonly topUp: (request: TopUpOf, signal: AbortSignal) => Promise<ToppedUp>;
  readonly awaitTopUp: (id: string, signal: AbortSignal, onAsked: () => void) => Promise<ToppedUp>;
  readonly refund: (id: string, signal: AbortSignal) => Promise<RefundedKey>;
  readonly list: (which: 'open' | 'all') => readonly KeyFacts[];
  readonly info: (idOrKey: string, signal: AbortSignal) => Promise<KeyAtNode | undefined>;
  readonly secret: (id: string) => string | undefined;
  /** Tells each thing once. */
  readonly news: () => readonly KeyNews[];
  /** Brings what was cut off as far as it gets now; nothing but keys. For where no bot does it. */
  readonly recover: (signal: AbortSignal) => Promise<void>;
};

/** A start does not wait longer for nodes. */
const longestRecoveryMs = 5_000;

/** Where this process makes budgets ahead, they are money for a key, too. */
const nothingAhead: MakeRoom = async () => undefined;

export function createUserKeys(deps: PaidRunDeps, makeRoom: MakeRoom = nothingAhead): UserKeys {
  const { store } = deps;
  const rows = (): readonly PaidRun[] => store.userKeys().map(({ run }) => run);
  const keyRow = (id: string): PaidRun | undefined => {
    const row = store.find(id);
    return row && isOfUserKey(row) && staysAtNode(row) ? row : undefined;
  };
  /** One thing at a time for the money of a key. */
  const alone = <T>(row: PaidRun, work: () => Promise<T>): Promise<T> =>
    deps.lock(moneyOf(row), () => deps.live.during(row.id, work));

  return {
    make: async (request, signal) => {
      const { payment, node } = request;
      if (payment.from === 'wallet') await makeRoom(payment.amount, node, signal);
      return makeKey(deps, request, signal);
    },
    topUp: async (request, signal) => {
      const { payment, key } = request;
      const node = keyRow(key)?.node;
      if (payment.from === 'wallet' && node) await makeRoom(payment.amount, node, signal);
      return topUpKey(deps, request, signal);
    },
    awaitKey: async (id, signal, onAsked) => {
      const row = keyRow(id);
      if (row === undefined) return refuse({ kind: 'unknown_id' });
      return madeOf(deps, await untilPaid(deps, row, signal, onAsked));
    },
    awaitTopUp: async (id, signal, onAsked) => {
      const row = store.find(id);
      if (row === undefined || !isOfUserKey(row)) return refuse({ kind: 'unknown_id' });
      return addedOf(deps, await untilPaid(deps, row, signal, onAsked));
    },

    refund: async (id, signal) => {
      const row = keyRow(id);
      if (row === undefined) return refuse({ kind: 'unknown_id' });
      return alone(row, () => refundKey(deps, id, signal));
    },

    list: (which) =>
      rows()
        .filter((row) => staysAtNode(row) && (which === 'all' || isOpen(row.body)))
        .map((row) => factsOf(store, row)),

    info: async (idOrKey, signal) => {
      const row = isApiKey(idOrKey)
        ? rows().find((each) => staysAtNode(each) && secretOf(each) === idOrKey)
        : keyRow(idOrKey);
      return row && lookAt(deps, row, signal);
    },

    secret: (id) => {
      const row = keyRow(id);
      return row && isIn(row, 'kept') ? secretOf(row) : undefined;
    },

    news: () => {
      const news: KeyNews[] = [];
      for (const { run, told } of store.userKeys()) {
        if (deps.live.includes(run)) continue;
        const each = newsOf(deps, run, told);
        if (each === undefined) continue;
        news.push(each);
        store.setTold(run.id);
      }
      return news;
    },

    recover: async (signal) => {
      const enough = AbortSignal.any([signal, AbortSignal.timeout(longestRecoveryMs)]);
      const open = rows().filter((row) => isOpen(row.body) && !isIn(row, 'kept') && !deps.live.includes(row));
      await Promise.all(
        open.map(async (row) => {
          try {
            await deps.lock(moneyOf(row), () => advance(deps, row.id, enough));
          } catch (error) {
            signal.throwIfAborted();
            deps.log.warn({ run: row.id, error }, 'a key of an earlier life could not be looked after yet');
          }
        }),
      );
    },
  };
}

async function makeKey(
  deps: PaidRunDeps,
  { id, node, payment }: NewKey,
  signal: AbortSignal,
): Promise<MadeKey> {
  const { store } = deps;
  return deps.lock(id, () =>
    deps.live.during(id, async () => {
      const begun = { id, node, payment, parent: undefined };
      const isKnown = store.find(id) !== undefined;
      const refused = await (isKnown ? again : begin)(deps, begun, signal);
      if (refused) return refuse(refused.refusal, refused.money);
      return madeOf(deps, store.get(id));
    }),
  );
}

async function topUpKey(
  deps: PaidRunDeps,
  { id, key, payment }: TopUpOf,
  signal: AbortSignal,
): Promise<ToppedUp> {
  const { store } = deps;
  return deps.lock(key, () =>
    deps.live.during(id, async () => {
      const known = store.find(id);
      if (known && isDone(known)) return addedOf(deps, known);
      const parent = store.find(key);
      if (parent === undefined || !isOfUserKey(parent)) return refuse({ kind: 'unknown_id' });
      const facts = factsOf(store, parent);
      if (!isIn(parent, 'kept')) return refuse({ kind: 'not_kept', state: facts.state });
      if (known === undefined && facts.arriving > 0)
        return refuse({ kind: 'still_adding', amount: facts.arriving });
      const begun = { id, node: parent.node, payment, parent };
      const refused = await (known ? again : begin)(deps, begun, signal);
      if (refused) return refuse(refused.refusal, refused.money);
      return addedOf(deps, store.get(id));
    }),
  );
}

/** Asks again and again; what it waits for is on disk. Ends after the invoice has, too. */
async function untilPaid(
  deps: PaidRunDeps,
  row: PaidRun,
  signal: AbortSignal,
  onAsked: () => void,
): Promise<PaidRun> {
  for (;;) {
    const now = await deps.lock(moneyOf(row), () =>
      deps.live.during(row.id, async () => {
        const before = deps.store.get(row.id);
        return isIn(before, 'invoiced') ? advance(deps, row.id, signal) : before;
      }),
    );
    if (!isIn(now, 'invoiced')) return now;
    const [last] = deps.store.evidence(row.id).toReversed();
    const isOver = deps.clock.now() > now.body.expiresAt;
    if (isOver && (last?.outcome === 'expired' || last?.outcome === 'cancelled')) return now;
    onAsked();
    await pause(deps.waits.invoice, signal);
    signal.throwIfAborted();
  }
}
