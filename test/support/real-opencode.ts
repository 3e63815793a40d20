import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const executable = join(import.meta.dir, '../../node_modules/opencode-ai/bin/opencode.exe');

export type OpencodeRun = {
  /** null: it had to be killed. */
  readonly exitCode: number | null;
  readonly events: readonly { readonly type: string; readonly [key: string]: unknown }[];
  readonly stderr: string;
  readonly ms: number;
};

/** The real opencode, with folders of its own, speaking to a provider at `baseUrl`. */
export function createRealOpencode() {
  const home = mkdtempSync(join(tmpdir(), 'meter-opencode-'));
  const workspace = join(home, 'work');
  mkdirSync(workspace);
  return {
    run: async (
      provider: { readonly baseUrl: string; readonly key: string },
      options: { readonly config?: object; readonly model?: object; readonly deadlineMs?: number } = {},
    ): Promise<OpencodeRun> => {
      const start = performance.now();
      const config = {
        model: 'routstr/m',
        small_model: 'routstr/m',
        enabled_providers: ['routstr'],
        permission: { '*': 'allow', doom_loop: 'allow', external_directory: 'deny' },
        provider: {
          routstr: {
            npm: '@ai-sdk/openai-compatible',
            name: 'Routstr',
            options: { baseURL: provider.baseUrl, apiKey: '{env:ROUTSTR_API_KEY}', includeUsage: true },
            models: {
              m: { name: 'M', tool_call: true, limit: { context: 128_000, output: 4096 }, ...options.model },
            },
          },
        },
        ...options.config,
      };
      const process_ = Bun.spawn([executable, 'run', '--format', 'json', '--title', 'meter'], {
        cwd: workspace,
        stdin: new Blob(['say hello']),
        stdout: 'pipe',
        stderr: 'pipe',
        env: {
          PATH: process.env.PATH ?? '',
          PWD: workspace,
          HOME: home,
          XDG_DATA_HOME: join(home, 'data'),
          XDG_STATE_HOME: join(home, 'state'),
          XDG_CACHE_HOME: join(home, 'cache'),
          XDG_CONFIG_HOME: join(home, 'config'),
          OPENCODE_CONFIG_CONTENT: JSON.stringify(config),
          OPENCODE_DISABLE_PROJECT_CONFIG: '1',
          OPENCODE_DISABLE_MODELS_FETCH: '1',
          OPENCODE_DISABLE_AUTOUPDATE: '1',
          OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
          OPENCODE_PURE: '1',
          ROUTSTR_API_KEY: provider.key,
        },
      });
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        process_.kill('SIGKILL');
      }, options.deadlineMs ?? 60_000);
      const [stdout, stderr, exitCode] = await Promise.all([
        new Response(process_.stdout).text(),
        new Response(process_.stderr).text(),
        process_.exited,
      ]);
      clearTimeout(timer);
      return {
        exitCode: late ? null : exitCode,
        events: stdout
          .split('\n')
          .filter((line) => line.startsWith('{'))
          .map((line) => JSON.parse(line)),
        stderr,
        ms: performance.now() - start,
      };
    },
    close: (): void => rmSync(home, { recursive: true, force: true }),
  };
}
