import type { Brand } from '@nostr-dm-agent/kit/brand';
import type { Sat } from '@nostr-dm-agent/kit/sat';
import type { TokenProblem } from '../wallet-errors.ts';
import type { MintUrl, OperationId, Received, RequestId } from '../wallet-types.ts';

/** A payment request that payments are still looked for. */
export type OpenRequest = {
  readonly request: RequestId;
  /** The top-up whose other way to pay it is. */
  readonly topUp: OperationId;
  readonly mint: MintUrl;
  readonly amount: Sat;
  /** Face value of what has come and is in the wallet. */
  readonly came: Sat;
  /** Face value of what has come and is not redeemed yet, as its sender says. */
  readonly waiting: Sat;
  readonly createdAt: number;
};

/** Names a payment by its proofs. */
export type PaymentId = Brand<string, 'PaymentId'>;

/** What is to be told of a payment request, once. */
export type RequestNews = {
  readonly payment: PaymentId;
  readonly request: RequestId;
  /** undefined: it was made with these words by another database. */
  readonly asked: Sat | undefined;
  /** Who asked; a public key in hex. undefined: the operator, or it is not known. */
  readonly owner: string | undefined;
} & (
  | {
      readonly kind: 'came';
      readonly received: Received;
      /** What had come for it before: its face value, and what is left of that after the mint's fees. */
      readonly before: { readonly face: Sat; readonly net: Sat };
      /** The invoice of the same top-up is paid, too. */
      readonly invoicePaid: boolean;
    }
  /** Something came that can't be taken. Told of the first of a request alone: anybody can send such. */
  | { readonly kind: 'refused'; readonly problem: TokenProblem }
);

/** A key beside the bot's own that payments come to. */
export type RequestMailbox = { readonly publicKey: string; readonly secretKey: Uint8Array };

/** What became of something that was sent to a request's key. */
export type Delivery =
  /** On disk, to be redeemed. */
  | 'kept'
  /** These proofs came before. */
  | 'known'
  /** It can't be taken, whoever asks the mint. */
  | 'refused'
  /** No payment, or to nobody. */
  | 'junk'
  /** There is no room for it now: to be delivered again. */
  | 'later';

/** What became of a payment that was kept. */
export type PaymentOutcome =
  | 'redeemed'
  /** Another receipt had its proofs. */
  | 'repeated'
  /** Somebody else has them. */
  | 'spent'
  | 'refused'
  /** The mint can't be asked now. */
  | 'later';
