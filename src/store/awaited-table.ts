import type { Database } from 'bun:sqlite';
import type { OperationId } from '@nostr-dm-agent/cashu-wallet';
import { jsonText } from '@nostr-dm-agent/kit/json';
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

const row = z
  .object({
    operation: z.string().transform((id) => id as OperationId),
    owner: publicKeyColumn,
    protocol: z.enum(['nip17', 'nip04']),
    fallback_relays: jsonText(z.array(relayUrlColumn)),
    message: eventIdColumn.or(z.literal('')),
  })
  .transform(
    ({ operation, owner, protocol, fallback_relays, message }): Awaited => ({
      operation,
      to: {
        publicKey: owner,
        protocol,
        fallbackRelays: fallback_relays,
        ...(message === '' ? {} : { inReplyTo: message }),
      },
    }),
  );

export function createAwaitedStore(db: Database): AwaitedStore {
  const insert = db.query(
    `INSERT INTO awaited_operations (operation, owner, protocol, fallback_relays, message) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (operation) DO NOTHING`,
  );
  const select = db.query('SELECT * FROM awaited_operations');
  const remove = db.query('DELETE FROM awaited_operations WHERE operation = ?');
  return {
    add: ({ operation, to }) => {
      insert.run(operation, to.publicKey, to.protocol, JSON.stringify(to.fallbackRelays), to.inReplyTo ?? '');
    },
    list: () => select.all().map((found) => row.parse(found)),
    remove: (operation) => {
      remove.run(operation);
    },
  };
}
