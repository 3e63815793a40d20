import { actsSince } from '../store/instance-facts.ts';
import type { Stores } from '../store/open-stores.ts';
import { createScheduler, type SchedulerDeps } from './scheduler.ts';

/** What is done at a time, and who may have something done. */
export function openSchedules(
  deps: Omit<SchedulerDeps, 'membersMay' | 'actsSince' | 'stores'> & { readonly stores: Stores },
) {
  const { meta } = deps.stores;
  const key = 'schedules_for_members';
  const membersMay = () => meta.get(key) === 'on';
  return {
    ...createScheduler({ ...deps, membersMay, actsSince: () => actsSince(meta) }),
    /** Those of an owner that have not ended. */
    of: deps.stores.schedules.of,
    membersMay,
    letMembers: (may: boolean): void => meta.set(key, may ? 'on' : 'off'),
    /** Of this machine, until an owner says what theirs is. */
    hostZone: new Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
}
export type Schedules = ReturnType<typeof openSchedules>;
