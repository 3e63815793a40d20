import type { HostFacts } from './host-facts.ts';

/** A server takes in as much. */
const leastFreeBytes = 0.8 * 2 ** 30;

/** Per processor, what is at work there now and what its own figures do not tell yet: a run that has just begun. */
const loadOf = ({ state, running }: HostFacts): number =>
  state.state === 'up'
    ? Math.max(state.report.load, running) / state.report.processors
    : Number.POSITIVE_INFINITY;

const isTight = ({ state }: HostFacts): boolean => state.state === 'up' && state.report.free < leastFreeBytes;

/** The host for a new session: of those that are there and not drained, the one with the fewest runs, then the least load. */
export const chooseHost = (hosts: readonly HostFacts[]): HostFacts | undefined => {
  const usable = hosts.filter(({ state, drained }) => state.state === 'up' && !drained);
  const roomy = usable.filter((host) => !isTight(host));
  return [...(roomy.length > 0 ? roomy : usable)].sort(
    (a, b) => a.running - b.running || loadOf(a) - loadOf(b),
  )[0];
};
