import { npubEncode } from 'nostr-tools/nip19';
import type { AgentHost } from './agent-hosts.ts';
import type { Config, Owner } from './config.ts';
import type { VariableName } from './variables.ts';

/** What a variable comes to in this process, as one would write it in `.env`. */
export type Setting = {
  readonly name: VariableName;
  readonly group: SettingGroup;
  /** undefined: nothing. A secret's is `set`. */
  readonly value: string | undefined;
  /** `program`: no environment was read (the sandbox). */
  readonly origin: 'file' | 'environment' | 'default' | 'program';
};
export const settingGroups = ['The bot', 'Agents', 'Money', 'This machine'] as const;
export type SettingGroup = (typeof settingGroups)[number];

/** Every variable with what it comes to, and from where; nothing secret. */
export function settingsOf(config: Config): readonly Setting[] {
  const { origins } = config;
  return (Object.keys(readers) as VariableName[]).map((name) => {
    const [group, read] = readers[name];
    const origin = origins === undefined ? 'program' : (origins[name] ?? 'default');
    const isGiven = origin === 'file' || origin === 'environment';
    return { name, group, origin, value: read(config) ?? (isGiven ? 'set' : undefined) };
  });
}

type Reader = (config: Config) => string | undefined;

const list = (values: readonly string[]): string | undefined =>
  values.length === 0 ? undefined : values.join(',');
const per = (unit: number, ms: number): string => String(ms / unit);
const hostText = ({ name, user, host, port, folder = '' }: AgentHost): string =>
  `${name}=${user === undefined ? '' : `${user}@`}${host.includes(':') ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}${folder}`;
/** Its value is told by whether it was given. */
const untold: Reader = () => undefined;
const owner = ({ publicKey, role }: Owner): string => `${npubEncode(publicKey)}:${role}`;

/** In the order in which they are shown. What may hold a password or a key is told without it. */
const readers: Readonly<Record<VariableName, readonly [SettingGroup, Reader]>> = {
  BOT_KEY: ['The bot', () => 'set'],
  BOT_KEY_PASSWORD: ['The bot', untold],
  BOT_OWNERS: ['The bot', ({ owners }) => list(owners.map(owner))],
  BOT_MASTER_PUBKEY: ['The bot', untold],
  BOT_RELAYS: ['The bot', ({ relays }) => list(relays)],
  BOT_CATCHUP_HOURS: ['The bot', ({ catchupMs }) => per(3_600_000, catchupMs)],
  BOT_HISTORY_DAYS: ['The bot', ({ historyMs }) => per(86_400_000, historyMs)],
  BOT_PROGRESS_SECONDS: ['The bot', ({ progressMs }) => per(1_000, progressMs)],
  BOT_WORKSPACE: [
    'Agents',
    ({ workspaces }) => list(workspaces.map(({ name, directory }) => `${name}=${directory}`)),
  ],
  BOT_BACKEND: ['Agents', ({ backend }) => backend],
  BOT_AGENTS: ['Agents', ({ agents }) => list(agents.map(program))],
  BOT_AGENT_HOSTS: ['Agents', ({ agentHosts }) => list(agentHosts.map(hostText))],
  OPENCODE_BIN: ['Agents', ({ opencodeBin }) => opencodeBin],
  CURSOR_BIN: ['Agents', ({ cursorBin }) => cursorBin],
  BOT_MODEL: ['Agents', ({ model }) => model],
  BOT_APPROVALS: ['Agents', ({ approvals }) => approvals],
  BOT_ISOLATION: ['Agents', ({ isolation }) => isolation],
  BOT_AGENT_NETWORK: ['Agents', ({ agentNetwork }) => agentNetwork],
  BOT_AGENT_PATHS: [
    'Agents',
    ({ agentPaths }) => list(agentPaths.map(({ path, writable }) => `${writable ? 'rw' : 'ro'}:${path}`)),
  ],
  BOT_TRUST_WORKSPACE: ['Agents', ({ trustWorkspace }) => (trustWorkspace ? '1' : '0')],
  BOT_CONCURRENCY: ['Agents', ({ concurrency }) => String(concurrency)],
  BOT_RUN_TIMEOUT_MINUTES: ['Agents', ({ runTimeoutMs }) => per(60_000, runTimeoutMs)],
  BOT_RUN_IDLE_MINUTES: ['Agents', ({ runIdleMs }) => per(60_000, runIdleMs)],
  BOT_HOLD_MINUTES: ['Agents', ({ holdMs }) => per(60_000, holdMs)],
  BOT_WARM_SERVERS: ['Agents', ({ warm }) => String(warm.servers)],
  BOT_WARM_MINUTES: ['Agents', ({ warm }) => per(60_000, warm.keptMs)],
  BOT_GIT_NAME: ['Agents', ({ git }) => git.name],
  BOT_GIT_EMAIL: ['Agents', ({ git }) => git.email],
  CASHU_MNEMONIC: ['Money', ({ wallet }) => wallet && (wallet.sealed ? 'set, sealed' : 'set')],
  CASHU_PASSPHRASE_FILE: ['Money', untold],
  CASHU_MINT_URL: ['Money', ({ wallet }) => wallet?.mintUrl],
  CASHU_MINTS: ['Money', ({ wallet }) => wallet && list(wallet.mints)],
  CASHU_WALLET_DIR: ['Money', ({ wallet }) => wallet?.directory],
  CASHU_MAX_BALANCE_SAT: ['Money', ({ wallet }) => wallet && String(wallet.maxBalance)],
  BOT_ACCOUNTS: ['Money', ({ accounts }) => accounts],
  BOT_CURRENCY: ['Money', ({ currency }) => currency],
  BOT_LUD16: ['Money', ({ lud16 }) => lud16],
  ROUTSTR_BASE_URL: ['Money', ({ node }) => node],
  ROUTSTR_FALLBACKS: ['Money', ({ fallbacks }) => list(fallbacks)],
  BOT_BLOSSOM: ['This machine', ({ fileServers }) => list(fileServers)],
  BOT_FILE_DAYS: ['This machine', ({ fileKeptMs }) => per(86_400_000, fileKeptMs)],
  BOT_STT_URL: ['Agents', ({ speech }) => speech?.url],
  BOT_STT_KEY: ['Agents', untold],
  BOT_STT_MODEL: ['Agents', ({ speech }) => speech?.model],
  BOT_STT_LANGUAGE: ['Agents', ({ speech }) => speech?.language],
  BOT_HOME: ['This machine', ({ home }) => home],
  BOT_PAGE: ['This machine', ({ page }) => page && `${page.hostname}:${page.port}`],
  BOT_PROXY: [
    'This machine',
    ({ proxy }) => proxy && `socks5h://${proxy.login ? '…@' : ''}${proxy.host}:${proxy.port}`,
  ],
  LOG_LEVEL: ['This machine', ({ logLevel }) => logLevel],
  LOG_FORMAT: ['This machine', ({ logFormat }) => logFormat],
};

/** Its arguments may be anything. */
const program = ({ name, ...agent }: Config['agents'][number]): string => {
  if (agent.preset !== undefined) return name;
  const [first = '', ...more] = agent.command;
  return `${name}=${first}${more.length === 0 ? '' : ' …'}`;
};
