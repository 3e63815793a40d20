import type { PublicKey } from '@nostr-dm-agent/nostr';

/** How a provider was connected, as opencode names it: an API key, a login by OAuth, a URL that announces its provider. */
export const connectionKinds = ['api', 'oauth', 'wellknown'] as const;
export type ConnectionKind = (typeof connectionKinds)[number];

/**
 * `connected`: nothing speaks against it. `expired`: its login has run out. `error`: the provider refused it (401, 403) at a
 * check or in a run, or it can't be opened; see `error`. `revoked`: disconnected by its owner; nothing secret is kept of it.
 * What works again is `connected` again.
 */
export const connectionStatuses = ['connected', 'expired', 'error', 'revoked'] as const;
export type ConnectionStatus = (typeof connectionStatuses)[number];

/** An owner's own access to a provider. Times are Unix milliseconds. */
export type Connection = {
  readonly owner: string;
  /** Id of the provider in opencode's catalogue, or the host that announced it. */
  readonly provider: string;
  readonly kind: ConnectionKind;
  /** Sealed for `['connection', owner, provider]`; undefined once it is revoked. */
  readonly credential: string | undefined;
  readonly status: ConnectionStatus;
  /** What the provider or the bot said last, in one line without secrets. */
  readonly error: string | undefined;
  readonly usedAt: number | undefined;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** A credential, sealed in the same way, that takes the place of this one when its owner says so. */
  readonly replacement: { readonly credential: string; readonly at: number } | undefined;
};

/** The connections on disk; implemented by `store/connections-table.ts`. Synchronous, so that it can join a transaction. */
export type ConnectionStore = {
  readonly get: (owner: string, provider: string) => Connection | undefined;
  /** Those of an owner, by provider; revoked ones too. */
  readonly list: (owner: string) => readonly Connection[];
  readonly all: () => readonly Connection[];
  /** Connects, in place of what was there. */
  readonly put: (
    connection: Pick<Connection, 'provider' | 'kind' | 'error'> & {
      readonly owner: PublicKey;
      readonly credential: string;
    },
  ) => void;
  /** Keeps a credential until its owner says that it shall take the place of the one there is. */
  readonly propose: (owner: string, provider: string, credential: string) => void;
  /** Another seal around the same credential. */
  readonly reseal: (owner: string, provider: string, credential: string) => void;
  /** The newer state of the same login. False, and nothing is done, when `from` is not what is there any more. */
  readonly renew: (owner: string, provider: string, from: string, to: string) => boolean;
  readonly mark: (
    owner: string,
    provider: string,
    status: Exclude<ConnectionStatus, 'revoked'>,
    error: string | undefined,
  ) => void;
  readonly used: (owner: string, provider: string) => void;
  /** Forgets the credential. False when there is none. */
  readonly revoke: (owner: string, provider: string) => boolean;
};

/** A provider beside `local` and `routstr` that an owner can choose. */
export type ConnectedProvider = {
  readonly name: string;
  /** As people call it. */
  readonly title: string;
  /** Its default model. */
  readonly model: string;
};
