import type { Credential } from './credential.ts';

/** A login that waits for its owner; `end` takes away everything of it, and may be called again. */
export type LoginUnderWay = {
  readonly state: 'begun';
  /** As opencode calls this way in. */
  readonly label: string;
  readonly url: string;
  /** What the provider's words are: a code to be entered there. */
  readonly instructions: string;
  /** The owner gets a code there, and brings it back. */
  readonly wantsCode: boolean;
  /** Resolves when the provider has said yes or no. @throws the signal's reason */
  readonly finish: (code: string | undefined, signal: AbortSignal) => Promise<LoginEnd>;
  readonly end: () => Promise<void>;
};
export type LoginEnd =
  | { readonly state: 'connected'; readonly credential: Credential }
  | { readonly state: 'failed' };
export type LoginRefused = {
  readonly state: 'refused';
  /** `comes_back`: its browser has to end on the host itself. `asks`: it wants to know more first. `failed`: the provider said no. */
  readonly why: 'none' | 'comes_back' | 'asks' | 'failed';
};
export type BeginLogin = (provider: string, signal: AbortSignal) => Promise<LoginUnderWay | LoginRefused>;
