import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { z } from 'zod';

const executable = join(import.meta.dir, '../../node_modules/opencode-ai/bin/opencode.exe');

export type OpencodeRun = {
  /** null: it had to be killed. */
  readonly exitCode: number | null;
  readonly events: readonly { readonly type: string; readonly [key: string]: unknown }[];
};

/** Where opencode's model calls go, and how its one model is described. */
export type MeteredModel = { readonly baseUrl: string; readonly key: string; readonly model?: object };

const providerOf = ({ baseUrl, key, model }: MeteredModel) => ({
  npm: '@ai-sdk/openai-compatible',
  name: 'Routstr',
  options: { baseURL: baseUrl, apiKey: key, includeUsage: true },
  models: { m: { name: 'M', tool_call: true, limit: { context: 128_000, output: 4096 }, ...model } },
});

/** The real opencode, with folders of its own. */
export function createRealOpencode() {
  const home = mkdtempSync(join(tmpdir(), 'meter-opencode-'));
  const workspace = join(home, 'work');
  mkdirSync(workspace);
  // Every model is described in the configuration: opencode's catalogue of others is left out of its start.
  const catalogue = join(home, 'models.json');
  writeFileSync(catalogue, '{}');
  const start = (args: readonly string[], stdin: string, models: readonly MeteredModel[]) =>
    Bun.spawn([executable, ...args], {
      cwd: workspace,
      stdin: new Blob([stdin]),
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
        OPENCODE_CONFIG_CONTENT: JSON.stringify({
          ...{ model: 'p0/m', small_model: 'p0/m' },
          permission: { '*': 'allow', doom_loop: 'allow', external_directory: 'deny' },
          provider: Object.fromEntries(models.map((model, i) => [`p${i}`, providerOf(model)])),
        }),
        OPENCODE_DISABLE_PROJECT_CONFIG: '1',
        OPENCODE_DISABLE_MODELS_FETCH: '1',
        OPENCODE_MODELS_PATH: catalogue,
        OPENCODE_DISABLE_AUTOUPDATE: '1',
        OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
        OPENCODE_PURE: '1',
      },
    });
  const ends: (() => unknown)[] = [];
  return {
    /** One task, in a process of its own. */
    run: async (model: MeteredModel, deadlineMs = 60_000): Promise<OpencodeRun> => {
      const process_ = start(['run', '--format', 'json', '--title', 'meter'], 'say hello', [model]);
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        process_.kill('SIGKILL');
      }, deadlineMs);
      const [stdout, exitCode] = await Promise.all([
        new Response(process_.stdout).text(),
        process_.exited,
        new Response(process_.stderr).text(),
      ]);
      clearTimeout(timer);
      return {
        exitCode: late ? null : exitCode,
        events: stdout
          .split('\n')
          .filter((line) => line.startsWith('{'))
          .map((line) => JSON.parse(line)),
      };
    },
    /**
     * One process for many tasks, each in a session of its own and with one of the models. What is told of a task is what
     * `run` would say: its `error` events are the session's, and it exits with 1 when there is one.
     */
    serve: async (models: readonly MeteredModel[]) => {
      const server = start(['serve', '--hostname', '127.0.0.1', '--port', '0'], '', models);
      ends.push(() => server.kill('SIGKILL'));
      const { url, rest } = await addressIn(server.stdout);
      ends.push(() => rest.cancel());
      const told: z.infer<typeof eventSchema>[] = [];
      const leave = new AbortController();
      ends.push(() => leave.abort());
      const stream = await fetch(`${url}/event`, { signal: leave.signal });
      void readEvents(stream, (event) => told.push(event)).catch(() => undefined);
      const post = async (path: string, body: object): Promise<unknown> => {
        const answer = await fetch(`${url}${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
          signal: AbortSignal.timeout(60_000),
        });
        return answer.json();
      };
      return async (model: number): Promise<OpencodeRun> => {
        const { id } = sessionSchema.parse(await post('/session', { title: 'meter' }));
        const parts = [{ type: 'text', text: 'say hello' }];
        await post(`/session/${id}/message`, { model: { providerID: `p${model}`, modelID: 'm' }, parts });
        const own = () => told.filter(({ properties }) => properties.sessionID === id);
        await until(() => own().some(({ type }) => type === 'session.idle'), 'the session is at rest');
        const events = own().map((event) =>
          event.type === 'session.error' ? { ...event, type: 'error' } : event,
        );
        return { exitCode: events.some(({ type }) => type === 'error') ? 1 : 0, events };
      };
    },
    close: (): void => {
      for (const end of ends.reverse()) end();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

const sessionSchema = z.object({ id: z.string() });
const eventSchema = z.looseObject({
  type: z.string(),
  properties: z.looseObject({ sessionID: z.string().optional() }),
});

async function addressIn(stdout: ReadableStream<Uint8Array>) {
  const reader = stdout.getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`opencode does not serve: ${text}`);
    text += new TextDecoder().decode(value);
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0];
    if (url !== undefined) return { url, rest: reader };
  }
}

async function readEvents(stream: Response, each: (event: z.infer<typeof eventSchema>) => void) {
  let text = '';
  const decoder = new TextDecoder();
  for await (const bytes of stream.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    for (const line of lines)
      if (line.startsWith('data: ')) each(eventSchema.parse(JSON.parse(line.slice('data: '.length))));
  }
}
