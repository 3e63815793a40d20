// The wallet and persistent keys from another process: the bot's, the plugin's, the command line's.
export type {
  KeyAtNode,
  KeyFacts,
  KeyInvoice,
  KeyNews,
  KeyRefusal,
  KeySource,
  MadeKey,
  RefundedKey,
  ToppedUp,
} from './key-facts.ts';
export type {
  KeyPayment,
  OpenWalletSession,
  SessionConfig,
  Waiting,
  WalletSession,
} from './wallet-session.ts';
