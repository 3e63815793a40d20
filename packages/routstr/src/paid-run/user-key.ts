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
import { msatToSatFloor, type Sat, sat, zeroSat } from '@nostr-dm-agent/kit/sat';
import { isApiKey } from '../node/api-key.ts';
import type { NodeUrl } from '../node/node-url.ts';
import type {
  KeyAtNode,
  KeyFacts,
  KeyNews,
  KeyRefusal,
  MadeKey,
  RefundedKey,
  ToppedUp,
} from '../remote/key-facts.ts';
import type { KeyPayment } from '../remote/wallet-session.ts';
import { advance, advanceWhileWaiting, becomeDue } from './advance.ts';
import { type MakeRoom, refuseMint } from './budget-rules.ts';
import { askForKey } from './key-at-node.ts';
import { fill } from './node-account-deposit.ts';
import { isIn, isOfUserKey, isOpen, moneyOf, type PaidRun, type PaidRunIn, staysAtNode } from './paid-run.ts';
import type { PaidRunDeps } from './paid-run-deps.ts';
import { type Whereabouts, whereaboutsOf } from './payment-refusals.ts';
import { factsOf, newsOf, secretOf } from './user-key-facts.ts';
import { checkToken, keepOnce, mostOf, type Refused, redeemForKey } from './user-key-token.ts';

type NewKey = { readonly id: string; readonly node: NodeUrl; readonly payment: KeyPayment };
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
const neverLeft = { state: 'never_left' } as const;

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

const refuse = (refusal: KeyRefusal, money: Whereabouts = neverLeft) =>
  ({ state: 'refused', refusal, money }) as const;

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

/**
 * Asked again: whoever asked did not hear the answer, because the process that did it ended. What came to nothing is done
 * once more.
 */
async function again(deps: PaidRunDeps, begun: Begun, signal: AbortSignal): Promise<Refused | undefined> {
  const { store } = deps;
  const { id, payment, parent } = begun;
  const before = store.get(id);
  const row = isOpen(before.body) && !isDone(before) ? await advance(deps, id, signal) : before;
  if (isDone(row)) return undefined;
  if (!isIn(row, 'settled', 'void')) {
    store.setTold(id);
    return { refusal: { kind: 'interrupted' }, money: whereaboutsOf(row) };
  }
  const fresh = store.again(id, row.node);
  switch (payment.from) {
    case 'wallet':
      return bring(deps, fresh, parent, signal);
    case 'token':
      return bringToken(deps, fresh, parent, signal);
    case 'invoice':
      return askForInvoice(deps, begun, payment.amount, signal);
  }
}

const isDone = (row: PaidRun): boolean => isIn(row, 'kept', 'merged', 'invoiced');

type Begun = NewKey & { readonly parent: PaidRunIn<'kept'> | undefined };

/** From nothing to a row that is kept, merged or invoiced; else why not. */
async function begin(deps: PaidRunDeps, begun: Begun, signal: AbortSignal): Promise<Refused | undefined> {
  const { store } = deps;
  const { id, node, payment, parent } = begun;
  // Asked first: which mints it takes, and whether it is there at all.
  const about = await deps.nodes.ask(node, signal);
  if (about.state !== 'ok') return { refusal: { kind: 'node_away', node }, money: neverLeft };
  const ticket = {
    purpose: 'key',
    owner: 'key',
    prompt: `key at ${new URL(node).host}`,
    source: payment.from,
    ...(parent && { parent: parent.id }),
  } as const;
  switch (payment.from) {
    case 'invoice':
      store.create(id, node, { ...ticket, budget: payment.amount });
      deps.reached('run:created');
      return askForInvoice(deps, begun, payment.amount, signal);
    case 'wallet': {
      const short = refuseMint(deps, payment.amount, node);
      if (short) return { refusal: short, money: neverLeft };
      const created = store.create(id, node, { ...ticket, budget: payment.amount });
      deps.reached('run:created');
      return bring(deps, created, parent, signal);
    }
    case 'token': {
      const checked = checkToken(deps, payment.token, node);
      if ('refusal' in checked) return checked;
      const created = deps.wallet.transaction(() => {
        const keptToken = keepOnce(deps, payment.token, id);
        if (keptToken === undefined) return undefined;
        return store.create(id, node, { ...ticket, budget: checked.face, keptToken, mint: checked.mint });
      });
      if (created === undefined) return knownToken(deps, payment.token);
      deps.reached('run:created');
      return bringToken(deps, created, parent, signal);
    }
  }
}

