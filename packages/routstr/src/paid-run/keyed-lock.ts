/** One at a time for each name; whoever comes waits for those before, whatever became of them. */
export type KeyedLock = <T>(name: string, work: () => Promise<T>) => Promise<T>;

export function createKeyedLock(): KeyedLock {
  const tails = new Map<string, Promise<void>>();
  return async (name, work) => {
    const before = tails.get(name);
    const { promise: tail, resolve: leave } = Promise.withResolvers<void>();
    tails.set(name, tail);
    try {
      await before;
      return await work();
    } finally {
      leave();
      if (tails.get(name) === tail) tails.delete(name);
    }
  };
}
