import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { entryAt, readPlainFile } from './pins.ts';
import { agentUser, inside, liesIn } from './places.ts';

/**
 * One step of laying out a jail: arguments of bubblewrap, or a file with its text. Mounts take most of the start: each
 * one has bubblewrap read all those before. So a file of the system is copied rather than bound.
 */
export type Step =
  | { readonly args: readonly string[] }
  | { readonly at: string; readonly text: string | Uint8Array };

const atRoot = /^(?:bin|sbin|lib\w*)$/;
/** Not `src`, `app` and the like, where images keep services with their secrets. */
const inUsr = /^(?:bin|sbin|lib\w*|libexec|local|share|include|games|\w+-linux-\w+)$/;
const inUsrLocal = /^(?:bin|sbin|lib\w*|libexec|share|include|games|man|go|cuda.*)$/;

/** Of `/etc` what programs need. No accounts, no keys, no services, nothing that a login shell runs. */
const etcFiles = [
  ...['ld.so.cache', 'localtime', 'timezone', 'mime.types', 'services', 'protocols', 'magic', 'locale.conf'],
  ...['ssl/openssl.cnf', 'ssl/cert.pem', 'pki/tls/cert.pem', 'pki/tls/openssl.cnf', 'ca-certificates.conf'],
  ...['os-release', 'lsb-release', 'debian_version', 'alpine-release', 'redhat-release'],
];
const etcFolders = ['alternatives', 'ssl/certs', 'pki/tls/certs', 'pki/ca-trust', 'crypto-policies', 'fonts'];
const etcToo = /^(?:java-\d+.*|ld-musl-\w+\.path)$/;
/** A file of `/etc` that is larger is no setting. */
const largestFile = 4 * 1024 * 1024;

/** Settings of package managers for the whole machine, which may name a mirror and may hold a password. */
const packageSettings = ['/etc/npmrc', '/usr/etc/npmrc', '/usr/local/etc/npmrc', '/etc/pip.conf'];
const secretSetting = /auth|passw|token|secret|user|e?mail|key|cert(?!s)|otp|\/\/[^/\s]*@/i;

/** Those lines that can hold no credential. */
const harmlessLines = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !secretSetting.test(line.replace(/^\s*(?:cafile|cert)\s*=\s*\/\S+$/, '')))
    .join('\n');

const entries = (folder: string, wanted: (name: string) => boolean): readonly string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter(wanted)
        .map((name) => join(folder, name))
    : [];

const roots = (): readonly string[] => entries('/', (name) => atRoot.test(name));
const etcFoldersHere = (): readonly string[] =>
  [...etcFolders.map((name) => `/etc/${name}`), ...entries('/etc', (name) => etcToo.test(name))].filter(
    (path) => existsSync(path),
  );

/** What of the system is seen, where paths can only be permitted one by one. */
export const systemPaths = (): readonly string[] =>
  [
    ...roots(),
    ...entries('/usr', (name) => inUsr.test(name) && name !== 'local'),
    ...entries('/usr/local', (name) => inUsrLocal.test(name)),
    ...etcFiles.map((name) => `/etc/${name}`),
    ...etcFoldersHere(),
  ].filter((path) => existsSync(path));

/** Covers everything of a folder that is not wanted: with nothing, or with settings that hold no secret. */
const coverOthers = (folder: string, wanted: RegExp): readonly Step[] =>
  entries(folder, (name) => !wanted.test(name)).flatMap((path): readonly Step[] => {
    const entry = entryAt(path);
    if (entry?.isFile()) return [{ args: ['--ro-bind', '/dev/null', path] }];
    if (!entry?.isDirectory()) return [];
    const kept = settings().filter(({ at }) => liesIn(at, path));
    return [{ args: ['--tmpfs', path] }, ...kept, { args: ['--remount-ro', path] }];
  });

const settings = () =>
  packageSettings.flatMap((at) => {
    const text = harmlessLines(readPlainFile(at, 64 * 1024) ?? '').trim();
    return text === '' ? [] : [{ at, text: `${text}\n` }];
  });

const etcCopies = (): readonly Step[] =>
  etcFiles.flatMap((name) => {
    const at = `/etc/${name}`;
    const size = statSync(at, { throwIfNoEntry: false })?.size ?? Number.POSITIVE_INFINITY;
    return size <= largestFile ? [{ at, text: readFileSync(at) }] : [];
  });

