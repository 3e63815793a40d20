import { z } from 'zod';
import { type BackendDeps, type BackendSettings, nobody, openNowhere } from './agent-folders.ts';
import type { Backend, Model } from './backend.ts';
import { endRun } from './leftovers.ts';
import { testedOpencode } from './opencode-binary.ts';
import { createLauncher } from './opencode-launch.ts';
import { clearLogins, createLogins } from './opencode-logins.ts';
import { createStoreKeeper } from './opencode-store.ts';
import { createWarmOpencode, endLeftServers } from './warm/warm-opencode.ts';
import { whenPaid } from './when-paid.ts';

const modelsKeptMs = 5 * 60_000;

const modelBlock = /^(\S+\/\S+)\n(\{\n[\s\S]*?\n\})$/gm;
const modelName = z.object({ name: z.string() });

/** Reads `opencode models --verbose`: an id, then its facts as JSON, and so on. */
const parseModels = (output: string): readonly Model[] =>
  Array.from(output.matchAll(modelBlock), ([, id = '', facts = '{}']) => {
    const parsed = modelName.safeParse(JSON.parse(facts));
    return { id, name: parsed.success ? parsed.data.name : id };
  });

/** Drives opencode: by a server that is kept ready, where there is one, else by its command line, one process per run. */
export const createOpencode = (settings: BackendSettings, deps: BackendDeps): Backend => {
  const { home } = settings;
  const log = deps.log.child({ backend: 'opencode' });
  const launcher = createLauncher(settings, deps);
  const { ask, look } = launcher;
  const modelLists = new Map<string, { readonly at: number; readonly models: readonly Model[] }>();
  let runner: Promise<Backend['run']> | undefined;
  // Loaded with the first task.
  const load = async (): Promise<Backend['run']> => {
    const { createOpencodeRunner } = await import('./opencode-run.ts');
    return createOpencodeRunner(home, deps, launcher, log);
  };
  const oneShot: Backend['run'] = async (...task) => {
    runner ??= load();
    return (await runner)(...task);
  };
  const warmed = createWarmOpencode(settings, deps, launcher, whenPaid(oneShot), log);
  const run = createStoreKeeper(home).keeping(warmed.run);

  const endLeftovers: Backend['endLeftovers'] = async (runId, signal) => {
    const graceMs = deps.graceMs;
    const ended = await endRun({ runId, signal, ...(graceMs === undefined ? {} : { graceMs }) });
    await deps.jail.clear(runId);
    return ended;
  };

  const health: Backend['health'] = async (signal) => {
    const { found } = await look(signal);
    if (found.state === 'missing') return found;
    const facts = { path: found.path, version: found.version };
    return found.version === testedOpencode
      ? { state: 'ok', ...facts }
      : { state: 'untested', ...facts, tested: testedOpencode };
  };

  const models: Backend['models'] = async (payment, signal) => {
    const key = JSON.stringify([payment.credentials, payment.configuration, Object.keys(payment.variables)]);
    const kept = modelLists.get(key);
    if (kept !== undefined && Date.now() - kept.at < modelsKeptMs) return kept.models;
    const workspace = await openNowhere(home);
    const args = ['models', '--verbose'];
    const output = await ask(
      { owner: nobody, workspace, payment, mode: 'ask', model: undefined, args },
      signal,
    );
    const list = parseModels(output);
    if (list.length > 0) modelLists.set(key, { at: Date.now(), models: list });
    return list;
  };

  const endLeft = {
    endLeftServers: async (signal: AbortSignal): Promise<number> => {
      const ended = await endLeftServers(home, signal);
      await clearLogins(home);
      return ended;
    },
  };
  const { kept, tell, close, desk } = warmed;
  // Where none is kept ready nothing is to be expected of a sign of life.
  const warm = (deps.warm?.servers ?? 0) === 0 ? {} : { warm: warmed.warm };
  return {
    name: 'opencode',
    run,
    endLeftovers,
    health,
    models,
    kept,
    tell,
    close,
    desk,
    login: createLogins(home, launcher, log).begin,
    ...endLeft,
    ...warm,
  };
};
