import { randomBytes } from 'node:crypto';
import { encodeInvoice } from '@nostr-dm-agent/sandbox/mint';

/** An invoice of a node that nobody knows: FakeWallet pays it, and Lightning costs it 1 sat. */
export const foreignInvoice = (amount: number): string =>
  encodeInvoice(
    {
      network: 'bc',
      amountMsat: BigInt(amount) * 1000n,
      timestamp: Math.floor(Date.now() / 1000),
      paymentHash: randomBytes(32),
      paymentSecret: randomBytes(32),
      description: 'interop',
      expirySeconds: 3600,
    },
    randomBytes(32),
  );
