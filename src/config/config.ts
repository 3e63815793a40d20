import type { WalletConfig } from '@nostr-dm-agent/cashu-wallet';
import type { ProxyAddress } from '@nostr-dm-agent/kit/net';
import type { Identity, PublicKey, RelayUrl } from '@nostr-dm-agent/nostr';
import type { NodeUrl } from '@nostr-dm-agent/routstr';
import type { AgentProgram } from '../backends/acp/agent-program.ts';
import type { ApprovalRule } from '../backends/approval.ts';
import type { BackendName } from '../backends/backend.ts';
import type { AgentPath } from '../backends/jail/path-rules.ts';
import type { AgentHost } from './agent-hosts.ts';
import type { VariableName } from './variables.ts';

export type Role = 'admin' | 'member';
export type Owner = { readonly publicKey: PublicKey; readonly role: Role };
/** `directory`: absolute, or on agent hosts: see `hostedPlace`. */
export type Workspace = { readonly name: string; readonly directory: string };

/** An OpenAI-compatible transcription service. `url`: its base, without a slash at the end. */
export type SpeechService = {
  readonly url: string;
  readonly key: string | undefined;
  readonly model: string;
  readonly language: string | undefined;
};

/**
 * The validated environment (docs/design.md#environment), frozen. Made by `load-config.ts`; the only place that reads the
 * process environment.
 */
export type Config = {
  readonly identity: Identity;
  /** From `BOT_OWNERS`; the first is admin. Never empty. */
  readonly owners: readonly Owner[];
  readonly relays: readonly RelayUrl[];
  /** Absolute. */
  readonly home: string;
  /** At least one; the first is the default. */
  readonly workspaces: readonly Workspace[];
  readonly backend: BackendName;
  /** `BOT_AGENTS`: further backends, by the Agent Client Protocol. */
  readonly agents: readonly AgentProgram[];
  /** `BOT_AGENT_HOSTS`: other machines that agents work on. */
  readonly agentHosts: readonly AgentHost[];
  readonly opencodeBin: string | undefined;
  readonly cursorBin: string | undefined;
  readonly model: string | undefined;
  /** Agent servers that are kept ready, and how long one that nobody uses. */
  readonly warm: { readonly servers: number; readonly keptMs: number };
  readonly concurrency: number;
  readonly runTimeoutMs: number;
  readonly runIdleMs: number;
  readonly holdMs: number;
  /** 0 = never. */
  readonly progressMs: number;
  readonly catchupMs: number;
  /** `BOT_HISTORY_DAYS`: messages and runs that are over and older are forgotten; 0: none. */
  readonly historyMs: number;
  readonly trustWorkspace: boolean;
  /** What agents ask their owners before they do it; undefined: nothing behind a wall, commands without one. */
  readonly approvals: ApprovalRule | undefined;
  readonly isolation: 'auto' | 'bwrap' | 'landlock' | 'none';
  readonly agentNetwork: 'internet' | 'none' | 'host';
  /** What else agents see of this machine: `BOT_AGENT_PATHS`, real paths. */
  readonly agentPaths: readonly AgentPath[];
  /** Author of the agents' commits. */
  readonly git: { readonly name: string | undefined; readonly email: string | undefined };
  /** `BOT_PAGE`: where the operator's page is served, on loopback; undefined: nowhere. */
  readonly page: { readonly hostname: string; readonly port: number } | undefined;
  /** `separate`: each owner spends what they brought in; `shared`: everybody what is in the wallet. */
  readonly accounts: 'shared' | 'separate';
  /** `BOT_PROXY`: what every connection of the bot's own goes through; undefined: none. Holds a password. */
  readonly proxy: ProxyAddress | undefined;
  /** `BOT_CURRENCY`, three capitals: what sats are explained in, where a node tells a rate. */
  readonly currency: string | undefined;
  /** `BOT_BLOSSOM`: origins of the servers for files that are sent, and how long these stay there (`BOT_FILE_DAYS`, ms). */
  readonly fileServers: readonly string[];
  readonly fileKeptMs: number;
  /** `BOT_LUD16`: the Lightning address in the bot's profile. */
  readonly lud16: string | undefined;
  /** What turns voice notes into text: `BOT_STT_URL`; undefined: nothing does. Holds a key. */
  readonly speech: SpeechService | undefined;
  /** undefined: no mnemonic, so no wallet. */
  readonly wallet: WalletConfig | undefined;
  /** Where paid runs are served: `ROUTSTR_BASE_URL`. */
  readonly node: NodeUrl;
  /** Nodes for runs whose own is down before they begin: `ROUTSTR_FALLBACKS`. */
  readonly fallbacks: readonly NodeUrl[];
  /** Who pays until an owner chooses: `local`; the sandbox has `routstr`. */
  readonly provider: 'local' | 'routstr';
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly logFormat: 'pretty' | 'json';
  /** Where the variables that were set come from. Absent: no environment was read (the sandbox). */
  readonly origins?: Readonly<Partial<Record<VariableName, 'file' | 'environment'>>>;
  /**
   * The environment that the bot itself was started with, without anything that `.env` added and without the bot's
   * own variables: from it the backends take what their allow-list names.
   */
  readonly ambient: Readonly<Record<string, string>>;
};
