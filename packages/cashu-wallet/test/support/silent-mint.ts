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
