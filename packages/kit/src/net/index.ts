export { isLoopbackHost, isOutside, unbracketed } from './address.ts';
export { assertPublicName, PrivateAddressError, type PublicHostOptions } from './public-name.ts';
