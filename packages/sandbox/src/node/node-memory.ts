import { createKeyedLock, type KeyedLock } from '@nostr-dm-agent/kit/keyed-lock';
import type { Account } from './node-accounts.ts';
import type { NodeRefusal } from './node-refusals.ts';

/** What the node remembers only as long as its process lives. Times in milliseconds. */
export type Memory = {
  /** Refund answers by SHA-256 of the bearer text. */
  readonly refunds: Map<
    string,
    { readonly expires: number; readonly body: Readonly<Record<string, string>> }
  >;
  /** Tokens that can never be redeemed, by hash. */
  readonly dead: Map<string, { readonly expires: number; readonly refusal: NodeRefusal }>;
  /** Tokens being redeemed, by hash: who presents one again waits for the first. */
  readonly presentations: Map<string, Promise<Account>>;
  /** Reservations whose request is still being served. */
  readonly serving: Set<string>;
  /** Invoices that are looked at: one look at a time for each. */
  readonly invoices: KeyedLock;
};

export const newMemory = (): Memory => ({
  refunds: new Map(),
  dead: new Map(),
  presentations: new Map(),
  serving: new Set(),
  invoices: createKeyedLock(),
});
