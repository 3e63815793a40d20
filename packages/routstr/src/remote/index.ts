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
export { keyHandlers, withKeys } from './key-handlers.ts';
export { openWalletSession } from './open-session.ts';
export { type KeysOfSession, keysOver } from './session-keys.ts';
export type {
  KeyPayment,
  SessionConfig,
  Waiting,
  WalletSession,
} from './wallet-session.ts';
