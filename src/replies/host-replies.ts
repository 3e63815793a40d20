import type { HostFacts } from '../backends/hosts/host-facts.ts';
import { hostedPlace } from '../backends/hosts/place.ts';
import type { AwayReason } from '../backends/hosts/ssh-command.ts';
import { testedOpencode } from '../backends/opencode-binary.ts';
import type { Session } from '../runs/run.ts';
import { formatAgo, lines, plural, shorten } from './format.ts';

/** Why there is no connection, continuing the host's name; and what mends it. */
const away: Readonly<Record<AwayReason, { readonly why: string; readonly mend?: string }>> = {
  unreachable: { why: 'can’t be reached' },
  host_key: {
    why: 'shows a key that nobody has confirmed, or another one than before',
    mend: 'compare the host’s key, and put it into BOT_HOME/hosts/known_hosts (ssh-keyscan prints it)',
  },
  login: {
    why: 'does not let the bot in',
    mend: 'put the public key of BOT_HOME/hosts/id_ed25519, or of the bot’s user, into ~/.ssh/authorized_keys there',
  },
  forwarding: {
    why: 'does not let SSH carry a socket back',
    mend: 'AllowStreamLocalForwarding yes in its sshd_config, and AllowTcpForwarding not no (OpenSSH 9.2 refuses both then)',
  },
  no_folder: { why: 'has no home folder that can be used' },
  no_opencode: { why: 'has no opencode', mend: `install opencode ${testedOpencode} there` },
  untested: { why: 'has another version of opencode', mend: `install opencode ${testedOpencode} there` },
  no_wall: {
    why: 'has no wall: bubblewrap is missing or does not work there',
    mend: 'install bubblewrap there',
  },
  other_version: { why: 'answers in a way that this version of the bot does not know' },
  lost: { why: 'was lost' },
  other: { why: 'can’t be used' },
};

export const awayText = (why: AwayReason): string => away[why].why;
export const mendHost = (why: AwayReason): string | undefined => away[why].mend;

/** How it stands with one host. */
export function hostLine(host: HostFacts, now: number): string {
  const { name, state, drained, running } = host;
  const tasks = running > 0 ? `${plural(running, 'task')} there` : 'nothing under way';
  const kept = drained
    ? `; drained: nothing is begun there${running === 0 ? ', it can be switched off' : ''}`
    : '';
  switch (state.state) {
    case 'connecting':
      return `${name}: being connected to${kept}`;
    case 'up': {
      const { load, processors, free, servers } = state.report;
      const facts = `load ${load.toFixed(1)} on ${plural(processors, 'processor')}, ${(free / 2 ** 30).toFixed(1)} GB free`;
      return `${name}: ${tasks}, ${plural(servers, 'server')} kept ready, ${facts}${kept}`;
    }
    case 'away': {
      const { why, mend } = away[state.why];
      const said = state.detail === undefined ? '' : ` (${shorten(state.detail.trim(), 140)})`;
      const since = state.since === 0 ? '' : `, ${formatAgo(now - state.since)}`;
      return lines(`${name}: ${why}${since}${said}${kept}`, mend !== undefined && `  → ${mend}`);
    }
  }
}

export const hostsText = (hosts: readonly HostFacts[], now: number): string =>
  hosts.length === 0
    ? 'There are no agent hosts: agents work on the bot’s own machine. BOT_AGENT_HOSTS names some.'
    : lines(
        hosts.map((host) => hostLine(host, now)),
        'A new session goes where there is least to do. !hosts drain <name> lets nothing more begin there.',
      );

/** One line for `!status`; false where there are none. */
export function hostsLine(hosts: readonly HostFacts[]): string | false {
  if (hosts.length === 0) return false;
  const there = hosts.filter(({ state }) => state.state === 'up').length;
  const troubles = hosts.flatMap(({ name, state, drained }) => [
    ...(state.state === 'away' ? [`${name} ${awayText(state.why)}`] : []),
    ...(drained ? [`${name} is drained`] : []),
  ]);
  return `Agent hosts: ${there} of ${hosts.length} there${troubles.length === 0 ? '' : ` (${troubles.join(', ')})`}`;
}

export function drainedText({ name, running }: HostFacts, drained: boolean): string {
  if (!drained) return `${name} takes tasks again.`;
  const rest =
    running === 0
      ? 'Nothing is under way there: it can be switched off.'
      : `${plural(running, 'task')} still under way there: !hosts shows when they are done.`;
  return `Nothing more begins on ${name}. Sessions that are there wait, new ones go elsewhere. ${rest} !hosts open ${name} takes that back.`;
}

/** A task was taken that can't be begun yet. */
export function waitsForHostText(hosts: readonly HostFacts[]): string {
  const names = hosts.map(({ name, state, drained }) => {
    if (state.state === 'away') return `${name} ${awayText(state.why)}`;
    return drained ? `${name} is drained` : `${name} is being connected to`;
  });
  return `This waits for its agent host: ${names.join(', ')}. It begins by itself when the host is back; !queue drop takes it off, and !new begins elsewhere where the workspace is on several hosts.`;
}

/** Why a session on an agent host can't be worked in; undefined: it can. */
export const hostedRefusal = ({
  backend,
  directory,
}: Pick<Session, 'backend' | 'directory'>): string | undefined =>
  backend === 'opencode'
    ? undefined
    : `The workspace of this session is on the agent host ${hostedPlace(directory)?.hosts.join(', ')}, where opencode alone works: !backend opencode begins a session with it.`;

export const notOnHosts = (what: string): string =>
  `${what} works on the bot’s own machine alone: this workspace is on an agent host.`;
