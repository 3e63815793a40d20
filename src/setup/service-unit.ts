import { hardeningLines } from './service-hardening.ts';

/** For one user's own service manager, or for the machine's. */
export type ServiceKind = 'user' | 'system';

export type ServiceUnit = {
  readonly kind: ServiceKind;
  /** Of bun itself: it is the main process, so that signals reach the bot, and a start needs no registry. */
  readonly bun: string;
  /** The executable of this program. */
  readonly program: string;
  readonly envFile: string;
  readonly directory: string;
  /** Where agents find their tools. */
  readonly path: string;
  /** System service: the account that it runs as. */
  readonly user: string;
  /** Where it writes. */
  readonly writable: readonly string[];
  /** Secrets that the service manager hands over: each variable's name, and the file in which it finds it. */
  readonly credentials: readonly Credential[];
};

/** `encrypted`: sealed for this machine by systemd-creds(1). */
export type Credential = { readonly name: string; readonly path: string; readonly encrypted: boolean };

export const serviceName = 'nostr-dm-agent';

/** A path or variable that no unit file can hold. */
export class UnwritableUnitError extends Error {
  override readonly name = 'UnwritableUnitError';
}

/**
 * The text of a systemd unit (systemd.service(5)) for the bot. It holds no secret: those stay in `.env`.
 * @throws UnwritableUnitError
 */
export function unitText(unit: ServiceUnit): string {
  const { kind, bun, program, envFile, directory, path, user, writable, credentials } = unit;
  const start = [bun, '--no-env-file', '--no-install', program, 'start', '--env-file', envFile];
  return [
    '# Written by `setup --service`. Holds no secret: those are in the .env that it names.',
    '[Unit]',
    'Description=nostr-dm-agent: a coding agent by Nostr DM',
    // Not network-online: the bot waits for its relays by itself, and user managers do not know that target.
    ...(kind === 'system' ? ['After=network.target'] : []),
    '# With the pause below this is never reached by failing, only by being started over and over.',
    'StartLimitIntervalSec=300',
    'StartLimitBurst=30',
    '',
    '[Service]',
    'Type=exec',
    ...(kind === 'system' ? [`User=${user}`] : []),
    `WorkingDirectory=${plain(directory)}`,
    `ExecStart=${start.map(argument).join(' ')}`,
    `Environment=${quoted(`PATH=${path}`)}`,
    ...credentials.map(
      ({ name, path: file, encrypted }) =>
        `LoadCredential${encrypted ? 'Encrypted' : ''}=${plain(`${name}:${file}`)}`,
    ),
    'UMask=0077',
    'Restart=on-failure',
    'RestartSec=15',
    '# 2: the configuration has to be corrected first.',
    'RestartPreventExitStatus=2',
    '# SIGTERM goes to the bot alone, which ends its agents and answers for them.',
    'KillMode=mixed',
    'TimeoutStopSec=90',
    '# An agent that takes too much memory is ended, not the bot with it.',
    'OOMPolicy=continue',
    'Delegate=yes',
    '# For the bot and its agents together; 0.7 GB for each of BOT_CONCURRENCY and BOT_WARM_SERVERS.',
    '#MemoryMax=6G',
    ...hardeningLines({ kind, user, writable, readable: [bun, program, envFile] }, quoted),
    '',
    '[Install]',
    `WantedBy=${kind === 'system' ? 'multi-user.target' : 'default.target'}`,
    '',
  ].join('\n');
}

/** `%` begins a specifier everywhere; a line break would begin another setting. */
function plain(text: string): string {
  if (/[\r\n\0]/.test(text)) throw new UnwritableUnitError('a line break can’t stand in a unit file');
  return text.replaceAll('%', '%%');
}

/** One word of a setting. */
const quoted = (word: string): string => {
  const escaped = plain(word).replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  return /^[\w./:@+=,-]+$/.test(escaped) ? escaped : `"${escaped}"`;
};

/** One of a command line, where `$` begins a variable. */
const argument = (word: string): string => quoted(word.replaceAll('$', '$$$$'));
