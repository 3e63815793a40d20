/** Waits for a condition instead of a time; fails with what was waited for. Patience costs nothing where it comes true: CI is busy. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  ms = 45_000,
): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await Bun.sleep(10);
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
