import type { Database } from 'bun:sqlite';
import { isSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { change, select } from '@nostr-dm-agent/kit/sqlite';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { z } from 'zod';
import { type ApprovalRule, approvalRules } from '../backends/approval.ts';
import { type BackendName, type Mode, modes } from '../backends/backend.ts';
import { zoneNamed } from '../schedules/zone.ts';

export const onOff = ['on', 'off'] as const;
type OnOff = (typeof onOff)[number];

/** What an owner may choose, and what was chosen for them. */
export type Settings = {
  /** Id of the session that their next task goes on with. */
  readonly session: string;
  readonly mode: Mode;
  readonly model: string;
  readonly approvals: ApprovalRule;
  readonly workspace: string;
  readonly backend: BackendName;
  readonly provider: string;
  /** Whether long answers begin to arrive before their end. */
  readonly stream: OnOff;
  /** Time zone (`Europe/Berlin`) of the times that they write. */
  readonly zone: string;
  /** What an admin lets them spend per day. */
  readonly dayLimit: Sat;
};

const settingSchemas: { readonly [Name in keyof Settings]: z.ZodType<Settings[Name]> } = {
  session: z.string().min(1),
  mode: z.enum(modes),
  model: z.string().min(1),
  approvals: z.enum(approvalRules),
  workspace: z.string().min(1),
  backend: z.string().min(1),
  provider: z.string().min(1),
  stream: z.enum(onOff),
  zone: z.string().refine((zone) => zoneNamed(zone) === zone),
  dayLimit: z.coerce.number().refine(isSat),
};

export type SettingsStore = {
  /** The owner's choice; undefined when they made none, or when what is stored is no longer a valid choice. */
  readonly get: <Name extends keyof Settings>(owner: PublicKey, name: Name) => Settings[Name] | undefined;
  /** `undefined` takes the choice back. */
  readonly set: <Name extends keyof Settings>(
    owner: PublicKey,
    name: Name,
    value: Settings[Name] | undefined,
  ) => void;
};

export function createSettingsStore(db: Database): SettingsStore {
  const stored = select(
    db,
    'SELECT value FROM settings WHERE owner = ? AND key = ?',
    z.object({ value: z.string() }),
  );
  const upsert = change(db, 'INSERT OR REPLACE INTO settings (owner, key, value) VALUES (?, ?, ?)');
  const remove = change(db, 'DELETE FROM settings WHERE owner = ? AND key = ?');
  return {
    get: (owner, name) => {
      const parsed = settingSchemas[name].safeParse(stored.one(owner, name)?.value);
      return parsed.success ? parsed.data : undefined;
    },
    set: (owner, name, value) => {
      if (value === undefined) remove(owner, name);
      else upsert(owner, name, String(value));
    },
  };
}
