import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Jail, Wall } from '../backends/jail/types.ts';
import { mendWall, rootWarning, wallLine } from '../replies/wall-replies.ts';

export type WallWatch = {
  /** As found at start; undefined while it is still being tried. */
  readonly found: () => Wall | undefined;
  /** Resolves when it has been tried. */
  readonly done: Promise<void>;
};

/** Tries once, behind, which wall can be built here, and says so in the log. */
export function watchWall(jail: Pick<Jail, 'wall'>, log: Logger, signal: AbortSignal): WallWatch {
  let found: Wall | undefined;
  const done = jail.wall(signal).then(
    (wall) => {
      found = wall;
      if (wall.kind === 'bwrap') log.info({ wall: wall.kind }, `wall around agents: ${wallLine(wall)}`);
      else {
        const mend = wall.kind === 'none' && wall.chosen ? undefined : mendWall(wall.problems);
        log.warn({ wall: wall.kind, mend }, `wall around agents: ${wallLine(wall)}`);
      }
      if (process.getuid?.() === 0) log.warn({}, rootWarning);
    },
    (error: unknown) => {
      if (!signal.aborted) log.warn({ error }, 'the wall around agents could not be tried');
    },
  );
  return { found: () => found, done };
}
