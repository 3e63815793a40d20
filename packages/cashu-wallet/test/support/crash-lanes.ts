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

/**
 * The cases that one of the settings takes. `CRASH_MATRIX=full`: all of them. By default each case meets one setting, so
 * that every case is run and every setting is met by every kind of case, at a fraction of the time.
 *
 * @param cases in the order of their groups; those of the same place in their groups are `groups` apart
 * @param place the setting's place among the settings, and how many there are
 */
export function share<Case>(
  cases: readonly (readonly Case[])[],
  place: { readonly setting: number; readonly of: number },
): readonly Case[] {
  if (process.env.CRASH_MATRIX === 'full') return cases.flat();
  return cases.flatMap((group, row) =>
    group.filter((_case, column) => (row + column) % place.of === place.setting),
  );
}
