import type { PublicKey } from '@nostr-dm-agent/nostr';

/** An owner who looks at the page: a link of the bot or a signature of theirs let them in. */
export type Visitor = { readonly publicKey: PublicKey; readonly role: 'admin' | 'member' };
