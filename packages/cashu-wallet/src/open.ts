export { openCashuWallet } from './cashu-wallet.ts';
export { readMnemonic } from './crypto/seed.ts';
export { readMintUrl } from './mints/mint-list.ts';
export { createRequest, NotSentError } from './mints/mint-transport.ts';
export { createWallet, fingerprintOf, mintsToday, walletFile } from './open-wallet.ts';
export { qrOfRequest } from './payment-requests/qr-of-request.ts';