/** It came before. */
function knownToken({ wallet }: PaidRunDeps, token: string): Refused {
  const kept = wallet.keep(token, 'for a key');
  const problem = wallet.keptState(kept) === 'spent' ? 'spent' : 'known';
  const refusal: KeyRefusal =
    problem === 'spent' ? { kind: 'token', problem: { kind: 'spent' } } : { kind: 'token_known' };
  return { refusal, money: neverLeft };
}

async function bringToken(
  deps: PaidRunDeps,
  created: PaidRun,
  parent: PaidRunIn<'kept'> | undefined,
  signal: AbortSignal,
): Promise<Refused | undefined> {
  const { store } = deps;
  const { id, ticket } = created;
  const giveUp = (refused: Refused): Refused => {
    store.move(id, ['created'], { state: 'void' });
    store.setTold(id);
    return refused;
  };
  if (ticket.keptToken === undefined) return undefined;
  const received = await redeemForKey(deps, ticket.keptToken, signal);
  if ('refusal' in received) return giveUp(received);
  const { amount, fee } = received;
  const net = await mostOf(deps, received, signal);
  if (net === 0) {
    const money = { state: 'back', spent: zeroSat, change: amount, fee } as const;
    return giveUp({ refusal: { kind: 'too_small', amount }, money });
  }
  return bring(deps, store.setBudget(id, net), parent, signal);
}

async function bring(
  deps: PaidRunDeps,
  created: PaidRun,
  parent: PaidRunIn<'kept'> | undefined,
  signal: AbortSignal,
): Promise<Refused | undefined> {
  const filled = await fill(deps, created, parent, signal);
  if (filled.state !== 'refused') return undefined;
  const money = whereaboutsOf(deps.store.get(created.id));
  // What was pasted is in the wallet, whatever became of its way on.
  const { ticket } = created;
  const inWallet = money.state === 'never_left' && ticket.keptToken !== undefined;
  deps.store.setTold(created.id);
  return {
    refusal: filled.refusal,
    money: inWallet ? { state: 'back', spent: zeroSat, change: ticket.budget, fee: zeroSat } : money,
  };
}

async function askForInvoice(
  deps: PaidRunDeps,
  { id, node, parent }: Begun,
  amount: Sat,
  signal: AbortSignal,
): Promise<Refused | undefined> {
  const { store } = deps;
  const key = parent && secretOf(parent);
  const asked = await deps.nodes.at(node).lightning.invoice(amount, key, signal);
  store.record(id, 'invoice', asked.state, asked.evidence);
  if (asked.state === 'invoice') {
    const { invoiceId, invoice, expiresAt } = asked;
    // Before anybody sees it: what is paid is found.
    store.move(id, ['created'], {
      state: 'invoiced',
      ...{ invoiceId, invoice, expiresAt },
      ...(key !== undefined && { key }),
    });
    deps.reached('run:invoiced');
    return undefined;
  }
  store.move(id, ['created'], { state: 'void' });
  store.setTold(id);
  return { refusal: invoiceRefusal(asked.state, node, asked.evidence.message), money: neverLeft };
}

