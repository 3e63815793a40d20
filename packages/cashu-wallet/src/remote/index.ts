export { createWalletCaller, type WalletCaller } from './client.ts';
export { toJson } from './protocol.ts';
export {
  RemoteError,
  type RemoteErrorFacts,
  type RestoreProblem,
  remoteFactsOf,
  type UsageProblem,
} from './remote-error.ts';
export { serveWalletSocket, walletSocketPath } from './server.ts';
