import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '@nostr-dm-agent/kit/log';
import type { BackendDeps, BackendSettings } from '../../src/backends/agent-folders.ts';
import { createAgentJail, type JailConfig } from '../../src/backends/agent-jail.ts';
import type { AgentEvent, AgentRequest, RunPayment } from '../../src/backends/backend.ts';
import type { Jail } from '../../src/backends/jail/types.ts';

export const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

export const ownPayment: RunPayment = { credentials: 'own', variables: {}, configuration: {} };

/** A temporary machine for an agent: the bot's home, a user's home, a workspace. */
export const makePlace = (overrides: Partial<BackendSettings> = {}) => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'nostr-dm-agent-test-')));
  const folder = (name: string): string => {
    mkdirSync(join(root, name), { mode: 0o700, recursive: true });
    return join(root, name);
  };
  const user = folder('user');
  const workspace = folder('workspace');
  // The models of these stories are described in their configuration: opencode starts faster without its catalogue of others.
  const catalogue = join(root, 'no-models.json');
  writeFileSync(catalogue, '{}');
  const settings: BackendSettings = {
    home: folder('bot'),
    agents: [],
    opencodeBin: undefined,
    cursorBin: undefined,
    trustWorkspace: false,
    fileServers: [],
    ambient: {
      ...{ PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: user },
      ...{ OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_MODELS_PATH: catalogue },
    },
    ...overrides,
  };
  const jailOf = (isolation: JailConfig['isolation']): Jail =>
    createAgentJail(
      {
        ...{
          home: settings.home,
          isolation,
          agentNetwork: 'internet',
          agentPaths: [],
          workspaces: [],
          wallet: undefined,
        },
        ...{ git: { name: undefined, email: undefined }, ambient: settings.ambient },
      },
      [],
    );
  const deps: BackendDeps = { log: silent, graceMs: 1500, jail: jailOf('none') };
  /** As they are behind this wall. */
  const behind = (isolation: JailConfig['isolation']): BackendDeps => ({ ...deps, jail: jailOf(isolation) });
  let runs = 0;
  const request = (task: string, more: Partial<AgentRequest> = {}): AgentRequest => {
    const runId = `test-${process.pid}-${crypto.randomUUID().slice(0, 8)}`;
    runs++;
    return {
      runId,
      owner: 'a'.repeat(64),
      task,
      mode: 'agent',
      model: undefined,
      workspace,
      backendSession: undefined,
      title: `run ${runs} ${runId}`,
      payment: ownPayment,
      ...more,
    };
  };
  const remove = (): void => rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  return { root, user, workspace, settings, deps, behind, request, remove };
};

/** An observer that keeps what it saw. */
export const watch = () => {
  const events: AgentEvent[] = [];
  const pids: number[] = [];
  let activity = 0;
  return {
    events,
    pids,
    activity: () => activity,
    observer: {
      onSpawn: (pid: number) => void pids.push(pid),
      onEvent: (event: AgentEvent) => void events.push(event),
      onActivity: () => {
        activity++;
      },
    },
  };
};
