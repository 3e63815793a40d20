/** One case of a crash matrix: what it is, and how it goes with a victim of its own. */
export type CrashCase<Victim, Result = void> = readonly [
  what: string,
  run: (victim: Victim) => Promise<Result>,
];

/** Works through the cases, each victim in a lane of its own. Throws the first failure, with its case's name. */
export async function inLanes<Victim, Result>(
  victims: readonly Victim[],
  cases: readonly CrashCase<Victim, Result>[],
): Promise<readonly Result[]> {
  const queue = [...cases];
  const results: Result[] = [];
  const lanes = victims.map(async (victim) => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [what, run] = next;
      results.push(
        await run(victim).catch((cause: unknown) => {
          throw new Error(what, { cause });
        }),
      );
    }
  });
  const outcomes = await Promise.allSettled(lanes);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return results;
}
