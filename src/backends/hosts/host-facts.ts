import type { AwayReason } from './ssh-command.ts';
import type { HostReport } from './wire.ts';

/** How it stands with a host. */
export type HostState =
  | { readonly state: 'connecting' }
  | { readonly state: 'up'; readonly since: number; readonly report: HostReport }
  | {
      readonly state: 'away';
      readonly why: AwayReason;
      readonly detail: string | undefined;
      readonly since: number;
    };

/** A host as it is told of. */
export type HostFacts = {
  readonly name: string;
  readonly state: HostState;
  readonly drained: boolean;
  /** Runs of this bot's that are under way there. */
  readonly running: number;
};
