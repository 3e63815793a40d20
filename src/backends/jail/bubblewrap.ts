import { closeSync, existsSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { guardGit } from './git-guards.ts';
import type { InitPlan } from './inside/init.ts';
import { entryAt, pin } from './pins.ts';
import { agentUser, depth, inside, liesIn } from './places.ts';
import { seccompProgram } from './seccomp.ts';
import { type GitIdentity, generatedSteps, procSteps, type Step, systemSteps } from './system.ts';
import { type CodeEntry, codeNames, workspaceCode } from './workspace-code.ts';

/** A file or folder of the host that the jail shows. `from` is a real path that no agent can change. */
export type Shown = { readonly from: string; readonly to: string; readonly writable: boolean };

/** What one jail is to hold. */
type BubblewrapPlan = {
  readonly workspace: string;
  readonly writable: boolean;
  /** See `CellRequest`. */
  readonly remade: string | undefined;
  /** Folders whose code that opencode would run is kept out of sight: the workspace, and others that lie in it. */
  readonly codeHiddenIn: readonly string[];
  readonly shown: readonly Shown[];
  readonly texts: Readonly<Record<string, string>>;
  readonly homeTexts: Readonly<Record<string, string>>;
  /** Folders that are laid out and then closed to everybody inside. */
  readonly closed: readonly string[];
  readonly links: readonly { readonly from: string; readonly to: string }[];
  readonly network: 'own' | 'host';
  /** It may not have a name of its own. */
  readonly unnamed: true | undefined;
  readonly identity: GitIdentity | undefined;
  /** Files and folders that must not be seen even where the system around them is. */
  readonly own: readonly string[];
  /** Folder of this run, which only the bot can reach. */
  readonly runFolder: string;
  /** Sizes of what lies in memory, in bytes. */
  readonly sizes: { readonly temporary: number; readonly home: number; readonly shared: number };
};

/** What bubblewrap is started with. The descriptors are its 3, 4, …; the bot closes its own after the start. */
type BubblewrapLine = {
  readonly args: readonly string[];
  readonly fds: readonly number[];
  readonly covered: InitPlan['covered'];
  readonly settleGit: () => Promise<readonly string[]>;
};

/** Flags that are the same for every jail, and that the probe tries. */
export const walls = ({
  network,
  unnamed,
}: Pick<BubblewrapPlan, 'network' | 'unnamed'>): readonly string[] => [
  // Root outside is nobody inside; no capability, and no namespace to get one in.
  ...['--unshare-user', '--disable-userns', '--uid', `${agentUser.uid}`, '--gid', `${agentUser.uid}`],
  ...['--cap-drop', 'ALL', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
  ...(unnamed === true ? [] : ['--hostname', 'jail']),
  ...(network === 'own' ? ['--unshare-net'] : []),
  ...['--new-session', '--die-with-parent'],
];

/** Collects the descriptors that bubblewrap is handed, in the order in which it will know them. */
const createDescriptors = (runFolder: string) => {
  const fds: number[] = [];
  const hand = (fd: number): string => `${fds.push(fd) + 2}`;
  /** A file that has no name any more: its text is in no argument, and nothing is left behind. */
  const text = (content: string | Uint8Array): string => {
    const path = join(runFolder, crypto.randomUUID());
    writeFileSync(path, content, { mode: 0o600, flag: 'wx' });
    const fd = openSync(path, 'r');
    unlinkSync(path);
    return hand(fd);
  };
  const entry = (path: string): string => hand(pin(path));
  const close = (): void => fds.splice(0).forEach(closeSync);
  return { fds, text, entry, close };
};
type Descriptors = ReturnType<typeof createDescriptors>;

/** The arguments that hand over the system-call filter; none where this CPU's calls are not known. */
const filterArguments = (descriptors: Descriptors): readonly string[] => {
  const program = seccompProgram('all');
  return program === undefined ? [] : ['--seccomp', descriptors.text(program)];
};

const stepArguments =
  (descriptors: Descriptors) =>
  (step: Step): readonly string[] =>
    'args' in step ? step.args : ['--perms', '0444', '--file', descriptors.text(step.text), step.at];

/** The jail's own `/dev`, `/tmp`, home, and what of the host's system is seen. */
const privateMounts = (
  descriptors: Descriptors,
  plan: Pick<BubblewrapPlan, 'network' | 'identity' | 'sizes' | 'workspace' | 'codeHiddenIn'>,
): readonly string[] => {
  const { temporary, home, shared } = plan.sizes;
  // What stands in for a workspace's code is nothing that its agent would commit.
  const ignored = plan.codeHiddenIn
    .filter((folder) => liesIn(folder, plan.workspace))
    .flatMap((folder) => codeNames.map((name) => relative(plan.workspace, join(folder, name))));
  const system = [
    ...systemSteps(),
    ...generatedSteps({ resolver: plan.network === 'host', identity: plan.identity, ignored }),
  ];
  const processors = '/sys/devices/system/cpu';
  return [
    ...system.flatMap(stepArguments(descriptors)),
    ...['--dev', '/dev', '--size', `${shared}`, '--tmpfs', '/dev/shm', '--remount-ro', '/dev'],
    ...procSteps().flatMap(stepArguments(descriptors)),
    ...(existsSync(processors) ? ['--ro-bind', processors, processors] : []),
    ...['--dir', '/var', '--symlink', '/tmp', '/var/tmp', '--dir', '/run'],
    ...['--perms', '1777', '--size', `${temporary}`, '--tmpfs', inside.temporary],
    ...['--perms', '0700', '--size', `${home}`, '--tmpfs', inside.home],
  ];
};

/** Covers what belongs to the bot where the system shows it: a package that is installed below `/usr`, say. */
const coverOwn = (own: readonly string[]): readonly string[] =>
  own.flatMap((path) => {
    if (!liesIn(path, '/usr')) return [];
    const entry = entryAt(path);
    if (entry?.isDirectory()) return ['--tmpfs', path, '--remount-ro', path];
    return entry?.isFile() ? ['--ro-bind', '/dev/null', path] : [];
  });

const coverCode = (descriptors: Descriptors, code: readonly CodeEntry[]): readonly string[] =>
  code.flatMap(({ path, kind }) =>
    kind === 'folder'
      ? ['--tmpfs', path, '--remount-ro', path]
      : ['--ro-bind-data', descriptors.text('{}'), path],
  );

/** A repository that is shown for the sake of a work tree elsewhere is no work tree itself. */
const treesOf = (folders: readonly string[]): readonly string[] =>
  folders.filter((folder) => basename(folder) !== '.git');

/**
 * Lays out one jail: everything that it shows, outer before inner.
 * @throws PathChangedError what is to be shown goes through a link or was replaced
 * @throws WorkspaceCodeError what is to be hidden can't be
 */
export const planBubblewrap = async (plan: BubblewrapPlan): Promise<BubblewrapLine> => {
  const { workspace, writable, shown } = plan;
  const folders: readonly Shown[] = [...shown, { from: workspace, to: workspace, writable }].sort(
    (a, b) => depth(a.to) - depth(b.to),
  );
  const trees = folders.filter((each) => each.writable && each.from === each.to).map(({ from }) => from);
  const git = await Promise.all(
    trees.map((from) => guardGit(from, { held: true, trees: treesOf(trees), remade: plan.remade })),
  );
  const code = plan.codeHiddenIn.flatMap(workspaceCode);
  const descriptors = createDescriptors(plan.runFolder);
  const bind = (from: string, to: string, mayWrite: boolean): readonly string[] => [
    ...[mayWrite ? '--bind-fd' : '--ro-bind-fd', descriptors.entry(from), to],
  ];
  try {
    const args = [
      ...walls(plan),
      ...filterArguments(descriptors),
      ...privateMounts(descriptors, plan),
      ...coverOwn(plan.own),
      ...plan.closed.flatMap((path) => ['--perms', '0755', '--tmpfs', path]),
      ...folders.flatMap(({ from, to, writable: mayWrite }) => bind(from, to, mayWrite)),
      ...git.flatMap(({ guards }) =>
        guards.flatMap(({ path, as }) =>
          as === 'empty' ? ['--tmpfs', path, '--remount-ro', path] : bind(path, path, as === 'writable'),
        ),
      ),
      ...coverCode(descriptors, code),
      ...plan.links.flatMap(({ from, to }) => ['--symlink', to, from]),
      ...Object.entries(plan.texts).flatMap(([name, text]) => [
        ...['--perms', '0444', '--file', descriptors.text(text), join(inside.texts, name)],
      ]),
      ...Object.entries(plan.homeTexts).flatMap(([at, text]) => [
        ...['--perms', '0600', '--file', descriptors.text(text), join(inside.home, at)],
      ]),
      ...plan.closed.flatMap((path) => ['--remount-ro', path]),
      ...['--remount-ro', '/', '--chdir', '/'],
    ];
    // Through a descriptor: what the jail shows is in no list of processes, outside or inside.
    const line = ['--args', descriptors.text(args.map((arg) => `${arg}\0`).join(''))];
    return {
      args: line,
      fds: descriptors.fds,
      covered: code.map(({ path }) => path),
      settleGit: async () => (await Promise.all(git.map(({ settle }) => settle()))).flat(),
    };
  } catch (error) {
    descriptors.close();
    throw error;
  }
};
