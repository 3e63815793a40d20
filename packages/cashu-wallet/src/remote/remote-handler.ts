/*
 * What can be asked of whoever has the wallet: tables of handlers. The wallet's own are in `wallet-requests.ts`; other
 * packages add theirs (`RemoteExtension`), and they travel over the same socket.
 */
import type { z } from 'zod';
import type { CashuWallet } from '../faces.ts';

export type RemoteContext = {
  /** Aborted when whoever asked wants it no more, when time is up, and when the wallet is closed. */
  readonly signal: AbortSignal;
  /** Told to whoever asked, before the answer. */
  readonly progress: (event: unknown) => void;
};

export type RemoteHandler = {
  /** Reads nothing but the disk: nobody waits for a mint before it. */
  readonly offline?: true;
  /**
   * Waits for somebody outside, and can be asked again at any time: it ends when who asked is gone, and is asked anew
   * when the wallet changes hands. Has no time limit.
   */
  readonly waits?: true;
  /** @throws what is told as facts (`remoteFactsOf`) */
  readonly perform: (args: unknown, context: RemoteContext) => unknown;
};
export type RemoteHandlers = ReadonlyMap<string, RemoteHandler>;

/** Checks the arguments, then works. @throws ZodError */
export const handler = <Args>(
  schema: z.ZodType<Args>,
  perform: (args: Args, context: RemoteContext) => unknown,
  kind: Pick<RemoteHandler, 'offline' | 'waits'> = {},
): RemoteHandler => ({ ...kind, perform: (args, context) => perform(schema.parse(args), context) });

/** What another package adds for as long as the wallet is open here. */
export type RemoteExtension = (wallet: CashuWallet) => {
  readonly handlers: RemoteHandlers;
  /** After the wallet's own recovery, before anything that reaches out. */
  readonly recover: (signal: AbortSignal) => Promise<void>;
  readonly close: () => Promise<void>;
};