function invoiceRefusal(
  state: 'unsupported' | 'refused' | 'unavailable',
  node: NodeUrl,
  message: string,
): KeyRefusal {
  switch (state) {
    case 'unsupported':
      return { kind: 'no_lightning', node };
    case 'refused':
      return { kind: 'no_invoice', node, message };
    case 'unavailable':
      return { kind: 'node_away', node };
  }
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

/** What is to be said of a key that was to be made. */
function madeOf({ store }: PaidRunDeps, row: PaidRun): MadeKey {
  const key = factsOf(store, row);
  store.setTold(row.id);
  const secret = secretOf(row);
  if (isIn(row, 'kept') && secret !== undefined) return { state: 'made', key, secret };
  if (isIn(row, 'invoiced') && key.invoice !== undefined && isPayable(row)) {
    return { state: 'unpaid', key, invoice: key.invoice };
  }
  if (isIn(row, 'invoiced', 'void')) return refuse({ kind: 'invoice_expired', node: row.node });
  return refuse({ kind: 'not_kept', state: key.state }, whereaboutsOf(row));
}

function addedOf({ store }: PaidRunDeps, row: PaidRun): ToppedUp {
  const parent = store.find(row.ticket.parent ?? '');
  const key = factsOf(store, parent ?? row);
  store.setTold(row.id);
  if (isIn(row, 'merged')) return { state: 'added', key, amount: row.ticket.budget };
  if (isIn(row, 'invoiced') && key.invoice !== undefined && isPayable(row)) {
    return { state: 'unpaid', key, invoice: key.invoice };
  }
  if (isIn(row, 'invoiced', 'void')) return refuse({ kind: 'invoice_expired', node: row.node });
  return refuse({ kind: 'not_kept', state: key.state }, whereaboutsOf(row));
}

const isPayable = ({ body }: PaidRunIn<'invoiced'>): boolean => Date.now() < body.expiresAt;

async function refundKey(deps: PaidRunDeps, id: string, signal: AbortSignal): Promise<RefundedKey> {
  const { store } = deps;
  const before = await (isIn(store.get(id), 'kept', 'settled', 'void')
    ? store.get(id)
    : advance(deps, id, signal));
  if (isIn(before, 'void', 'invoiced')) {
    const { state } = factsOf(store, before);
    return refuse({ kind: 'not_kept', state });
  }
  if (isIn(before, 'kept')) {
    const { run } = await seenAt(deps, before, signal);
    const { spentMsat = 0 } = run.body;
    becomeDue(deps, run, { spentMsat, mostMsat: undefined });
  }
  const row = isOpen(store.get(id).body) ? await advanceWhileWaiting(deps, id, signal) : store.get(id);
  store.setTold(id);
  const key = factsOf(store, row);
  if (isIn(row, 'settled')) return { state: 'returned', key, received: row.body.change };
  if (isIn(row, 'needs_operator')) {
    const { trouble, detail } = row.body;
    return { state: 'doubtful', key, trouble, detail };
  }
  return { state: 'under_way', key };
}

/** Asks the node, and writes down what was spent. */
async function seenAt(deps: PaidRunDeps, row: PaidRunIn<'kept'>, signal: AbortSignal) {
  const info = await askForKey(deps, row, signal);
  const spentMsat = info.state === 'known' ? info.balance.totalSpentMsat : undefined;
  const now = deps.store.get(row.id);
  if (spentMsat === undefined || !isIn(now, 'kept')) return { info, run: row };
  const body = { ...now.body, spentMsat: Math.max(0, spentMsat) };
  if (body.spentMsat !== now.body.spentMsat) deps.store.move(row.id, ['kept'], body);
  return { info, run: { ...now, body } };
}

async function lookAt(deps: PaidRunDeps, row: PaidRun, signal: AbortSignal): Promise<KeyAtNode> {
  if (!isIn(row, 'kept')) return { key: factsOf(deps.store, row), seen: { state: 'none' } };
  const { info } = await seenAt(deps, row, signal);
  const key = factsOf(deps.store, deps.store.get(row.id));
  switch (info.state) {
    case 'unavailable':
      return { key, seen: { state: 'away' } };
    case 'unknown_key':
      return { key, seen: { state: 'unknown_key' } };
    case 'known': {
      const { availableMsat, reservedMsat, totalSpentMsat } = info.balance;
      const whole = (msat: number): Sat => msatToSatFloor(Math.max(0, msat));
      return {
        key,
        seen: {
          state: 'known',
          available: whole(availableMsat),
          reserved: whole(reservedMsat),
          ...(totalSpentMsat !== undefined && { spent: sat(Math.ceil(Math.max(0, totalSpentMsat) / 1000)) }),
        },
      };
    }
  }
}
