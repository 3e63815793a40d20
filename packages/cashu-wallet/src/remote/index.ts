export {
  RemoteError,
  type RemoteErrorFacts,
  type RestoreProblem,
  remoteFactsOf,
  type UsageProblem,
} from './remote-error.ts';
export { createWalletCaller, type WalletCaller } from './wallet-caller.ts';
export { serveWalletSocket, walletSocketPath } from './wallet-socket.ts';
export { toJson } from './wire.ts';
