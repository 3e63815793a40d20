/**
 * Classic BPF for bubblewrap's `--seccomp`, and for Landlock's fallback: what no agent needs and what would lead out
 * of its jail, or stay behind on the host. Everything else is allowed.
 */

type Cpu = 'x64' | 'arm64';

/** System calls whose numbers differ; -1: there is none of this name on this CPU. */
const numbers: Readonly<Record<Cpu, Readonly<Record<string, number>>>> = {
  x64: {
    ...{ audit: 0xc000003e, ioctl: 16, socket: 41, clone: 56 },
    ...{ open: 2, openat: 257, creat: 85, chmod: 90, fchmod: 91, fchmodat: 268, mknod: 133, mknodat: 259 },
    ...{ mount: 165, umount2: 166, pivot_root: 155, unshare: 272, setns: 308 },
    ...{ add_key: 248, request_key: 249, keyctl: 250 },
    ...{ bpf: 321, perf_event_open: 298, userfaultfd: 323, fanotify_init: 300 },
    ...{ open_by_handle_at: 304, name_to_handle_at: 303, lookup_dcookie: 212 },
    ...{ kexec_load: 246, kexec_file_load: 320, init_module: 175, finit_module: 313, delete_module: 176 },
    ...{ reboot: 169, acct: 163, swapon: 167, swapoff: 168, syslog: 103, quotactl: 179, uselib: 134 },
    ...{ modify_ldt: 154, iopl: 172, ioperm: 173 },
    ...{
      sendto: 44,
      sendmsg: 46,
      sendmmsg: 307,
      listen: 50,
      prlimit64: 302,
      setpriority: 141,
      ioprio_set: 251,
    },
    ...{ sched_setparam: 142, sched_setscheduler: 144, sched_setaffinity: 203, sched_setattr: 314 },
    ...{ shmget: 29, shmat: 30, shmctl: 31, semget: 64, semop: 65, semctl: 66, semtimedop: 220 },
    ...{ msgget: 68, msgsnd: 69, msgrcv: 70, msgctl: 71, mq_open: 240, mq_unlink: 241 },
  },
  arm64: {
    ...{ audit: 0xc00000b7, ioctl: 29, socket: 198, clone: 220 },
    ...{ open: -1, openat: 56, creat: -1, chmod: -1, fchmod: 52, fchmodat: 53, mknod: -1, mknodat: 33 },
    ...{ mount: 40, umount2: 39, pivot_root: 41, unshare: 97, setns: 268 },
    ...{ add_key: 217, request_key: 218, keyctl: 219 },
    ...{ bpf: 280, perf_event_open: 241, userfaultfd: 282, fanotify_init: 262 },
    ...{ open_by_handle_at: 265, name_to_handle_at: 264, lookup_dcookie: 18 },
    ...{ kexec_load: 104, kexec_file_load: 294, init_module: 105, finit_module: 273, delete_module: 106 },
    ...{ reboot: 142, acct: 89, swapon: 224, swapoff: 225, syslog: 116, quotactl: 60, uselib: -1 },
    ...{ modify_ldt: -1, iopl: -1, ioperm: -1 },
    ...{
      sendto: 206,
      sendmsg: 211,
      sendmmsg: 269,
      listen: 201,
      prlimit64: 261,
      setpriority: 140,
      ioprio_set: 30,
    },
    ...{ sched_setparam: 118, sched_setscheduler: 119, sched_setaffinity: 122, sched_setattr: 274 },
    ...{ shmget: 194, shmat: 196, shmctl: 195, semget: 190, semop: 193, semctl: 191, semtimedop: 192 },
    ...{ msgget: 186, msgsnd: 189, msgrcv: 188, msgctl: 187, mq_open: 180, mq_unlink: 181 },
  },
};

/** Refused with EPERM: mounts and namespaces, keyrings, what reads other processes or the kernel, what needs a right. */
const forbidden = [
  ...['mount', 'umount2', 'pivot_root', 'unshare', 'setns', 'add_key', 'request_key', 'keyctl'],
  ...['bpf', 'perf_event_open', 'userfaultfd', 'fanotify_init', 'open_by_handle_at', 'name_to_handle_at'],
  ...['lookup_dcookie', 'kexec_load', 'kexec_file_load', 'init_module', 'finit_module', 'delete_module'],
  ...['reboot', 'acct', 'swapon', 'swapoff', 'syslog', 'quotactl', 'uselib', 'modify_ldt', 'iopl', 'ioperm'],
];
/** The same numbers on every CPU: open_tree … fspick, mount_setattr, pidfd_getfd, quotactl_fd. */
const forbiddenEverywhere = [428, 429, 430, 431, 432, 433, 442, 438, 443];
/**
 * As if the kernel were too old for them, so that programs take the older call, which can be judged: io_uring does
 * anything past this filter, clone3 and openat2 take their flags by pointer.
 */
