import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import {
  isLoopbackHost,
  isOnion,
  mayBePlain,
  type ProxyAddress,
  ProxyAddressError,
  type ProxyAddressProblem,
  parseProxy,
  unbracketed,
} from '@nostr-dm-agent/kit/net';
import { parseSat, zeroSat } from '@nostr-dm-agent/kit/sat';
import type { PublicKey, RelayUrl } from '@nostr-dm-agent/nostr';
import { InvalidKeyError, parsePublicKey, parseRelayUrl, RelayUrlError } from '@nostr-dm-agent/nostr/keys';
import { type NodeUrl, NodeUrlError, parseNodeUrl } from '@nostr-dm-agent/routstr/node-url';
import { z } from 'zod';
import { approvalRules } from '../backends/approval.ts';
import { type AgentPath, realPath } from '../backends/jail/path-rules.ts';
import { hasControl, readAgentHosts } from './agent-hosts.ts';
import { readAgentPrograms } from './agent-programs.ts';
import type { Owner, Role, Workspace } from './config.ts';
import { defaultWorkspace } from './default-workspace.ts';
import { mnemonicProblem, normalMnemonic } from './mnemonic.ts';
import { areSealed } from './sealed-words.ts';

/** Relays that store gift wraps for anybody. Up to three: what NIP-17 wants of a list of inbox relays. */
export const defaultRelays = 'wss://relay.damus.io,wss://nos.lol,wss://relay.primal.net';

export type Places = {
  /** What relative paths are relative to. */
  readonly directory: string;
  /** What `~` stands for. */
  readonly userHome: string;
};

/** The path as it was written, made absolute, with its symbolic links. */
export type Written = { readonly written: string };

/** Reports what is wrong in words that continue the variable's name (`must be …`). */
export type Report = (problem: string) => void;

/** `~` and relative paths made absolute. */
export function absolutePath(text: string, places: Places): string {
  if (text === '~' || text.startsWith('~/')) return join(places.userHome, text.slice(1));
  return resolve(places.directory, text);
}

/**
 * Reads `npub1…,npub1…:member,…`. The first is admin; one who is named twice is one owner, with the greater role.
 * Problems name the position, never the text: it may be a secret key pasted into the wrong line.
 */
export function readOwners(text: string, report: Report): readonly Owner[] {
  const roles = new Map<PublicKey, Role>();
  const entries = listOf(text);
  if (entries.length === 0) report('names nobody');
  for (const [index, entry] of entries.entries()) {
    const place = `has an entry (number ${index + 1}) that`;
    // `nostr:npub1…` has a colon too; a role is what follows the key.
    const [, key = '', suffix] = /^((?:nostr:)?[^:]*)(?::(.*))?$/i.exec(entry) ?? [];
    const written = suffix?.trim().toLowerCase();
    if (written !== undefined && written !== 'admin' && written !== 'member') {
      report(`${place} ends with neither :admin nor :member`);
      continue;
    }
    if (index === 0 && written === 'member')
      report(`${place} comes first and is therefore admin, not member`);
    const role: Role = written ?? (index === 0 ? 'admin' : 'member');
    try {
      const publicKey = parsePublicKey(key);
      if (role === 'admin' || !roles.has(publicKey)) roles.set(publicKey, role);
    } catch (error) {
      if (!(error instanceof InvalidKeyError)) throw error;
      report(`${place} ${keyProblems[error.reason]}`);
    }
  }
  return Array.from(roles, ([publicKey, role]) => ({ publicKey, role }));
}

const keyProblems: Record<InvalidKeyError['reason'], string> = {
  format: 'is neither npub1… nor 64 hex characters (mistyped?)',
  secret: 'is a SECRET key (nsec1…): an owner is named by their public key, npub1…',
  curve: 'is 64 hex characters, but no public key',
};

/** Reads a comma-separated list of relay URLs; the same one twice is one. */
export function readRelays(text: string, report: Report): readonly RelayUrl[] {
  const urls = new Set<RelayUrl>();
  const entries = listOf(text);
  if (entries.length === 0) report('names no relay');
  for (const [index, entry] of entries.entries()) {
    try {
      urls.add(parseRelayUrl(entry));
    } catch (error) {
      if (!(error instanceof RelayUrlError)) throw error;
      report(
        `has an entry (number ${index + 1}${error.host === undefined ? '' : `, ${error.host}`}): ${error.reason}`,
      );
    }
  }
  return [...urls];
}

