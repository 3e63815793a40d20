import { parseSat, type Sat, sat } from '@nostr-dm-agent/kit/sat';
import type { Meta } from '../store/meta-table.ts';

/** What one run may spend until the owner says otherwise. */
const defaultBudget = sat(2000);

/** What paid runs may spend, as admins set it. */
export type RoutstrSettings = {
  /** Per run. */
  readonly budget: () => Sat;
  readonly setBudget: (amount: Sat) => void;
  /** Per day, of everybody together; undefined: none. */
  readonly dayLimit: () => Sat | undefined;
  readonly setDayLimit: (amount: Sat | undefined) => void;
};

export function createRoutstrSettings(meta: Meta): RoutstrSettings {
  const amount = (key: string): Sat | undefined => parseSat(meta.get(key) ?? '');
  return {
    budget: () => amount('routstr_budget') ?? defaultBudget,
    setBudget: (sats) => meta.set('routstr_budget', String(sats)),
    dayLimit: () => amount('routstr_day_limit'),
    setDayLimit: (sats) => meta.set('routstr_day_limit', sats === undefined ? '' : String(sats)),
  };
}
