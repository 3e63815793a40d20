import { randomUUID } from 'node:crypto';
import { RemoteError, type WalletLine } from '@nostr-dm-agent/cashu-wallet/remote';
import { z } from 'zod';
import {
  type KeyInvoice,
  keyAtNodeSchema,
  keyFactsSchema,
  keyNewsSchema,
  madeKeySchema,
  refundedKeySchema,
  toppedUpSchema,
} from './key-facts.ts';
import type { KeyCommand } from './key-handlers.ts';
import type { Waiting, WalletSession } from './wallet-session.ts';

/** What a session can do with keys. */
export type KeysOfSession = Pick<
  WalletSession,
  'makeKey' | 'waitForKey' | 'topUpKey' | 'refundKey' | 'keys' | 'keyInfo' | 'keySecret' | 'news' | 'export'
>;

/** The part of a session that is about keys. What is asked can be asked again: an id makes it one thing. */
export function keysOver(line: WalletLine): KeysOfSession {
  const ask = async <Answer>(
    command: KeyCommand,
    args: object,
    schema: z.ZodType<Answer>,
    signal: AbortSignal,
    onEvent: () => void = () => undefined,
  ): Promise<Answer> => {
    const answer = await line.ask(command, args, signal, { repeatable: true, onEvent });
    const parsed = schema.safeParse(answer);
    if (parsed.error) throw new RemoteError({ name: 'OtherVersionError' }, parsed.error);
    return parsed.data;
  };
  const keys: KeysOfSession['keys'] = (which, signal) =>
    ask('keys', { which }, z.array(keyFactsSchema), signal);
  const awaitKey = (id: string, signal: AbortSignal, waiting: Waiting<KeyInvoice> | undefined) =>
    ask('awaitKey', { id }, madeKeySchema, signal, waiting?.onAsked);

  return {
    async makeKey({ node, ...payment }, signal, waiting) {
      const id = `key-${randomUUID()}`;
      const first = await ask('makeKey', { id, node, payment }, madeKeySchema, signal);
      return untilPaid(first, () => awaitKey(id, signal, waiting), waiting);
    },
    async waitForKey(id, signal, waiting) {
      const facts = (await keys('open', signal)).find((key) => key.id === id);
      if (facts?.state === 'waiting' && facts.invoice !== undefined) waiting?.onInvoice?.(facts.invoice);
      const wait = () => awaitKey(id, signal, waiting);
      return untilPaid(await wait(), wait, undefined);
    },
    async topUpKey(key, payment, signal, waiting) {
      const id = `topup-${randomUUID()}`;
      const first = await ask('topUpKey', { id, key, payment }, toppedUpSchema, signal);
      const wait = () => ask('awaitKeyTopUp', { id }, toppedUpSchema, signal, waiting?.onAsked);
      return untilPaid(first, wait, waiting);
    },
    refundKey: (id, signal) => ask('refundKey', { id }, refundedKeySchema, signal),
    keys,
    keyInfo: (key, signal) => ask('keyInfo', { key }, keyAtNodeSchema.optional(), signal),
    keySecret: (id, signal) => ask('keySecret', { id }, z.string().optional(), signal),
    news: (signal) => ask('keyNews', {}, z.array(keyNewsSchema), signal),
    // As with the wallet's own answers: it says that it is of this version, and so it is of this shape.
    export: async (signal) =>
      (await line.ask('exportBooks', {}, signal, { repeatable: true })) as Awaited<
        ReturnType<WalletSession['export']>
      >,
  };
}

/** Shows what is to be paid, and waits for it. */
async function untilPaid<Answer extends { readonly state: string }>(
  first: Answer,
  wait: () => Promise<Answer>,
  waiting: Waiting<KeyInvoice> | undefined,
): Promise<Exclude<Answer, Unpaid>> {
  if (isDone(first)) return first;
  if (isUnpaid(first)) waiting?.onInvoice?.(first.invoice);
  for (;;) {
    const answer = await wait();
    if (isDone(answer)) return answer;
  }
}

type Unpaid = { readonly state: 'unpaid' };
const isUnpaid = (answer: object): answer is { readonly state: 'unpaid'; readonly invoice: KeyInvoice } =>
  'state' in answer && answer.state === 'unpaid';
const isDone = <Answer extends { readonly state: string }>(
  answer: Answer,
): answer is Exclude<Answer, Unpaid> => answer.state !== 'unpaid';
