export { readMnemonic } from './crypto/seed.ts';
export { readMintUrl } from './mints/mint-list.ts';
export { createRequest, NotSentError } from './mints/request.ts';
export { createWallet, fingerprintOf, walletFile } from './open-wallet.ts';
export { openCashuWallet } from './wallet.ts';
