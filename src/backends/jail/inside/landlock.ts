/**
 * Puts a program behind Landlock and a system-call filter, where no namespaces can be made. Started twice: the outer
 * process stays and ends whatever is left of the run, the inner one restricts itself and becomes the program.
 */
import { dlopen, FFIType, type Pointer, ptr } from 'bun:ffi';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { seccompProgram } from '../seccomp.ts';

export type LandlockPlan = {
  readonly cwd: string;
  /** Files and folders that can be read and executed; what is not there is left out. */
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  /** Devices that can be read and written. */
  readonly devices: readonly string[];
  /** TCP ports that can be connected to. */
  readonly ports: readonly number[];
};

export const landlockVariable = 'NOSTR_DM_AGENT_LANDLOCK';

const calls = { create: 444, addRule: 445, restrict: 446 } as const;
const [PATH_BENEATH, NET_PORT, VERSION] = [1, 2, 1];
const NO_NEW_PRIVS = 38;
/** Oldest interface that keeps signals and abstract sockets inside. */
export const oldestLandlock = 6;

/** Access rights to files, up to interface 5: all, to read and execute, and those that mean something for a file. */
const every = 0xffffn;
const reading = 0b1101n;
const ofFiles = 0b1100000000000111n;
const makesDevices = (1n << 6n) | (1n << 11n);
const ofDevices = 0b1000000000000110n;
const connects = 2n;

