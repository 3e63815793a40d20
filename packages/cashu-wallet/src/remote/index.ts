export {
  RemoteError,
  type RemoteErrorFacts,
  type RestoreProblem,
  remoteFactsOf,
  type UsageProblem,
} from './remote-error.ts';
export { type RestoredFrom, restoreFrom } from './restore-from.ts';
export { type CallerConfig, createWalletCaller } from './wallet-caller.ts';
export type { WalletAnswer, WalletCommand, WalletRequest } from './wallet-requests.ts';
export { serveWalletSocket, walletSocketPath } from './wallet-socket.ts';
export { toJson } from './wire.ts';
