import type { Group } from './cgroups.ts';
import type { PathRules } from './path-rules.ts';
import type { ReservedNames } from './reserved-names.ts';
import type { CellRequest, JailSettings, Launch } from './types.ts';

/** What a cell is made of before a program is put into it. */
export type CellContext = {
  readonly settings: JailSettings;
  readonly cell: CellRequest;
  /** Folders that are shown beside the workspace, and as it is. */
  readonly also: readonly string[];
  /** Folder of this run in `BOT_HOME`. */
  readonly folder: string;
  readonly group: Group | undefined;
  readonly rules: PathRules;
  readonly names: ReservedNames;
};

/** A program that can be started, and what has to be done when it is over. */
export type Built = {
  readonly launch: Launch;
  readonly closeNetwork: () => Promise<void>;
  /** When no process of it is left: the names in the workspace that were kept for it are free. */
  readonly freeNames: () => void;
  /** Where nothing can be hidden: whether the workspace has got what opencode would run. */
  readonly hasCode?: () => Promise<boolean>;
  /** @returns the `.git` entries that the run made or changed */
  readonly settleGit: () => Promise<readonly string[]>;
};

/** Has a process enter its control groups before it becomes the program. */
export const entering = (launch: Launch, group: Group | undefined): Launch => {
  if (group === undefined) return launch;
  const enter = `while [ "$1" != -- ]; do { echo 0 > "$1"; } 2>/dev/null; shift; done; shift; exec "$@"`;
  return {
    ...launch,
    file: '/bin/sh',
    args: ['-c', enter, 'sh', ...group.doors, '--', launch.file, ...launch.args],
  };
};
