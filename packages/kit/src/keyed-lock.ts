import { untilAborted } from './abort.ts';

/** One at a time for each name, inside this process: first come, first served. */
export type KeyedLock<Name extends string = string> = {
  /** Waits for those before, whatever becomes of them; waiting ends with the signal, if there is one. */
  readonly run: <T>(name: Name, signal: AbortSignal | undefined, work: () => Promise<T>) => Promise<T>;
  readonly isHeld: (name: Name) => boolean;
};

export function createKeyedLock<Name extends string = string>(): KeyedLock<Name> {
  const tails = new Map<Name, Promise<void>>();
  return {
    isHeld: (name) => tails.has(name),
    async run(name, signal, work) {
      const before = tails.get(name) ?? Promise.resolve();
      const { promise: mine, resolve: leave } = Promise.withResolvers<void>();
      const tail = before.then(() => mine);
      tails.set(name, tail);
      try {
        await (signal === undefined ? before : untilAborted(before, signal));
        return await work();
      } finally {
        leave();
        if (tails.get(name) === tail) tails.delete(name);
      }
    },
  };
}
