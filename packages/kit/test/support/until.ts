/** Waits for a condition instead of a time; fails with what was waited for. Patience costs nothing where it comes true: CI is busy. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  ms = 45_000,
): Promise<void> {
  const begun = performance.now();
  while (!(await condition())) {
    const waited = performance.now() - begun;
    if (waited > ms) throw new Error(`not within ${ms} ms: ${what}`);
    // What takes long is looked at less often: looking costs, and others test on the same two cores.
    await Bun.sleep(Math.min(100, Math.max(10, waited / 10)));
  }
}

/** A port may be in use for a moment after it was left. */
export const onceThePortIsFree = (listen: () => void): Promise<void> =>
  until(() => {
    try {
      listen();
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return false;
      throw error;
    }
  }, 'the port is free');
