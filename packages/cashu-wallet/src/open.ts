export { isSealedFile } from './at-rest/database-at-rest.ts';
export { type Keyring, systemKeyring } from './at-rest/keyring.ts';
export {
  openWords,
  referredWallet,
  removeSealedWords,
  SealedWordsError,
  type SealedWordsProblem,
  sealedReference,
  sealedWordsFile,
  sealWords,
  type WordsKey,
  wordsOpenWith,
} from './at-rest/sealed-words.ts';
export { openCashuWallet } from './cashu-wallet.ts';
export { readMnemonic } from './crypto/seed.ts';
export { readMintUrl } from './mints/mint-list.ts';
export { createRequest, NotSentError } from './mints/mint-transport.ts';
export { createWallet, fingerprintOf, mintsToday, walletFile } from './open-wallet.ts';
export { qrOfRequest } from './payment-requests/qr-of-request.ts';
