import type { Endpoint } from './endpoints.ts';
import type { LimitMet } from './limits.ts';
import type { AgentPath } from './path-rules.ts';

/** What the operator settled about the jail. */
export type JailSettings = {
  readonly isolation: 'auto' | 'bwrap' | 'landlock' | 'none';
  readonly network: 'internet' | 'none' | 'host';
  /** `BOT_AGENT_PATHS`, real paths. */
  readonly paths: readonly AgentPath[];
  /** Folders in which agents work. One may lie in another. */
  readonly workspaces: readonly string[];
  /** `BOT_HOME`: the folders of runs are made in it. */
  readonly home: string;
  /** Files and folders that no agent may see, beside `home`: the package's `.env`, the wallet's folder. */
  readonly own: readonly string[];
  /** The environment of whoever runs the bot. */
  readonly ambient: Readonly<Record<string, string>>;
  readonly userHome: string;
  /**
   * The repository (its `.git`) in whose further work tree agents work here: git keeps there what belongs to the tree, so it is
   * shown and can be written to. undefined: the folder is no such tree.
   */
  readonly repositoryOf?: ((workspace: string) => string | undefined) | undefined;
  /**
   * Ports of local endpoints that are sockets of this machine: on an agent host the meter is one. Others are not led inside then.
   * undefined: local endpoints are what listens there.
   */
  readonly sockets?: ReadonlyMap<number, string> | undefined;
  /** Programs of the bot's that stand first in every agent's PATH. */
  readonly tools: readonly string[];
  /** `BOT_GIT_NAME`, `BOT_GIT_EMAIL`. */
  readonly author: { readonly name: string | undefined; readonly email: string | undefined };
};

/** Why a wall cannot be built here; each has a way to mend it. */
export type WallProblem = {
  readonly wall: 'bwrap' | 'landlock';
  readonly problem:
    | 'not_linux'
    | 'not_installed'
    /** Lacks a flag that the jail needs. */
    | 'too_old'
    /** User namespaces are switched off. */
    | 'namespaces_off'
    /** AppArmor keeps programs without a profile from them (Ubuntu from 23.10 on). */
    | 'apparmor'
    /** The container that the bot runs in forbids it. */
    | 'container'
    /** The kernel has no Landlock, has it switched off, or has one that is too old. */
    | 'kernel'
    | 'cpu'
    | 'other';
  /** What the system said, or what mends it: the package manager, the setting. */
  readonly detail: string | undefined;
};

/** What stands between an agent's process and the bot's own files and processes. */
export type Wall =
  /** `unnamed`: a container or unit lets no jail have a name; its host's stays visible in it. */
  | { readonly kind: 'bwrap'; readonly path: string; readonly unnamed?: true }
  | { readonly kind: 'landlock'; readonly version: number; readonly problems: readonly WallProblem[] }
  /** `chosen`: by `BOT_ISOLATION=none`; else no wall can be built. */
  | { readonly kind: 'none'; readonly chosen: boolean; readonly problems: readonly WallProblem[] }
  /** It was asked for by name and cannot be had: no agent may start. */
  | { readonly kind: 'refused'; readonly problems: readonly WallProblem[] };

/** A place for one run, in which a program is started once. */
export type CellRequest = {
  readonly runId: string;
  readonly workspace: string;
  /** Whether the agent may change the workspace. */
  readonly writable: boolean;
  /** The owner's folder that lasts beyond the run; undefined = none. */
  readonly store: string | undefined;
  /** Further folders that are shown as the workspace is. */
  readonly also?: readonly string[];
  /** A work tree of git's that is made or taken away in this cell: its folder in the repository is not held. */
  readonly remade?: string;
};

