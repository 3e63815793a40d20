import type { Provider } from './provider.ts';

/** The provider of a run, and what its owner is told when it is not the one that they chose. */
export type ChosenProvider = { readonly provider: Provider; readonly note: ProviderNote | undefined };

/** Why a run is paid for by another provider than its owner wanted. */
export type ProviderNote =
  /** The backend works on its own login. */
  | { readonly why: 'backend'; readonly wanted: string; readonly backend: string }
  /** The session's connection does not work (`gone`: is not there any more), and its owner has chosen since. */
  | { readonly why: 'broken'; readonly wanted: string; readonly used: string; readonly gone: boolean }
  | { readonly why: 'not-connected'; readonly wanted: string }
  /** It is no provider that there is: of an older version, or `routstr` without a wallet. */
  | { readonly why: 'missing'; readonly wanted: string };
