// Keys and addresses as people write them, without the rest of the package.
export { InvalidKeyError, parsePublicKey, publicKeyOf } from './event.ts';
export { parseRelayUrl, RelayUrlError } from './relay/relay-url.ts';
