import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The agents that are driven by ACP, exactly as docs/agents.md says that they were run. */
export const npmAgents = {
  qwen: { package: '@qwen-code/qwen-code@0.24.4', program: 'qwen' },
  codex: { package: '@agentclientprotocol/codex-acp@2.6.0', program: 'codex-acp' },
  claude: { package: '@agentclientprotocol/claude-agent-acp@0.101.0', program: 'claude-agent-acp' },
} as const;
/** From PyPI, for Python 3.12 or later. */
export const vibePackage = 'mistral-vibe==3.0.2';
export const agentNames = ['qwen', 'codex', 'claude', 'vibe'] as const;
/** Those that need nothing but npm. */
export const npmAgentNames = ['qwen', 'codex', 'claude'] as const;
export type AgentName = (typeof agentNames)[number];

/** Two of them download 400 MB. */
const installTimeoutMs = 5 * 60_000;

/**
 * A folder for agents: `AGENTS_DIR`, where they stay for later runs, else one that is removed. Not in this repository: the
 * jail shows no agent what lies there.
 */
export function agentsFolder() {
  const kept = process.env.AGENTS_DIR;
  if (kept !== undefined && kept !== '') return { path: kept, remove: () => {} };
  const path = mkdtempSync(join(tmpdir(), 'nostr-dm-agent-agents-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/**
 * Installs an agent into a folder of its own below `folder`, where it is not there yet.
 * @returns the folder that its program is in
 * @throws Error with what npm or pip said
 */
export async function installAgent(name: AgentName, folder: string): Promise<string> {
  const wanted = name === 'vibe' ? vibePackage : npmAgents[name].package;
  const at = join(folder, wanted.replaceAll(/[@/=]+/g, '-').replace(/^-/, ''));
  const bin = join(at, name === 'vibe' ? 'bin' : 'node_modules/.bin');
  if (existsSync(join(at, 'installed'))) return bin;
  rmSync(at, { recursive: true, force: true });
  mkdirSync(at, { recursive: true });
  const signal = AbortSignal.timeout(installTimeoutMs);
  if (name === 'vibe') {
    await run([process.env.AGENTS_PYTHON ?? 'python3', '-m', 'venv', at], signal);
    const pip = [join(bin, 'python'), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
    await run([...pip, '--only-binary=:all:', wanted], signal);
  } else {
    const quiet = ['--no-audit', '--no-fund', '--no-save', '--loglevel=error'];
    // What a package wants to run on installing is not run: none of them needs it.
    await run(['npm', 'install', ...quiet, '--ignore-scripts', `--prefix=${at}`, wanted], signal);
  }
  writeFileSync(join(at, 'installed'), wanted);
  return bin;
}

async function run(command: readonly string[], signal: AbortSignal): Promise<void> {
  const child = Bun.spawn([...command], { stdout: 'pipe', stderr: 'pipe', signal, killSignal: 'SIGKILL' });
  const [out, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code === 0) return;
  const why = signal.aborted ? `took more than ${installTimeoutMs / 60_000} minutes` : 'failed';
  throw new Error(`${command.slice(0, 3).join(' ')} … ${why}:\n${out}${errors}`.slice(0, 4000));
}
