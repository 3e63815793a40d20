/** One case of a crash matrix: what it is, and how it goes with a victim of its own. */
export type CrashCase<Victim> = readonly [what: string, run: (victim: Victim) => Promise<void>];

/** Works through the cases, each victim in a lane of its own. Throws the first failure, with its case's name. */
export async function inLanes<Victim>(
  victims: readonly Victim[],
  cases: readonly CrashCase<Victim>[],
): Promise<void> {
  const queue = [...cases];
  const lanes = victims.map(async (victim) => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [what, run] = next;
      await run(victim).catch((cause: unknown) => {
        throw new Error(what, { cause });
      });
    }
  });
  const outcomes = await Promise.allSettled(lanes);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