/**
 * Reads one path, which may hold commas and spaces, or `name=path,name=path`. Directories must exist, but for the default one; they come back
 * with symbolic links resolved, because opencode keeps a session by the real path.
 */
export function readWorkspaces(
  text: string,
  places: Places,
  report: Report,
): readonly (Workspace & Written)[] {
  const pairs = /^\s*[\w.-]+\s*=/.test(text)
    ? listOf(text).map((entry) => {
        const equals = entry.indexOf('=');
        return { name: entry.slice(0, Math.max(equals, 0)).trim(), path: entry.slice(equals + 1).trim() };
      })
    : [{ name: nameOf(absolutePath(text.replace(/^[^/~.:]*:/, ''), places)), path: text }];
  const workspaces = new Map<string, Workspace & Written>();
  for (const { name, path } of pairs) {
    if (!/^[\w.-]+$/.test(name) || path === '') {
      report('must be one path, or name=path pairs whose names have only letters, digits, `.`, `-` and `_`');
      continue;
    }
    if (workspaces.has(name)) report(`names "${name}" twice`);
    const hosted = readHosted(path, report);
    if (hosted !== undefined) {
      workspaces.set(name, { name, directory: hosted, written: hosted });
      continue;
    }
    const written = absolutePath(path, places);
    const unmade = written === defaultWorkspace(places).written && !existsSync(written);
    const directory = unmade ? realPath(written) : realDirectory(written, report);
    if (directory !== undefined) workspaces.set(name, { name, directory, written });
  }
  return [...workspaces.values()];
}

/** `build:/srv/api`, `build+gpu:api` or `*:api`: a folder on agent hosts; undefined: it is one of this machine. */
function readHosted(path: string, report: Report): string | undefined {
  const [, names, folder] = /^(\*|[a-z][a-z0-9-]*(?:\+[a-z][a-z0-9-]*)*):(.*)$/s.exec(path) ?? [];
  if (names === undefined || folder === undefined) return undefined;
  const steps = folder.split('/');
  if (folder === '' || folder === '/' || hasControl(folder) || steps.includes('..') || folder.startsWith('~'))
    report(
      `has ${JSON.stringify(path.slice(0, 80))}: on a host a folder is absolute, or below the host’s own folder, without .. or ~`,
    );
  return path;
}

/** Reads `ro:/opt/toolchain,rw:~/.cargo`. What is there comes back with symbolic links resolved; what is not is reported. */
function readAgentPaths(text: string, places: Places, report: Report): readonly (AgentPath & Written)[] {
  return listOf(text).flatMap((entry) => {
    const [, access, path] = /^(ro|rw):(.+)$/i.exec(entry) ?? [];
    if (access === undefined || path === undefined) {
      report(`has an entry that begins with neither ro: nor rw: (${entry})`);
      return [];
    }
    const written = absolutePath(path.trim(), places);
    try {
      return [{ path: realpathSync(written), writable: access.toLowerCase() === 'rw', written }];
    } catch (error) {
      const code = errorCode(error);
      if (code === undefined) throw error;
      report(`names ${written}, which can't be looked at (${code})`);
      return [];
    }
  });
}

/** The path with symbolic links resolved; not there, not a directory and not to be looked at (EACCES, ELOOP …) are reported. */
function realDirectory(path: string, report: Report): string | undefined {
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return realpathSync(path);
    report(`names ${path}, which is not a directory`);
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    report(`names ${path}, which can't be looked at (${code})`);
  }
  return undefined;
}

const nameOf = (directory: string): string => basename(directory).replace(/[^\w.-]+/g, '-') || 'root';

const listOf = (text: string): readonly string[] =>
  text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');

/** What the zod schema of one variable is made of. */
const variable = <T>(read: (text: string, report: Report) => T) =>
  z.string().transform((text, context) => {
    // An .env file can hold one, and every system call would refuse it with an error of its own.
    if (text.includes('\0')) {
      context.addIssue({ code: 'custom', message: 'holds a NUL character' });
      return z.NEVER;
    }
    let wrong = false;
    const value = read(text, (message) => {
      wrong = true;
      context.addIssue({ code: 'custom', message });
    });
    return wrong ? z.NEVER : value;
  });