const unknownEverywhere = [425, 426, 427, 435, 437];
const fchmodat2 = 452;

const [LOAD, AND, EQUAL, AT_LEAST, HAS_BITS, RETURN] = [0x20, 0x54, 0x15, 0x35, 0x45, 0x06];
const ALLOW = 0x7fff0000;
const KILL = 0x80000000;
const [EPERM, EACCES, ENOSYS, EOPNOTSUPP, EAFNOSUPPORT] = [1, 13, 38, 95, 97];
const errno = (code: number): number => 0x00050000 | code;

/** Linux's own numbers. */
const [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK] = [1, 2, 10, 16];
const [TIOCSTI, TIOCLINUX] = [0x5412, 0x541c];
const newNamespaces = 0x7e020000;
const MSG_FASTOPEN = 0x20000000;
const [PRIO_USER, IOPRIO_WHO_USER] = [2, 3];
const [createsFile, setuidBit, setgidBit] = [0o100 | 0o20000000, 0o4000, 0o2000];

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];
/** Looks at one argument of the call. `skip` counts the instructions to the end of the alternative. */
type Condition = { readonly length: number; readonly code: (skip: number) => readonly Instruction[] };

const argument = (index: number): Instruction => [LOAD, 0, 0, 16 + index * 8];
const hasBits = (index: number, bits: number): Condition => ({
  length: 2,
  code: (skip) => [argument(index), [HAS_BITS, 0, skip, bits]],
});
const isOneOf = (index: number, values: readonly number[]): Condition => ({
  length: values.length + 1,
  code: (skip) => [
    argument(index),
    ...values.map((value, at): Instruction => {
      const rest = values.length - 1 - at;
      return [EQUAL, rest, rest === 0 ? skip : 0, value];
    }),
  ],
});
const isNoneOf = (index: number, values: readonly number[], mask = 0xffffffff): Condition => ({
  length: values.length + 2,
  code: (skip) => [
    argument(index),
    [AND, 0, 0, mask],
    ...values.map((value, at): Instruction => [EQUAL, skip + values.length - 1 - at, 0, value]),
  ],
});

/** Refuses a call when all conditions of one alternative hold; with no alternative, always. */
const refuse = (
  number: number,
  code: number,
  alternatives: readonly (readonly Condition[])[] = [],
): readonly Instruction[] => {
  if (number < 0) return [];
  if (alternatives.length === 0)
    return [
      [EQUAL, 0, 1, number],
      [RETURN, 0, 0, errno(code)],
    ];
  const body = alternatives.flatMap((conditions): readonly Instruction[] => {
    let left = conditions.reduce((sum, { length }) => sum + length, 0) + 1;
    const checks = conditions.flatMap((condition) => {
      left -= condition.length;
      return condition.code(left);
    });
    return [...checks, [RETURN, 0, 0, errno(code)]];
  });
  return [[EQUAL, 0, body.length + 1, number], ...body, [RETURN, 0, 0, ALLOW]];
};

/** A program that another user of this machine could run as the bot's user must not be left behind. */
const noSetuid = (call: (name: string) => number, bits: number): readonly Instruction[] => [
  ...['chmod', 'fchmod', 'creat', 'mknod'].flatMap((name) => refuse(call(name), EPERM, [[hasBits(1, bits)]])),
  ...['fchmodat', 'mknodat'].flatMap((name) => refuse(call(name), EPERM, [[hasBits(2, bits)]])),
  ...refuse(fchmodat2, EPERM, [[hasBits(2, bits)]]),
  ...refuse(call('open'), EPERM, [[hasBits(1, createsFile), hasBits(2, bits)]]),
  ...refuse(call('openat'), EPERM, [[hasBits(2, createsFile), hasBits(3, bits)]]),
];

