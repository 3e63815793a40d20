/** Stands before a mint or a node. Requests that it holds get no answer at all, as from a machine that hangs. */
export function startGate(target: string) {
  let shutFor: RegExp | undefined;
  let held = 0;
  const answered = new Set<() => void>();
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    fetch: async (request) => {
      const { pathname, search } = new URL(request.url);
      if (shutFor?.test(pathname)) {
        held++;
        await new Promise<void>((resolve) => answered.add(resolve));
      }
      return fetch(`${target}${pathname}${search}`, {
        method: request.method,
        headers: request.headers,
        body: request.body,
        signal: request.signal,
      });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    /** How many requests it has held since it was shut. */
    held: () => held,
    shut: (paths = /./): void => {
      held = 0;
      shutFor = paths;
    },
    open: (): void => {
      shutFor = undefined;
      for (const answer of answered) answer();
      answered.clear();
    },
    stop: () => server.stop(true),
  };
}
export type Gate = ReturnType<typeof startGate>;