/** What a cell is to hold beside its workspace and store. */
export type LaunchRequest = {
  /** Absolute path of the program on the host. */
  readonly file: string;
  readonly args: readonly string[];
  /** Beside what every program sees; wins over it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Services that the operator's configuration names. */
  readonly endpoints: readonly Endpoint[];
  /** Files and folders of the user's that stand in the agent's home, by their path in it. */
  readonly homeFiles: readonly { readonly from: string; readonly at: string; readonly writable: boolean }[];
  /** Files of the agent's own home, by their path in it. */
  readonly homeTexts: Readonly<Record<string, string>>;
  /** Texts that the program reads, by file name: see `Cell.textPath`. */
  readonly texts: Readonly<Record<string, string>>;
  /** Keep what would make opencode run the workspace's code out of sight. */
  readonly hideCode: boolean;
  /**
   * Its working directory. A program that Bun made reads `tsconfig.json` and `package.json` there, and loads the modules
   * that they name: it starts in its own home, and is told the workspace by `PWD`.
   */
  readonly startIn: 'workspace' | 'home';
  /** Author of commits where neither the repository nor `BOT_GIT_NAME` says. */
  readonly identity: { readonly name: string; readonly email: string } | undefined;
  /** No network at all, whatever agents have. */
  readonly offline?: true;
  /** Port of a server inside that the bot is to reach. */
  readonly serve: number | undefined;
  /** Variables whose values the program gets as the first lines of its standard input: nobody else inside can read them. */
  readonly secrets?: readonly string[];
  /** Folders of its home that nothing inside can write to, by their path in it. */
  readonly closed?: readonly string[];
};

/** A program ready to be started. */
export type Launch = {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** All that it sees: nothing is inherited. */
  readonly environment: Readonly<Record<string, string>>;
  /** Its descriptors 3, 4, …: to be closed once it is started. */
  readonly fds: readonly number[];
};

/** What a run left to say when it was over. */
export type CellEnd = {
  readonly limits: readonly LimitMet[];
  /** `.git` entries that the run made, and settings and hooks that it changed where no wall keeps it from that: their settings and hooks run when somebody uses git there. */
  readonly newGit: readonly string[];
};

export type Cell = {
  /** What stands around it. */
  readonly wall: 'bwrap' | 'landlock' | 'none';
  /** Paths as the program sees them. */
  readonly home: string;
  readonly temporary: string;
  readonly store: string | undefined;
  readonly textPath: (name: string) => string;
  /** Whether it is on this machine's own network: then the user's proxy is its way out. */
  readonly onHostNetwork: boolean;
  /**
   * @throws PathChangedError what is to be shown goes through a link or was replaced
   * @throws WorkspaceCodeError what is to be hidden can't be
   */
  readonly launch: (request: LaunchRequest) => Promise<Launch>;
  /** The program has started: it is watched from now on. `end` is called when it has to be ended for a bound. */
  readonly started: (pid: number, end: (limit: LimitMet) => void) => void;
  /** Puts a text where the program can read it and write nothing, also while it runs. @returns its path inside */
  readonly hand: (name: string, text: string) => Promise<string>;
  /** Bounds that were met so far. */
  readonly met: () => Promise<readonly LimitMet[]>;
  /** A descriptor of the socket that leads to the server inside, to be closed by the caller; undefined: not there yet. */
  readonly openServer: () => number | undefined;
  /** When no process of it is left; takes away everything that was for this run alone. May be called again. */
  readonly close: () => Promise<CellEnd>;
};

/** The one way in which programs of agents are started, whichever backend they belong to. */
export type Jail = {
  /** See `JailSettings`. */
  readonly repositoryOf: (workspace: string) => string | undefined;
  /** Which wall stands here, by trying it: once, unless `again`. */
  readonly wall: (signal: AbortSignal, again?: boolean) => Promise<Wall>;
  /** @throws when the run's folder can't be made */
  readonly open: (wall: Exclude<Wall, { kind: 'refused' }>, request: CellRequest) => Promise<Cell>;
  /** Takes away what an earlier life of the bot left of a run, when no process of it is left. */
  readonly clear: (runId: string) => Promise<void>;
};
