import { liesIn } from '../backends/jail/places.ts';

/** What a unit takes away from the bot and everything that it starts, its agents' jail not hindered (docs/operate.md#as-a-service). */
export type Hardening = {
  readonly kind: 'user' | 'system';
  readonly user: string;
  /** Where it writes: `BOT_HOME`, the wallet, workspaces. Those that are not there when it starts are left out. */
  readonly writable: readonly string[];
  /** What it reads: this program, bun, `.env`. */
  readonly readable: readonly string[];
};

/** System calls that neither the bot nor an agent needs; the jail takes more away from agents. */
const refusedCalls =
  '~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap acct bpf lookup_dcookie perf_event_open quotactl quotactl_fd userfaultfd';

/**
 * The settings, one a line (systemd.exec(5)).
 *
 * Left out on purpose: `MemoryDenyWriteExecute` (JavaScript is compiled at run time), `ProtectControlGroups` (jails are groups of
 * their own), `ProtectHostname` (a jail could have no name of its own, and would show the machine's), and `ProtectKernelTunables`,
 * with which bubblewrap was seen to fail (it forbids namespaces within the jail by /proc/sys).
 *
 * @param word makes one word of a setting of a path
 */
export function hardeningLines(
  { kind, user, writable, readable }: Hardening,
  word: (path: string) => string,
): readonly string[] {
  const isRoot = kind === 'system' && (user === 'root' || user === '0');
  const isBelowTmp = [...writable, ...readable].some((path) =>
    ['/tmp', '/var/tmp'].some((folder) => liesIn(path, folder)),
  );
  return [
    'NoNewPrivileges=yes',
    // A user's own manager may hide and protect folders only within a user namespace.
    ...(kind === 'user' ? ['PrivateUsers=yes'] : []),
    '# Everything is read-only but this. After another BOT_HOME, wallet or workspace, run setup --service again.',
    'ProtectSystem=strict',
    'ProtectHome=read-only',
    `ReadWritePaths=${writable.map((path) => word(`-${path}`)).join(' ')}`,
    ...(isBelowTmp ? [] : ['PrivateTmp=yes']),
    'PrivateDevices=yes',
    'ProtectClock=yes',
    'ProtectKernelModules=yes',
    'ProtectKernelLogs=yes',
    'ProtectProc=invisible',
    'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
    '# These the jail is made of.',
    'RestrictNamespaces=user mnt pid ipc uts net cgroup',
    'RestrictRealtime=yes',
    'RestrictSUIDSGID=yes',
    'LockPersonality=yes',
    'SystemCallArchitectures=native',
    `SystemCallFilter=${refusedCalls}`,
    'SystemCallErrorNumber=EPERM',
    // Root may have work to do with other users' files; whoever runs it so was warned.
    ...(isRoot ? [] : ['CapabilityBoundingSet=', 'AmbientCapabilities=']),
    ...(kind === 'system' ? ['KeyringMode=private'] : []),
    'LimitNOFILE=65536',
    '# Memory holds keys.',
    'LimitCORE=0',
  ];
}
