import { Amount, getEncodedToken } from '@cashu/cashu-ts';

/** Accepts connections, reads what comes and never answers. */
export function silentMint() {
  let connections = 0;
  const server = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open: () => {
        connections += 1;
      },
      data: () => undefined,
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    connections: () => connections,
    end: () => server.stop(true),
  };
}

/** A token of a mint that is never asked about it: well made, of no value. */
export const tokenThatNobodyReads = (mint: string, n: number): string =>
  getEncodedToken({
    mint,
    unit: 'sat',
    proofs: [
      { id: '009a1f293253e41e', amount: Amount.from(8), secret: `secret ${n}`, C: `02${'ab'.repeat(32)}` },
    ],
  });
