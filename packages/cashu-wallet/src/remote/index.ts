export { createWalletCaller, type WalletCaller } from './client.ts';
export { WalletCommandError } from './failure.ts';
export { toJson } from './protocol.ts';
export { serveWalletSocket, walletSocketPath } from './server.ts';
