import type { ApprovalRule } from '../approval.ts';
import { toToml } from './to-toml.ts';

export const presetNames = ['claude', 'codex', 'qwen', 'vibe', 'gemini'] as const;
export type PresetName = (typeof presetNames)[number];
export const isPreset = (name: string): name is PresetName => presetNames.some((preset) => preset === name);

/** Which of a node's ways of asking a model an agent speaks; `none`: nodes serve it in none. */
export type AgentApi = 'chat-completions' | 'responses' | 'messages' | 'none';

/** Where an agent's models are paid: its own way to the meter, for as long as it runs. */
export type PaidAccess = {
  /** `http://127.0.0.1:…/v1` */
  readonly baseUrl: string;
  readonly key: string;
  /** As the node calls it; undefined: nobody chose one. */
  readonly model: string | undefined;
};

/** How an agent is told what to use. */
export type AgentSetting = {
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Files of its home, by their path in it. */
  readonly homeTexts: Readonly<Record<string, string>>;
  /** What it must be told after `initialize`. */
  readonly authenticate?: string;
};

/** An agent that is known: what is found here was run (docs/agents.md). */
export type Preset = {
  /** Names of its program, the first that is on PATH is taken. */
  readonly programs: readonly string[];
  readonly arguments: readonly string[];
  /** How it is installed, for who has not. */
  readonly install: string;
  readonly api: AgentApi;
  /** What it keeps its conversations in, in its home. */
  readonly keeps: readonly string[];
  /** Variables of its own login, where its user's own account pays. */
  readonly ownVariables: readonly string[];
  /** Files of its own login in the user's home. */
  readonly ownFiles: readonly string[];
  /** The mode for a task. Of an agent that is to ask and does not have it nothing is wanted. */
  readonly mode: (approvals: ApprovalRule, readOnly: boolean) => string | undefined;
  /** @param asks its owner is asked before it acts */
  readonly paid: (access: PaidAccess, asks: boolean) => AgentSetting;
  /** @param read a file of the user's home, of `ownFiles`; empty where there is none */
  readonly own: (asks: boolean, read: (path: string) => string) => AgentSetting;
};

const nothing: AgentSetting = { arguments: [], environment: {}, homeTexts: {} };
const inToml = (text: string): string => JSON.stringify(text);

/** The name of its profile, and the mode that it makes. */
const askingProfile = 'asking';

/**
 * Codex asks for what its sandbox did not let through, and what it is allowed runs without. In its sandbox of namespaces,
 * which can't be built inside the jail, everything fails without a question; in that of Landlock what is asked for is known.
 */
const askingCodex = (config: object): string => {
  const { sandbox_mode: _, ...kept }: Readonly<Record<string, unknown>> = { ...config };
  const kinds = ['sandbox_approval', 'rules', 'mcp_elicitations', 'request_permissions', 'skill_approval'];
  return toToml({
    ...kept,
    approval_policy: { granular: Object.fromEntries(kinds.map((kind) => [kind, true])) },
    default_permissions: askingProfile,
    permissions: { ...Object(kept.permissions), [askingProfile]: { extends: ':read-only' } },
    features: { ...Object(kept.features), use_legacy_landlock: true },
  });
};

