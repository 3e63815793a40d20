import type { Database } from 'bun:sqlite';
import type { OperationId } from '@nostr-dm-agent/cashu-wallet';
import { jsonText } from '@nostr-dm-agent/kit/json';
import { change, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { Recipient } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { eventIdColumn, publicKeyColumn, relayUrlColumn } from './nostr-columns.ts';

/** An operation of the wallet whose outcome somebody was promised to be told. */
export type Awaited = { readonly operation: OperationId; readonly to: Recipient };

export type AwaitedStore = {
  /** To be part of the transaction that stores the promise. */
  readonly add: (awaited: Awaited) => void;
  readonly list: () => readonly Awaited[];
  readonly remove: (operation: OperationId) => void;
};

const row = rowOf({
  operation: z.string().transform((id) => id as OperationId),
  owner: publicKeyColumn,
  protocol: z.enum(['nip17', 'nip04']),
  fallbackRelays: jsonText(z.array(relayUrlColumn)),
  message: eventIdColumn.or(z.literal('')),
}).transform(
  ({ operation, owner, protocol, fallbackRelays, message }): Awaited => ({
    operation,
    to: { publicKey: owner, protocol, fallbackRelays, ...(message !== '' && { inReplyTo: message }) },
  }),
);

export function createAwaitedStore(db: Database): AwaitedStore {
  const insert = change(
    db,
    `INSERT INTO awaited_operations (operation, owner, protocol, fallback_relays, message) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (operation) DO NOTHING`,
  );
  return {
    add: ({ operation, to }) => {
      insert(operation, to.publicKey, to.protocol, JSON.stringify(to.fallbackRelays), to.inReplyTo ?? '');
    },
    list: select(db, 'SELECT * FROM awaited_operations', row).all,
    remove: change(db, 'DELETE FROM awaited_operations WHERE operation = ?'),
  };
}