const oneOf = <const T extends string>(first: T, ...others: readonly T[]) =>
  variable((text, report): T => {
    const choices = [first, ...others];
    const choice = choices.find((name) => name === text.toLowerCase());
    if (choice === undefined) report(`must be one of ${choices.join(', ')}`);
    return choice ?? first;
  });

/** `unit` in milliseconds. At most a week, unless said: beyond any use, and within what a timer can take. */
const duration = (units: string, unit: number, min: number, max = 604_800_000 / unit) =>
  variable((text, report) => {
    const value = decimal(text);
    if (!(value >= min && value <= max)) report(`must be a number of ${units} from ${min} to ${max}`);
    return Math.round(value * unit);
  });

const wholeNumber = (min: number, max: number) =>
  variable((text, report) => {
    const value = decimal(text);
    if (!(Number.isInteger(value) && value >= min && value <= max)) {
      report(`must be a whole number from ${min} to ${max}`);
    }
    return value;
  });

const decimal = (text: string): number => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN);

/** Words, or where they are sealed (`sealed:…`). Never names a word. */
function readMnemonic(text: string, report: Report): string {
  if (areSealed(text)) return text.toLowerCase();
  const problem = mnemonicProblem(text);
  if (problem !== undefined) report(problem);
  return normalMnemonic(text);
}

function readCurrency(text: string, report: Report): string {
  if (!/^[a-z]{3}$/i.test(text)) report('must be a currency of three letters');
  return text.toUpperCase();
}

/** Origins of Blossom servers. Names the host alone: an address may hold a password. */
export const readFileServers = (text: string, report: Report): readonly string[] => [
  ...new Set(
    listOf(text).map((entry, index) => {
      const url = URL.parse(entry);
      const isPlain = url?.protocol === 'http:' && isLoopbackHost(url.hostname);
      const isBare =
        url !== null && url.pathname === '/' && url.username + url.password + url.search + url.hash === '';
      if (!isBare || (url.protocol !== 'https:' && !isPlain))
        report(
          `has an entry (number ${index + 1}) that must be a server’s address, like https://nostr.download`,
        );
      return url?.origin ?? '';
    }),
  ),
];

/** A Lightning address (LUD-16). */
function readLightningAddress(text: string, report: Report): string {
  const address = text.toLowerCase();
  if (!/^[a-z0-9._+-]{1,64}@[a-z0-9-]+(?:\.[a-z0-9-]+)+$/.test(address))
    report('must be a Lightning address, like name@example.com');
  return address;
}

/**
 * The base of an OpenAI-compatible service, as its makers write it, or with the path of the call: comes back without it and
 * with `/v1` where there was no path. Names the host alone.
 */
function readSpeechService(text: string, report: Report): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    report('must be the address of a transcription service: https://…/v1');
    return text;
  }
  if (url.protocol === 'http:' && !mayBePlain(url.hostname)) report(plainRefused(url.hostname));
  else if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    report(`must be an address without a name, a password, ? or # (${url.hostname})`);
  const path = url.pathname.replace(/\/+$/, '').replace(/\/audio\/(?:transcriptions|translations)$/, '');
  return `${url.origin}${path === '' ? '/v1' : path}`;
}

/** What goes into a header. Names nothing of it. */
function readSpeechKey(text: string, report: Report): string {
  if (!/^[!-~]{1,1000}$/.test(text)) report('must be an API key: one line without spaces');
  return text;
}

function readSpeechModel(text: string, report: Report): string {
  if (text.length > 200 || hasControl(text)) report('must be the name of a model, as its service writes it');
  return text;
}

function readLanguage(text: string, report: Report): string {
  if (!/^[a-z]{2,3}$/i.test(text)) report('must be a language of two letters (ISO 639-1), like en');
  return text.toLowerCase();
}

