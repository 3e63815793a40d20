/** A Lightning network of sandbox mints: what one of them pays, the one whose invoice it is is paid. */
export type SandboxNetwork = {
  /** Gives the way to leave. */
  readonly join: (mint: SandboxPayee) => () => void;
  /** Who made this invoice; undefined: nobody here. */
  readonly payeeOf: (invoice: string) => SandboxPayee | undefined;
};

/** A mint, as those who pay it see it. */
export type SandboxPayee = {
  readonly owns: (invoice: string) => boolean;
  readonly isPaid: (invoice: string) => boolean;
  readonly receive: (invoice: string) => void;
};

export function createSandboxNetwork(): SandboxNetwork {
  const mints = new Set<SandboxPayee>();
  return {
    join: (mint) => {
      mints.add(mint);
      return () => mints.delete(mint);
    },
    payeeOf: (invoice) => [...mints].find((mint) => mint.owns(invoice)),
  };
}
