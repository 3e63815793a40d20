export { isAddress, isLoopbackHost, isOutside, isPublicAddress, unbracketed } from './address.ts';
export {
  createGuardedFetch,
  type GuardOptions,
  ownTarget,
  PrivateAddressError,
  RedirectError,
  type Resolver,
  type Target,
  targetsOf,
} from './guard.ts';
export {
  type ProxyAddress,
  ProxyAddressError,
  type ProxyAddressProblem,
  parseProxy,
} from './proxy-address.ts';
export {
  isOnion,
  isProxied,
  isReachable,
  leaveThrough,
  mayBePlain,
  NoWayOutError,
  outwardFetch,
  type ProxyReport,
  proxyReport,
  tryProxy,
  watchProxy,
  wayOut,
} from './way-out.ts';