const libc = () => {
  const symbols = {
    syscall: {
      args: [FFIType.i64, FFIType.i64, FFIType.i64, FFIType.i64, FFIType.i64, FFIType.i64],
      returns: FFIType.i64,
    },
    prctl: { args: [FFIType.i32, FFIType.u64, FFIType.u64, FFIType.u64, FFIType.u64], returns: FFIType.i32 },
    execve: { args: [FFIType.ptr, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
    kill: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
    waitpid: { args: [FFIType.i32, FFIType.ptr, FFIType.i32], returns: FFIType.i32 },
  } as const;
  try {
    return dlopen('libc.so.6', symbols).symbols;
  } catch {
    const cpu = process.arch === 'x64' ? 'x86_64' : 'aarch64';
    return dlopen(`libc.musl-${cpu}.so.1`, symbols).symbols;
  }
};
type Libc = ReturnType<typeof libc>;

const syscall = (c: Libc, number: number, ...args: readonly (number | bigint | Pointer)[]): number => {
  const at = (index: number): bigint => BigInt(args[index] ?? 0);
  return Number(c.syscall(BigInt(number), at(0), at(1), at(2), at(3), at(4)));
};

/** The kernel's Landlock interface; 0 when it has none or has it switched off. */
export const landlockVersion = (): number => {
  try {
    return Math.max(syscall(libc(), calls.create, 0, 0, VERSION), 0);
  } catch {
    return 0; // another C library
  }
};

const O_PATH = 0o10000000;

const fail = (what: string): never => {
  throw new Error(`Landlock: ${what}`);
};

const allowPath = (c: Libc, rules: number, path: string, access: bigint): void => {
  let fd: number;
  try {
    fd = openSync(path, O_PATH);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return; // not there
    throw error;
  }
  const rule = new DataView(new ArrayBuffer(12));
  rule.setBigUint64(0, fstatSync(fd).isDirectory() ? access : access & ofFiles, true);
  rule.setInt32(8, fd, true);
  if (syscall(c, calls.addRule, rules, PATH_BENEATH, ptr(rule)) < 0) fail(path);
  closeSync(fd);
};

/** As root, capabilities come first: with CAP_PERFMON any process's environment could be read past Landlock. */
const dropCapabilities = (c: Libc): void => {
  const [CAPBSET_DROP, CAP_AMBIENT, CLEAR_ALL] = [24, 47, 4n];
  for (let capability = 0n; capability <= 63n; capability++) c.prctl(CAPBSET_DROP, capability, 0n, 0n, 0n);
  c.prctl(CAP_AMBIENT, CLEAR_ALL, 0n, 0n, 0n);
  const header = new Uint32Array([0x20080522, 0]);
  if (syscall(c, process.arch === 'x64' ? 126 : 91, ptr(header), ptr(new Uint32Array(6))) < 0) fail('capset');
};

const restrict = (c: Libc, plan: LandlockPlan): void => {
  const scopes = 3n; // abstract sockets, signals
  const rules = syscall(c, calls.create, ptr(new BigUint64Array([every, 3n, scopes])), 24, 0);
  if (rules < 0) fail('no rules');
  for (const path of plan.readable) allowPath(c, rules, path, reading);
  for (const path of plan.devices) allowPath(c, rules, path, ofDevices);
  for (const path of plan.writable) allowPath(c, rules, path, every & ~makesDevices);
  for (const port of plan.ports) {
    const rule = new BigUint64Array([connects, BigInt(port)]);
    if (syscall(c, calls.addRule, rules, NET_PORT, ptr(rule)) < 0) fail(`port ${port}`);
  }
  dropCapabilities(c);
  const [SECCOMP, FILTER] = [22, 2n];
  c.prctl(NO_NEW_PRIVS, 1n, 0n, 0n, 0n);
  if (syscall(c, calls.restrict, rules, 0) < 0) fail('refused');
  closeSync(rules);
  const filter = seccompProgram('tcp') ?? fail(`no filter for ${process.arch}`);
  const program = new BigUint64Array([BigInt(filter.length / 8), BigInt(ptr(filter))]);
  if (c.prctl(SECCOMP, FILTER, BigInt(ptr(program)), 0n, 0n) !== 0) fail('seccomp');
};

const cString = (value: string): Buffer => Buffer.from(`${value}\0`);

const becomeProgram = (c: Libc, argv: readonly string[], environment: NodeJS.ProcessEnv): never => {
  const list = (values: readonly string[]) => {
    const texts = values.map(cString);
    return { texts, pointers: new BigUint64Array([...texts.map((text) => BigInt(ptr(text))), 0n]) };
  };
  const args = list(argv);
  const variables = list(Object.entries(environment).map(([name, value]) => `${name}=${value}`));
  c.execve(ptr(cString(argv[0] ?? '')), ptr(args.pointers), ptr(variables.pointers));
  return fail(`cannot start ${argv[0]}`);
};

/**
 * From here on this process can signal none but its descendants. So `kill(-1)` reaches all of them at once, which no
 * list of processes does: one that forks and ends is in none.
 */
const signalOwnOnly = (c: Libc): void => {
  const signals = 2n;
  c.prctl(NO_NEW_PRIVS, 1n, 0n, 0n, 0n);
  const rules = syscall(c, calls.create, ptr(new BigUint64Array([0n, 0n, signals])), 24, 0);
  if (rules < 0 || syscall(c, calls.restrict, rules, 0) < 0) fail('signals');
  closeSync(rules);
};

/** Whoever loses its parent becomes this process's child: nobody gets away by forking twice. */
const superviseProgram = async (c: Libc, argv: readonly string[]): Promise<number> => {
  const [SET_CHILD_SUBREAPER, SET_PDEATHSIG, SIGKILL, WNOHANG] = [36, 1, 9, 1];
  c.prctl(SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n);
  c.prctl(SET_PDEATHSIG, BigInt(SIGKILL), 0n, 0n, 0n);
  signalOwnOnly(c);
  const inner = Bun.spawn([process.execPath, import.meta.path, '--inner', ...argv], {
    stdio: ['inherit', 'inherit', 'inherit'],
  });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => inner.kill(signal));
  const code = await inner.exited;
  // Until there is no child any more, be it alive or still to be waited for.
  for (let waited = 0; waited >= 0; ) {
    c.kill(-1, SIGKILL);
    waited = c.waitpid(-1, null, WNOHANG);
    if (waited === 0) await Bun.sleep(1);
  }
  return code;
};

if (import.meta.main) {
  const c = libc();
  const [first, ...rest] = process.argv.slice(2);
  if (first !== '--inner') process.exit(await superviseProgram(c, process.argv.slice(2)));
  const { [landlockVariable]: text = '', ...environment } = process.env;
  const plan: LandlockPlan = JSON.parse(text);
  restrict(c, plan);
  process.chdir(plan.cwd);
  becomeProgram(c, rest, environment);
}
