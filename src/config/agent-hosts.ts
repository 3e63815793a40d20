import { isIP } from 'node:net';
import { posix } from 'node:path';
import { hostName } from '../backends/hosts/place.ts';

/** A machine that agents work on, reached by SSH. */
export type AgentHost = {
  readonly name: string;
  /** undefined: as `~/.ssh/config` says, or this machine's own user. */
  readonly user: string | undefined;
  /** A name, an address without brackets, or an alias of `~/.ssh/config`. */
  readonly host: string;
  readonly port: number | undefined;
  /** Where workspaces without an absolute path are; undefined: `~/agent-workspaces` there. */
  readonly folder: string | undefined;
};

const shape = /^(?:([^@/]*)@)?(\[[^\]]*\]|[^@:/[\]]*)(?::([^/]*))?(\/.*)?$/s;
const userName = /^[A-Za-z_][\w.-]{0,63}\$?$/;
/** Never begins with a hyphen: ssh would take it for an option. */
const machineName = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})$/;

/** Control characters have no business in a path that a program is told. */
export const hasControl = (text: string): boolean =>
  [...text].some((character) => character < ' ' || character === '\x7f');

/**
 * Reads `BOT_AGENT_HOSTS`: `name=user@host[:port][/path/of/workspaces]`, apart by commas.
 * @param report in words that continue the variable's name
 */
export function readAgentHosts(text: string, report: (problem: string) => void): readonly AgentHost[] {
  const hosts: AgentHost[] = [];
  for (const entry of text.split(',').map((each) => each.trim())) {
    if (entry === '') continue;
    const equals = entry.indexOf('=');
    const name = entry.slice(0, Math.max(equals, 0)).trim();
    const found = readAddress(entry.slice(equals + 1).trim());
    if (!hostName.test(name))
      report(
        `has an entry without a name, or the name “${name}”: write name=user@host, the name of small letters, digits and hyphens`,
      );
    else if (hosts.some((other) => other.name === name)) report(`names ${name} twice`);
    else if ('problem' in found) report(`has for ${name} ${found.problem}`);
    else if (hosts.some((other) => isSame(other, found)))
      report(`has ${name} at an address that another one has: the bot works once on each`);
    else hosts.push({ name, ...found });
  }
  return hosts;
}

const isSame = (a: Omit<AgentHost, 'name'>, b: Omit<AgentHost, 'name'>): boolean =>
  a.host.toLowerCase() === b.host.toLowerCase() && a.user === b.user && (a.port ?? 22) === (b.port ?? 22);

function readAddress(text: string): Omit<AgentHost, 'name'> | { readonly problem: string } {
  const [, user, bracketed, port, folder] = shape.exec(text) ?? [];
  if (bracketed === undefined)
    return { problem: 'no address: user@host, user@host:port or user@host/folder' };
  const host = bracketed.replace(/^\[(.*)\]$/, '$1');
  if (user !== undefined && !userName.test(user)) return { problem: `no user of a machine (${shown(user)})` };
  const isAddress = bracketed.startsWith('[') ? isIP(host) === 6 : machineName.test(host);
  if (!isAddress)
    return { problem: `no name or address of a machine (${shown(bracketed)}; an IPv6 address in brackets)` };
  const number = port === undefined ? undefined : /^\d{1,5}$/.test(port) ? Number(port) : 0;
  if (number !== undefined && (number < 1 || number > 65_535))
    return { problem: `the port ${shown(port ?? '')}, which is none from 1 to 65535` };
  if (folder !== undefined && (hasControl(folder) || folder.split('/').includes('..')))
    return { problem: 'a folder with .. or a control character in it' };
  const normal = folder === undefined ? undefined : posix.normalize(folder).replace(/(?<=.)\/$/, '');
  if (normal === '/') return { problem: 'the root as its folder of workspaces' };
  return { user, host, port: number, folder: normal };
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 40));
