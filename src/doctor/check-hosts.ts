import { sshFilesOf } from '../backends/hosts/hosts.ts';
import { type HostLook, lookAtHost } from '../backends/hosts/look-at-host.ts';
import type { AwayReason } from '../backends/hosts/ssh-command.ts';
import type { AgentHost } from '../config/agent-hosts.ts';
import type { Config } from '../config/config.ts';
import { shorten } from '../replies/format.ts';
import { awayText, mendHost } from '../replies/host-replies.ts';
import type { Finding } from './finding.ts';

/** Each host of `BOT_AGENT_HOSTS`: can it be reached and entered, is its opencode the one, is there room for work. */
export async function checkHosts(
  { agentHosts, home, ambient }: Pick<Config, 'agentHosts' | 'home' | 'ambient'>,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const files = sshFilesOf(home);
  return Promise.all(
    agentHosts.map(async (host) => hostFinding(host, await lookAtHost(host, { files, ambient }, signal))),
  );
}

/** An agent at work needs room for what it builds. */
const fewBytes = 2 * 2 ** 30;

/** What was found at a host, and what to do about it. */
export function hostFinding(host: AgentHost, look: HostLook): Finding {
  const subject = `agent host ${host.name}`;
  if (look.state === 'away') {
    const detail = look.detail?.trim() ?? '';
    return {
      ...{ subject, state: 'broken' },
      fact: `it ${awayText(look.why)}${detail === '' ? '' : ` (${shorten(detail, 140)})`}`,
      remedy: mendHost(look.why) ?? remedies[look.why]?.(host) ?? `try it by hand: ${byHand(host)}`,
    };
  }
  const { opencode, freeBytes } = look;
  const where = host.folder ?? '~/agent-workspaces';
  const fact = `it lets the bot in, opencode ${opencode}`;
  if (freeBytes === undefined) return { subject, state: 'ok', fact };
  const room = `${fact}, ${(freeBytes / 2 ** 30).toFixed(1)} GB free at ${where}`;
  return freeBytes < fewBytes
    ? { subject, state: 'warning', fact: room, remedy: `make room there, or !hosts drain ${host.name}` }
    : { subject, state: 'ok', fact: room };
}

const remedies: Partial<Record<AwayReason, (host: AgentHost) => string>> = {
  unreachable: (host) =>
    `is it on, and is its address in BOT_AGENT_HOSTS right? By hand, as the bot’s user: ${byHand(host)}`,
  no_folder: () => 'give the user there a home folder that they can write to',
};

const byHand = ({ user, host, port }: AgentHost): string =>
  `ssh ${port === undefined ? '' : `-p ${port} `}${user === undefined ? '' : `${user}@`}${host}`;