export const presets: Readonly<Record<PresetName, Preset>> = {
  qwen: {
    programs: ['qwen'],
    arguments: ['--acp'],
    install: 'npm install -g @qwen-code/qwen-code',
    api: 'chat-completions',
    keeps: ['.qwen'],
    ownVariables: ['OPENAI_API_KEY', 'OPENAI_BASE_URL', 'OPENAI_MODEL', 'DASHSCOPE_API_KEY'],
    ownFiles: ['.qwen/oauth_creds.json', '.qwen/settings.json'],
    // `auto`, its own default, asks another model whether to ask.
    mode: (_approvals, readOnly) => (readOnly ? 'plan' : 'default'),
    paid: ({ baseUrl, key, model }) => ({
      arguments: ['--auth-type', 'openai'],
      environment: {
        OPENAI_BASE_URL: baseUrl,
        OPENAI_API_KEY: key,
        ...(model === undefined ? {} : { OPENAI_MODEL: model }),
      },
      homeTexts: {},
      authenticate: 'openai',
    }),
    own: () => nothing,
  },
  vibe: {
    programs: ['vibe-acp'],
    arguments: [],
    install: 'uv tool install mistral-vibe',
    api: 'chat-completions',
    keeps: ['.vibe/logs'],
    ownVariables: ['MISTRAL_API_KEY'],
    ownFiles: ['.vibe/config.toml', '.vibe/.env'],
    mode: (_approvals, readOnly) => (readOnly ? 'plan' : 'ask'),
    paid: ({ baseUrl, key, model = '' }) => ({
      arguments: [],
      environment: { RUN_KEY: key, MISTRAL_API_KEY: key },
      homeTexts: {
        '.vibe/config.toml': [
          `active_model = ${inToml(model)}`,
          'enable_telemetry = false',
          'enable_auto_update = false',
          '[[providers]]',
          'name = "meter"',
          `api_base = ${inToml(baseUrl)}`,
          'api_key_env_var = "RUN_KEY"',
          'api_style = "openai"',
          'backend = "generic"',
          '[[models]]',
          `name = ${inToml(model)}`,
          'provider = "meter"',
          `alias = ${inToml(model)}`,
          '',
        ].join('\n'),
      },
    }),
    own: () => nothing,
  },
  codex: {
    programs: ['codex-acp'],
    arguments: [],
    install: 'npm install -g @agentclientprotocol/codex-acp',
    api: 'responses',
    keeps: ['.codex/sessions'],
    ownVariables: ['OPENAI_API_KEY', 'CODEX_API_KEY'],
    ownFiles: ['.codex/auth.json', '.codex/config.toml'],
    // In its mode `agent` another model is paid to decide what is asked; with full access nothing is.
    mode: (approvals, readOnly) =>
      approvals === 'off' || readOnly ? 'agent-full-access' : `permission-profile:${askingProfile}`,
    paid: ({ baseUrl, key, model }, asks) => ({
      arguments: [],
      environment: {
        ...{ RUN_KEY: key, CODEX_API_KEY: key, NO_BROWSER: '1', MODEL_PROVIDER: 'meter' },
        // Its own sandbox is bubblewrap again, which can't be built inside ours.
        INITIAL_AGENT_MODE: 'agent-full-access',
        CODEX_CONFIG: JSON.stringify({
          ...(model === undefined ? {} : { model }),
          model_provider: 'meter',
          model_providers: {
            meter: { name: 'meter', base_url: baseUrl, env_key: 'RUN_KEY', wire_api: 'responses' },
          },
        }),
      },
      homeTexts: asks ? { '.codex/config.toml': askingCodex({}) } : {},
    }),
    own: (asks, read) => ({
      ...nothing,
      environment: { NO_BROWSER: '1', INITIAL_AGENT_MODE: 'agent-full-access' },
      homeTexts: asks
        ? { '.codex/config.toml': askingCodex(Bun.TOML.parse(read('.codex/config.toml'))) }
        : {},
    }),
  },
  claude: {
    programs: ['claude-agent-acp'],
    arguments: [],
    install: 'npm install -g @agentclientprotocol/claude-agent-acp',
    api: 'messages',
    keeps: ['.claude/projects'],
    ownVariables: ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'ANTHROPIC_BASE_URL'],
    ownFiles: ['.claude/.credentials.json', '.claude/settings.json'],
    mode: (_approvals, readOnly) => (readOnly ? 'plan' : 'default'),
    paid: ({ baseUrl, key, model }) => ({
      arguments: [],
      environment: {
        ANTHROPIC_BASE_URL: baseUrl.replace(/\/v1$/, ''),
        ANTHROPIC_AUTH_TOKEN: key,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
        ...(model === undefined ? {} : { ANTHROPIC_MODEL: model, ANTHROPIC_SMALL_FAST_MODEL: model }),
      },
      homeTexts: {},
    }),
    own: () => ({ ...nothing, environment: { CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' } }),
  },
  gemini: {
    programs: ['gemini'],
    arguments: ['--acp'],
    install: 'npm install -g @google/gemini-cli',
    api: 'none',
    keeps: ['.gemini/tmp'],
    ownVariables: ['GEMINI_API_KEY', 'GOOGLE_API_KEY', 'GEMINI_MODEL'],
    ownFiles: ['.gemini/oauth_creds.json', '.gemini/settings.json'],
    mode: () => 'default',
    paid: () => nothing,
    own: () => nothing,
  },
};
