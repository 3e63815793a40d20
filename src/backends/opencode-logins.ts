import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { untilAborted } from '@nostr-dm-agent/kit/abort';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { isLoopbackHost } from '@nostr-dm-agent/kit/net';
import { z } from 'zod';
import { nobody, openNowhere } from './agent-folders.ts';
import { type Credential, credentialShape } from './credential.ts';
import { readPlainFile } from './jail/pins.ts';
import type { BeginLogin } from './login.ts';
import { NotStartedError } from './not-started.ts';
import { testedOpencode } from './opencode-binary.ts';
import type { Launcher } from './opencode-launch.ts';
import type { LoginMethod } from './warm/client.ts';

const loginFolder = (home: string): string => join(home, 'agent', 'logins');
/** Nothing of a login outlives it: what a bot that was killed left is taken away when it starts. */
export const clearLogins = (home: string): Promise<void> =>
  rm(loginFolder(home), { recursive: true, force: true });

const longestFile = 256 * 1024;
/**
 * Logins by OAuth, as opencode's own server offers them: started for one login in a jail and a home of its own, which are
 * taken away with it. The credential leaves that home only into the hands of the caller.
 */
export const createLogins = (
  home: string,
  { prepareLogin }: Pick<Launcher, 'prepareLogin'>,
  log: Logger,
): { readonly begin: BeginLogin } => {
  const begin: BeginLogin = async (provider, signal) => {
    const id = `login-${crypto.randomUUID()}`;
    const folder = join(loginFolder(home), id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const wipe = () => rm(folder, { recursive: true, force: true });
    const plan = {
      ...{ id, owner: nobody, workspace: await openNowhere(home), modes: ['ask'] as const },
      payment: { credentials: 'provided', variables: {}, configuration: { enabled_providers: [provider] } },
      password: randomBytes(24).toString('base64url'),
    } as const;
    let end = wipe;
    try {
      const prepared = await prepareLogin(plan, folder, signal);
      if (prepared.version !== testedOpencode) {
        await prepared.cell.close();
        throw new NotStartedError('backend_unknown', `opencode ${prepared.version}`);
      }
      const { startServer } = await import('./warm/server.ts');
      const server = await startServer(plan, prepared, log, signal);
      end = async () => {
        await server.end();
        await wipe();
      };
      const { client } = server;
      const asked = { signal, throwOnError: true } as const;
      const { data: methods } = await client.provider.auth({}, asked);
      const chosen = chooseMethod(methods[provider] ?? []);
      if (chosen.why !== undefined) {
        await end();
        return { state: 'refused', why: chosen.why };
      }
      const { method, inputs, label } = chosen;
      const answer = await client.provider.oauth.authorize(
        { providerID: provider, method, inputs },
        { signal },
      );
      const way = answer.data;
      if (way === undefined || way === null || !isWay(way.url)) {
        await end();
        return { state: 'refused', why: way && comesBack(way.url) ? 'comes_back' : 'failed' };
      }
      return {
        state: 'begun',
        ...{
          label,
          url: way.url,
          instructions: oneLine(way.instructions),
          wantsCode: way.method === 'code',
          end,
        },
        finish: async (code, patience) => {
          const done = await untilAborted(
            client.provider.oauth.callback(
              { providerID: provider, method, ...(code === undefined ? {} : { code }) },
              { signal: patience },
            ),
            patience,
          );
          if (done.data !== true) return { state: 'failed' };
          const found = credentialIn(join(folder, 'auth.json'), provider);
          return found === undefined ? { state: 'failed' } : { state: 'connected', credential: found };
        },
      };
    } catch (error) {
      await end();
      throw error;
    }
  };
  return { begin };
};

/** The way in that works from anywhere first; what it asks before is answered as opencode would by itself. */
function chooseMethod(methods: readonly LoginMethod[]) {
  const ways = methods
    .map(({ type, label, prompts = [] }, method) => ({ type, label, prompts, method }))
    .filter(({ type }) => type === 'oauth')
    .sort((a, b) => Number(fromAnywhere.test(b.label)) - Number(fromAnywhere.test(a.label)));
  if (ways.length === 0) return { why: 'none' } as const;
  for (const { prompts, method, label } of ways) {
    const inputs = answersTo(prompts);
    if (inputs !== undefined) return { method, label, inputs, why: undefined };
  }
  return { why: 'asks' } as const;
}
const fromAnywhere = /headless|device/i;

function answersTo(
  prompts: NonNullable<LoginMethod['prompts']>,
): Readonly<Record<string, string>> | undefined {
  const answers: Record<string, string> = {};
  for (const prompt of prompts) {
    const { when } = prompt;
    if (when !== undefined && (answers[when.key] === when.value) !== (when.op === 'eq')) continue;
    const first = prompt.type === 'select' ? prompt.options[0]?.value : undefined;
    if (first === undefined) return undefined;
    answers[prompt.key] = first;
  }
  return answers;
}

/** A place on the web, or on this machine, that a browser may be sent to and that does not send it back here. */
const isWay = (text: string): boolean => {
  const url = URL.parse(text);
  if (url === null || text.length > 4_000 || comesBack(text)) return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopbackHost(url.hostname));
};
const comesBack = (text: string): boolean => {
  const back = URL.parse(URL.parse(text)?.searchParams.get('redirect_uri') ?? '');
  return back !== null && isLoopbackHost(back.hostname);
};

const oneLine = (text: string): string =>
  Array.from(text.slice(0, 300), (character) => (character < ' ' ? ' ' : character)).join('');

const credentialIn = (path: string, provider: string): Credential | undefined => {
  const text = readPlainFile(path, longestFile);
  const parsed = z.record(z.string(), z.unknown()).safeParse(text === undefined ? undefined : readJson(text));
  const found = credentialShape.safeParse(parsed.data?.[provider]);
  return found.success ? found.data : undefined;
};

const readJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