/** Reports what is wrong without a word of the address: it may hold a password. */
function readProxy(text: string, report: Report): ProxyAddress {
  try {
    return parseProxy(text);
  } catch (error) {
    if (!(error instanceof ProxyAddressError)) throw error;
    report(proxyProblems[error.problem]);
    return z.NEVER;
  }
}

const proxyProblems: Record<ProxyAddressProblem, string> = {
  not_a_url: 'must be the address of a SOCKS5 proxy: socks5h://host:port',
  resolves_here:
    'must begin with socks5h:// (with the h: names are resolved by the proxy, not on this machine)',
  not_socks: 'must begin with socks5h:// (HTTP proxies are not supported)',
  no_port: 'must end with a port (Tor listens on 9050)',
  login: 'must name both a user and a password, of at most 255 bytes each, or neither',
  more: 'must end with the port: a proxy has no path',
};

/** A mint's address: https, or http on this machine or, with a proxy, to an onion service. What is wrong names the host alone; the rest may be a secret. */
function readMint(text: string, report: Report): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) report('must be the address of a mint: https://…');
  else if (url.protocol === 'http:' && !mayBePlain(url.hostname)) {
    report(plainRefused(url.hostname));
  } else if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    report(`must be an address without a name, a password, ? or # (${url.hostname})`);
  }
  return text;
}

/** Why plain http may not go there. */
const plainRefused = (host: string): string =>
  isOnion(host)
    ? `needs BOT_PROXY (Tor): ${host} is an onion service`
    : `must begin with https:// (${host} is not this machine)`;

const readMints = (text: string, report: Report): readonly string[] =>
  listOf(text).map((entry, index) =>
    readMint(entry, (problem) => report(`has an entry (number ${index + 1}) that ${problem}`)),
  );

/** A Routstr node's address, with or without `/v1`: https, or http on this machine. Names the host alone, as for mints. */
function readNode(text: string, report: Report): NodeUrl {
  try {
    const node = parseNodeUrl(text);
    const url = new URL(node);
    if (url.protocol === 'http:' && !mayBePlain(url.hostname)) {
      report(plainRefused(url.hostname));
    }
    return node;
  } catch (error) {
    if (!(error instanceof NodeUrlError)) throw error;
    report(nodeProblems[error.problem]);
    return z.NEVER;
  }
}

/** Where the operator's page is served: `127.0.0.1:7777`, or a port alone (0: whichever is free). Loopback: whoever reaches it may try its doors. */
function readPageAddress(text: string, report: Report): { readonly hostname: string; readonly port: number } {
  const url = URL.parse(/^\d+$/.test(text) ? `http://127.0.0.1:${text}` : `http://${text}`);
  // `URL` leaves http's own port out.
  const port = url?.port === '' ? (/:80$/.test(text) ? 80 : undefined) : Number(url?.port);
  const isBare =
    url !== null && url.pathname === '/' && url.username + url.password + url.search + url.hash === '';
  if (!isBare || port === undefined) report('must be an address and a port, or a port alone');
  else if (!isLoopbackHost(url.hostname)) {
    report(
      `must be of this machine, 127.0.0.1:${port} (${url.hostname} is not: reach it by SSH from elsewhere)`,
    );
  }
  return { hostname: url === null ? '' : unbracketed(url.hostname), port: port ?? 0 };
}

const readNodes = (text: string, report: Report): readonly NodeUrl[] => [
  ...new Set(
    listOf(text).map((entry, index) =>
      readNode(entry, (problem) => report(`has an entry (number ${index + 1}) that ${problem}`)),
    ),
  ),
];

const nodeProblems: Record<NodeUrlError['problem'], string> = {
  not_a_url: 'must be the address of a Routstr node: https://…',
  not_http: 'must be the address of a Routstr node: https://…',
  has_credentials: 'must be an address without a name or a password',
};

const amount = variable((text, report) => {
  const value = parseSat(text);
  if (value === undefined) report('must be a whole number of sat, e.g. 100000 or 100k');
  return value ?? zeroSat;
});

const flag = variable((text, report) => {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (!/^(0|false|no|off)$/i.test(text)) report('must be 1 or 0');
  return false;
});

/**
 * The variables without `BOT_KEY` (see `bot-key.ts`), as zod reads them; absent ones get the defaults that
 * .env.example names.
 */