/** The system, read-only and by an allow-list. */
export const systemSteps = (): readonly Step[] => [
  { args: ['--ro-bind', '/usr', '/usr'] },
  ...coverOthers('/usr', inUsr),
  ...coverOthers('/usr/local', inUsrLocal),
  ...roots().map((path) => ({
    args: entryAt(path)?.isSymbolicLink()
      ? ['--symlink', readlinkSync(path), path]
      : ['--ro-bind', path, path],
  })),
  ...etcCopies(),
  ...etcFoldersHere().map((path) => ({ args: ['--ro-bind', path, path] })),
  ...settings().filter(({ at }) => liesIn(at, '/etc')),
];

export type GitIdentity = { readonly name: string; readonly email: string };

const quoted = (value: string): string =>
  `"${value.replace(/[\0\r\n]/g, ' ').replace(/[\\"]/g, (character) => `\\${character}`)}"`;

const ignoreFile = '/etc/gitignore';

/** Of lowest rank, so that what a repository says about its author comes first. */
export const gitSettings = (identity: GitIdentity | undefined, ignored?: string): string =>
  [
    '[safe]\n\tdirectory = *',
    ...(ignored === undefined ? [] : [`[core]\n\texcludesFile = ${ignored}`]),
    ...(identity === undefined
      ? []
      : [`[user]\n\tname = ${quoted(identity.name)}\n\temail = ${quoted(identity.email)}`]),
    '',
  ].join('\n');

/** Files of `/etc` as the jail's own user is to see them. `resolver`: whether names can be looked up (host network). */
export const generatedSteps = (options: {
  readonly resolver: boolean;
  readonly identity: GitIdentity | undefined;
  /** Paths in the workspace that git is not to see. */
  readonly ignored: readonly string[];
}): readonly Step[] => {
  const { uid, name } = agentUser;
  const texts: Readonly<Record<string, string>> = {
    '/etc/passwd': [
      'root:x:0:0::/nonexistent:/usr/sbin/nologin',
      `${name}:x:${uid}:${uid}:${name}:${inside.home}:/bin/sh`,
      'nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin',
      '',
    ].join('\n'),
    '/etc/group': `root:x:0:\n${name}:x:${uid}:\nnogroup:x:65534:\n`,
    '/etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
    '/etc/hosts': '127.0.0.1 localhost jail\n::1 localhost\n',
    '/etc/machine-id': `${crypto.randomUUID().replaceAll('-', '')}\n`,
    '/etc/gitconfig': gitSettings(options.identity, ignoreFile),
    [ignoreFile]: options.ignored.map((path) => `/${path}\n`).join(''),
    ...(options.resolver && existsSync('/etc/resolv.conf')
      ? { '/etc/resolv.conf': readFileSync('/etc/resolv.conf', 'utf8') }
      : {}),
  };
  return Object.entries(texts).map(([at, text]) => ({ at, text }));
};

/** In `/proc`, what tells of the machine or of the kernel to everybody. */
const talkative = /^(?:cmdline|keys|key-users|kallsyms|config\.gz|sched_debug)$/;
/** Folders in it with files that can be written to by everybody, or by root outside, whom the jail's user may be. */
const writtenByAll = new Set(['pressure']);
const writtenByRoot = new Set(['acpi', 'asound', 'bus', 'driver', 'fs', 'irq', 'mpt', 'scsi', 'tty']);

/** A `/proc` of the jail's own in which nothing can be changed, and nothing be read that is not everybody's. */
export const procSteps = (root = process.getuid?.() === 0): readonly Step[] => {
  const hidden = readdirSync('/proc', { withFileTypes: true }).flatMap((entry): readonly Step[] => {
    const at = join('/proc', entry.name);
    if (entry.isDirectory())
      return writtenByAll.has(entry.name) || (root && writtenByRoot.has(entry.name))
        ? [{ args: ['--tmpfs', at, '--remount-ro', at] }]
        : [];
    if (!entry.isFile()) return [];
    const mode = entryAt(at)?.mode ?? 0;
    const open = (mode & 0o006) === 0o004 && (!root || (mode & 0o200) === 0);
    const reachable = root || (mode & 0o006) !== 0;
    return talkative.test(entry.name) || (reachable && !open)
      ? [{ args: ['--ro-bind', '/dev/null', at] }]
      : [];
  });
  return [{ args: ['--proc', '/proc', '--ro-bind', '/proc/sys', '/proc/sys'] }, ...hidden];
};
