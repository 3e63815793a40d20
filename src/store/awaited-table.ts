import type { Database } from 'bun:sqlite';
import type { OperationId } from '@nostr-dm-agent/cashu-wallet';
import { jsonText } from '@nostr-dm-agent/kit/json';
import { change, rowOf, select } from '@nostr-dm-agent/kit/sqlite';
import type { Recipient } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { eventIdColumn, publicKeyColumn, relayUrlColumn } from './nostr-columns.ts';

/** An operation of the wallet whose outcome somebody was promised to be told. */
export type Awaited = {
  readonly operation: OperationId;
  readonly to: Recipient;
  /** Of a token: that it is claimed, or taken back by somebody else. Else: that the operation ends. */
  readonly claim: boolean;
};

export type AwaitedStore = {
  /** To be part of the transaction that stores the promise. Once a token is made, its claim may be awaited instead. */
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
  claim: z.number().transform((n) => n === 1),
}).transform(
  ({ operation, owner, protocol, fallbackRelays, message, claim }): Awaited => ({
    operation,
    claim,
    to: { publicKey: owner, protocol, fallbackRelays, ...(message !== '' && { inReplyTo: message }) },
  }),
);

export function createAwaitedStore(db: Database): AwaitedStore {
  const insert = change(
    db,
    `INSERT INTO awaited_operations (operation, owner, protocol, fallback_relays, message, claim)
     VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (operation) DO UPDATE SET claim = 1 WHERE excluded.claim = 1`,
  );
  return {
    add: ({ operation, to, claim }) => {
      const relays = JSON.stringify(to.fallbackRelays);
      insert(operation, to.publicKey, to.protocol, relays, to.inReplyTo ?? '', claim ? 1 : 0);
    },
    list: select(db, 'SELECT * FROM awaited_operations', row).all,
    remove: change(db, 'DELETE FROM awaited_operations WHERE operation = ?'),
  };
}
