import type { KeptReady, LatelyGone } from '../backends/backend.ts';
import { plural, shorten } from './format.ts';

/** Whether a task finds an agent ready, for `!status`; false where that was not wanted. */
export function keptLine(kept: KeptReady | undefined): string | false {
  if (kept === undefined) return false;
  if (kept.state === 'kept')
    return `Kept ready: ${kept.servers} of ${kept.most} agent servers${latelyText(kept.lately)}`;
  const why = whyNone(kept);
  return why !== false && `Kept ready: none, ${why}; each task starts a process of its own`;
}

function latelyText({ madeRoom, grown, died, without }: LatelyGone): string {
  const facts = [
    madeRoom > 0 && `${madeRoom} made room for others`,
    grown > 0 && `${grown} grew too large`,
    died > 0 && `${died} died`,
  ].filter((fact) => fact !== false);
  if (facts.length === 0) return '';
  const places = plural(without, 'place');
  const noMore = without === 0 ? '' : `; in ${places} each task starts a process of its own for that`;
  return `; in the last hour ${facts.join(', ')}${noMore}`;
}

function whyNone({ why, detail }: Extract<KeptReady, { state: 'none' }>): string | false {
  switch (why) {
    case 'off':
      return false;
    case 'no_wall':
      return 'for want of a wall (bubblewrap) that a server could stand behind';
    case 'untested':
      return `for this version is not known to work (${detail ?? 'unknown'})`;
    case 'no_memory':
      return 'for less than 0.8 GB of memory is free';
    case 'failed':
      return `for the last one did not start (${shorten(detail ?? 'unknown', 100)})`;
    case 'dying':
      return 'for two of them died within the hour';
  }
}