export const environmentSchema = (places: Places) => {
  const path = variable((text) => absolutePath(text, places));
  // A bare name is looked up on the PATH by the backend.
  const executable = variable((text) => (/[/~]/.test(text) ? absolutePath(text, places) : text));
  return z.object({
    BOT_OWNERS: variable(readOwners).optional(),
    BOT_MASTER_PUBKEY: variable(readOwners).optional(),
    BOT_RELAYS: variable(readRelays).prefault(defaultRelays),
    BOT_HOME: path.prefault('~/.nostr-dm-agent'),
    BOT_WORKSPACE: variable((text, report) => readWorkspaces(text, places, report)).optional(),
    BOT_BACKEND: z.string().toLowerCase().prefault('opencode'),
    BOT_AGENTS: variable(readAgentPrograms).prefault(''),
    BOT_AGENT_HOSTS: variable(readAgentHosts).prefault(''),
    OPENCODE_BIN: executable.optional(),
    CURSOR_BIN: executable.optional(),
    BOT_MODEL: z.string().optional(),
    BOT_WARM_SERVERS: wholeNumber(0, 32).prefault('2'),
    BOT_WARM_MINUTES: duration('minutes', 60_000, 0.1).prefault('15'),
    BOT_CONCURRENCY: wholeNumber(1, 32).prefault('2'),
    BOT_RUN_TIMEOUT_MINUTES: duration('minutes', 60_000, 0.01).prefault('60'),
    BOT_RUN_IDLE_MINUTES: duration('minutes', 60_000, 0.01).prefault('10'),
    BOT_HOLD_MINUTES: duration('minutes', 60_000, 0).prefault('4'),
    BOT_PROGRESS_SECONDS: duration('seconds', 1000, 0).prefault('60'),
    BOT_CATCHUP_HOURS: duration('hours', 3_600_000, 0).prefault('6'),
    BOT_HISTORY_DAYS: duration('days', 86_400_000, 0, 36_500).prefault('180'),
    BOT_TRUST_WORKSPACE: flag.prefault('0'),
    BOT_APPROVALS: oneOf(...approvalRules).optional(),
    BOT_ISOLATION: oneOf('auto', 'bwrap', 'landlock', 'none').prefault('auto'),
    BOT_AGENT_NETWORK: oneOf('internet', 'none', 'host').prefault('internet'),
    BOT_AGENT_PATHS: variable((text, report) => readAgentPaths(text, places, report)).prefault(''),
    BOT_GIT_NAME: z.string().optional(),
    BOT_GIT_EMAIL: z.string().optional(),
    BOT_PAGE: variable(readPageAddress).optional(),
    BOT_ACCOUNTS: oneOf('shared', 'separate').prefault('shared'),
    BOT_CURRENCY: variable(readCurrency).optional(),
    BOT_BLOSSOM: variable(readFileServers).prefault(''),
    BOT_FILE_DAYS: wholeNumber(1, 365).prefault('14'),
    BOT_LUD16: variable(readLightningAddress).optional(),
    BOT_STT_URL: variable(readSpeechService).optional(),
    BOT_STT_KEY: variable(readSpeechKey).optional(),
    BOT_STT_MODEL: variable(readSpeechModel).prefault('whisper-1'),
    BOT_STT_LANGUAGE: variable(readLanguage).optional(),
    BOT_PROXY: variable(readProxy).optional(),
    CASHU_MNEMONIC: variable(readMnemonic).optional(),
    CASHU_PASSPHRASE_FILE: path.optional(),
    CASHU_MINT_URL: variable(readMint).prefault('https://mint.minibits.cash/Bitcoin'),
    CASHU_MINTS: variable(readMints).prefault(''),
    CASHU_WALLET_DIR: path.prefault('~/.cashu-wallet'),
    CASHU_MAX_BALANCE_SAT: amount.prefault('100000'),
    ROUTSTR_BASE_URL: variable(readNode).prefault('https://api.routstr.com/v1'),
    ROUTSTR_FALLBACKS: variable(readNodes).prefault(''),
    LOG_LEVEL: oneOf('info', 'debug', 'warn', 'error', 'silent').prefault('info'),
    LOG_FORMAT: oneOf('pretty', 'json').optional(),
  });
};