const sharedMemory = [
  ...['shmget', 'shmat', 'shmctl', 'semget', 'semop', 'semctl', 'semtimedop'],
  ...['msgget', 'msgsnd', 'msgrcv', 'msgctl', 'mq_open', 'mq_unlink'],
];

/**
 * What Landlock does not judge and no namespace keeps apart: connecting while sending (TCP Fast Open), listening at a
 * port that was not asked for, limits and priorities of other processes, memory and queues that a user's processes
 * share and that outlive them.
 */
const besideLandlock = (call: (name: string) => number): readonly Instruction[] => [
  ...refuse(call('sendto'), EOPNOTSUPP, [[hasBits(3, MSG_FASTOPEN)]]),
  ...refuse(call('sendmsg'), EOPNOTSUPP, [[hasBits(2, MSG_FASTOPEN)]]),
  ...refuse(call('sendmmsg'), EOPNOTSUPP, [[hasBits(3, MSG_FASTOPEN)]]),
  ...refuse(call('listen'), EACCES),
  ...['prlimit64', 'sched_setparam', 'sched_setscheduler', 'sched_setaffinity', 'sched_setattr'].flatMap(
    (name) => refuse(call(name), EPERM, [[isNoneOf(0, [0])]]),
  ),
  ...refuse(call('setpriority'), EPERM, [[isNoneOf(1, [0])], [isOneOf(0, [PRIO_USER])]]),
  ...refuse(call('ioprio_set'), EPERM, [[isNoneOf(1, [0])], [isOneOf(0, [IOPRIO_WHO_USER])]]),
  ...sharedMemory.flatMap((name) => refuse(call(name), ENOSYS)),
];

const isCpu = (name: string): name is Cpu => Object.hasOwn(numbers, name);

/**
 * @param sockets `all`: Unix, IP and netlink sockets, as in namespaces of its own; `tcp`: nothing but TCP to where
 * Landlock lets it, because that judges neither Unix sockets by path nor UDP, nor what else namespaces would keep apart
 * @param cpu as `process.arch` names it
 * @returns undefined on a CPU whose system calls are not known here
 */
export const seccompProgram = (
  sockets: 'all' | 'tcp',
  { cpu = process.arch as string, root = process.getuid?.() === 0 } = {},
): Uint8Array | undefined => {
  if (!isCpu(cpu)) return undefined;
  const call = (name: string): number => numbers[cpu][name] ?? -1;
  const program: readonly Instruction[] = [
    [LOAD, 0, 0, 4],
    [EQUAL, 1, 0, call('audit')],
    [RETURN, 0, 0, KILL],
    [LOAD, 0, 0, 0],
    // x32, the other way to call the same kernel
    ...(cpu === 'x64' ? [[AT_LEAST, 0, 1, 0x40000000] as const, [RETURN, 0, 0, errno(ENOSYS)] as const] : []),
    ...forbidden.flatMap((name) => refuse(call(name), EPERM)),
    ...forbiddenEverywhere.flatMap((number) => refuse(number, EPERM)),
    ...unknownEverywhere.flatMap((number) => refuse(number, ENOSYS)),
    ...refuse(call('ioctl'), EPERM, [[isOneOf(1, [TIOCSTI, TIOCLINUX])]]),
    ...refuse(call('clone'), EPERM, [[hasBits(0, newNamespaces)]]),
    // vsock, which leads from a virtual machine to its host, is in no network namespace
    ...refuse(
      call('socket'),
      EAFNOSUPPORT,
      sockets === 'all'
        ? [[isNoneOf(0, [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK])]]
        : [[isNoneOf(0, [AF_INET, AF_INET6])], [isNoneOf(1, [1], 0xf)], [isNoneOf(2, [0, 6])]],
    ),
    ...(sockets === 'tcp' ? besideLandlock(call) : []),
    // The group's bit is common on folders; only root's group is worth anything to others.
    ...noSetuid(call, root ? setuidBit | setgidBit : setuidBit),
    [RETURN, 0, 0, ALLOW],
  ];
  const out = new DataView(new ArrayBuffer(program.length * 8));
  program.forEach(([code, ifTrue, ifFalse, value], index) => {
    out.setUint16(index * 8, code, true);
    out.setUint8(index * 8 + 2, ifTrue);
    out.setUint8(index * 8 + 3, ifFalse);
    out.setUint32(index * 8 + 4, value >>> 0, true);
  });
  return new Uint8Array(out.buffer);
};
