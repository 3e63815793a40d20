import type { AgentHost } from '../../config/agent-hosts.ts';
import { driverPath } from './bundle.ts';

/** Files of the bot's own for SSH. */
export type SshFiles = {
  /** Keys of hosts that were compared by somebody: nothing is added by itself. */
  readonly knownHosts: string;
  /** A key of the bot's own; undefined: ssh's own choice (an agent, `~/.ssh`). */
  readonly identity: string | undefined;
};

/** What ssh takes from the environment. */
export const sshVariables = ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'SSH_AUTH_SOCK'];

const options = [
  'BatchMode=yes',
  'StrictHostKeyChecking=yes',
  'UpdateHostKeys=no',
  'ExitOnForwardFailure=yes',
  'ConnectTimeout=10',
  'ServerAliveInterval=10',
  'ServerAliveCountMax=3',
  // Whatever `~/.ssh/config` says for others: no agent, screen or further way of this machine's leads there.
  ...['ForwardAgent=no', 'ForwardX11=no', 'PermitLocalCommand=no', 'RemoteCommand=none', 'Tunnel=no'],
  ...['ControlMaster=no', 'ControlPath=none', 'EscapeChar=none', 'LogLevel=ERROR'],
] as const;

/**
 * What ssh is started with. Nothing of what is in it is an owner's or an agent's: names of the operator's, and paths that
 * were looked at.
 * @param forward `remote socket:local socket`
 */
export const sshArguments = (
  host: AgentHost,
  files: SshFiles,
  command: string,
  forward?: { readonly remote: string; readonly local: string },
): readonly string[] => [
  '-T',
  ...options.flatMap((option) => ['-o', option]),
  ...['-o', `UserKnownHostsFile="${files.knownHosts}"`, '-o', 'GlobalKnownHostsFile=/dev/null'],
  ...(files.identity === undefined ? [] : ['-i', files.identity, '-o', 'IdentitiesOnly=yes']),
  ...(forward === undefined
    ? ['-o', 'ClearAllForwardings=yes']
    : ['-R', `${forward.remote}:${forward.local}`]),
  ...(host.port === undefined ? [] : ['-p', `${host.port}`]),
  ...(host.user === undefined ? [] : ['-l', host.user]),
  ...['--', host.host, command],
];

/** Exit codes of the commands below. */
export const exits = { noFolder: 71, noOpencode: 72 } as const;

const folderOf = (mark: string): string => `"$HOME/.nostr-dm-agent/host-${mark}"`;

/** As one argument of any shell that a user may have there: it holds no quote of its kind. */
const inSh = (script: string): string => {
  if (script.includes("'")) throw new RangeError('a script for a host with a quote in it');
  return `exec /bin/sh -c '${script.replace(/\n\s*/g, ' ')}'`;
};

/** Where opencode's installers put it, beside PATH, which is short for whoever comes by SSH. */
const places = [
  '$(command -v opencode)',
  ...['.opencode/bin', '.local/bin', 'bin', '.bun/bin', '.npm-global/bin'].map(
    (folder) => `"$HOME/${folder}/opencode"`,
  ),
  '/usr/local/bin/opencode',
];

/** `o`: one that is there and runs. */
const findOpencode = `for o in ${places.join(' ')}; do
      [ -x "$o" ] || { o=; continue; };
      case "$(BUN_BE_BUN=1 "$o" -e "process.stdout.write(Bun.version)" 2>/dev/null </dev/null)" in [0-9]*.[0-9]*) break;; esac;
      o=;
    done;
    [ -n "$o" ] || exit ${exits.noOpencode};`;

/** Takes the packed program from standard input and unpacks it by opencode's own Bun. @param mark hex */
export const unpackCommand = (mark: string): string =>
  inSh(`umask 077; d=${folderOf(mark)}; mkdir -p "$d" && chmod 700 "$d" && cd "$d" || exit ${exits.noFolder};
    ${findOpencode}
    printf %s "$o" >opencode && cat >boot.js && BUN_BE_BUN=1 exec "$o" boot.js`);

/** Becomes the program. @param mark hex */
export const driverCommand = (mark: string): string =>
  inSh(`umask 077; cd ${folderOf(mark)} || exit ${exits.noFolder};
    NOSTR_DM_AGENT_HOST="${mark}:$PWD" BUN_BE_BUN=1 exec "$(cat opencode)" ${driverPath}`);

/**
 * Looks at what there is, changes nothing, and leaves a bot that is at work there alone. Takes the folder of workspaces from
 * standard input; an empty line: the usual one.
 */
export const lookCommand = (): string =>
  inSh(`[ -d "$HOME" ] && [ -w "$HOME" ] || exit ${exits.noFolder};
    IFS= read -r f; [ -n "$f" ] || f="$HOME/agent-workspaces";
    ${findOpencode}
    echo "look opencode $("$o" --version 2>/dev/null </dev/null | head -n 1)";
    while [ ! -d "$f" ]; do f=$(dirname -- "$f"); done;
    echo "look place $(df -Pk -- "$f" 2>/dev/null | tail -n 1)";
    if bwrap --ro-bind / / --dev /dev --proc /proc --unshare-all true 2>/dev/null </dev/null; then echo "look wall"; fi;
    exit 0`);

/** Why there is no connection. */
export const awayReasons = [
  'unreachable',
  'host_key',
  'login',
  'forwarding',
  'no_folder',
  'no_opencode',
  'untested',
  'no_wall',
  'other_version',
  'lost',
  'other',
] as const;
export type AwayReason = (typeof awayReasons)[number];

/** What ssh's own words and exit code mean. */
export const readSshEnd = (code: number | undefined, said: string): AwayReason => {
  if (code === exits.noFolder) return 'no_folder';
  if (code === exits.noOpencode) return 'no_opencode';
  if (/host key verification failed|no .* host key is known|host identification has changed/i.test(said))
    return 'host_key';
  if (/permission denied|too many authentication failures/i.test(said)) return 'login';
  if (/forwarding (?:failed|request failed)|administratively prohibited|stream_local/i.test(said))
    return 'forwarding';
  if (
    /could not resolve|connection (?:refused|timed out|reset|closed)|no route|network is unreachable|timed out|kex_exchange/i.test(
      said,
    )
  )
    return 'unreachable';
  return 'other';
};
