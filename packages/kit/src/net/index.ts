export { isAddress, isLoopbackHost, isOutside, isPublicAddress, unbracketed } from './address.ts';
export {
  createGuardedFetch,
  type GuardOptions,
  PrivateAddressError,
  RedirectError,
  type Resolver,
  type Target,
  targetsOf,
} from './guard.ts';
