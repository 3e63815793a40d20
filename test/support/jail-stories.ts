import { describe, expect, test } from 'bun:test';
import { bubblewrapHere, everybody, type Who } from './jail.ts';

/** Tells stories as everybody. Where no jail can be built nothing is proven: it is said loudly, and CI fails. */
export const asEverybody = async (stories: (who: Who) => void): Promise<void> => {
  for (const who of everybody()) {
    const missing = await bubblewrapHere(who);
    if (missing === undefined) {
      describe(`as ${who.name}`, () => stories(who));
      continue;
    }
    process.stderr.write(
      `\n!!! NOT TESTED: ${who.name} can build no jail of bubblewrap here: ${missing}\n\n`,
    );
    test(`the jail can be built as ${who.name}`, () => expect(process.env.CI).toBeUndefined());
  }
};
