export { lockWalletFile, migrateWallet, type ProofSums, proofSumsIn } from '../store/migrate-wallet.ts';
export { type PutBack, putBack, takeForOld } from '../store/put-back.ts';
export {
  RemoteError,
  type RemoteErrorFacts,
  type RestoreProblem,
  remoteFactsOf,
  type UsageProblem,
} from './remote-error.ts';
export { handler, type RemoteExtension, type RemoteHandlers } from './remote-handler.ts';
export { type RestoredFrom, restoreFrom } from './restore-from.ts';
export { callerOver, createWalletCaller, createWalletLine, type WalletLine } from './wallet-caller.ts';
export { type HolderConfig, takeOver } from './wallet-holder.ts';
export type { WalletAnswer, WalletCommand, WalletRequest } from './wallet-requests.ts';
export { serveWalletSocket, walletSocketPath } from './wallet-socket.ts';
export { toJson } from './wire.ts';
