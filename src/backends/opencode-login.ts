import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { userFolders } from './agent-environment.ts';
import { readPlainFile } from './jail/pins.ts';
import type { LaunchRequest } from './jail/types.ts';

type HomeFiles = LaunchRequest['homeFiles'];

/** What opencode keeps its logins in: of the user's folders an agent sees this and the configuration. */
const loginFiles = ['auth.json', 'mcp-auth.json'];
/** A login by OAuth is renewed in place: opencode loses it where it can't write it down. */
const renewed = /"type"\s*:\s*"oauth"|"refreshToken"/;
const largestLogin = 1024 * 1024;

/** Written by opencode itself at every start; not what the user configured. */
const madeAnew = new Set(['.gitignore', 'node_modules', 'package.json', 'package-lock.json', 'bun.lock']);

const namesIn = async (folder: string): Promise<readonly string[]> => {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errorCode(error) !== undefined) return [];
    throw error;
  }
};

/** The user's own login and configuration, as they stand in the home of an agent that works on them (provider `local`). */
export const ownLogin = async (ambient: Readonly<Record<string, string>>): Promise<HomeFiles> => {
  const { data, config } = userFolders(ambient);
  const logins = loginFiles.flatMap((name) => {
    const from = join(data, 'opencode', name);
    const text = readPlainFile(from, largestLogin);
    const at = `.local/share/opencode/${name}`;
    return text === undefined ? [] : [{ from, at, writable: renewed.test(text) }];
  });
  const folder = join(config, 'opencode');
  const settings = (await namesIn(folder))
    .filter((name) => !madeAnew.has(name))
    .map((name) => ({ from: join(folder, name), at: `.config/opencode/${name}`, writable: false }));
  return [...logins, ...settings];
};

/** The user's own settings of git; a file that can't be read says nothing, to git neither. */
const gitSettingsOf = (home: string): Promise<readonly string[]> =>
  Promise.all(
    ['.config/git/config', '.gitconfig'].map((name) => readFile(join(home, name), 'utf8').catch(() => '')),
  );

const askGit = async (PATH: string, HOME: string): Promise<LaunchRequest['identity']> => {
  const ask = async (name: string): Promise<string> => {
    const { stdout } = await promisify(execFile)('git', ['config', '--global', '--includes', '--get', name], {
      env: { PATH, HOME },
      cwd: '/',
      timeout: 5_000,
    }).catch(() => ({ stdout: '' }));
    return stdout.trim();
  };
  const [name = '', email = ''] = await Promise.all([ask('user.name'), ask('user.email')]);
  return name === '' || email === '' ? undefined : { name, email };
};

/**
 * Finds out who the user is to git; undefined when it was not told, or is not there. Git is asked again when the user's
 * settings have changed, and each time when they take others in: a process takes longer than all else before a run.
 */
export const createGitIdentity = ({ PATH = '', HOME = '' }: Readonly<Record<string, string>>) => {
  let known: { readonly settings: string; readonly identity: LaunchRequest['identity'] } | undefined;
  return async (): Promise<LaunchRequest['identity']> => {
    const texts = await gitSettingsOf(HOME);
    if (texts.every((text) => text === '')) return undefined;
    const settings = JSON.stringify(texts);
    if (known?.settings === settings) return known.identity;
    const identity = await askGit(PATH, HOME);
    known = identity === undefined || /\binclude/i.test(settings) ? undefined : { settings, identity };
    return identity;
  };
};

const pluginPackage = '@opencode-ai/plugin';

/**
 * opencode installs its plugin package from the npm registry into every configuration folder, at every start, unless
 * it finds this. A folder of our own holds no plugins, and nothing is fetched that the task did not ask for.
 */
export const pretendInstalled = {
  '.config/opencode/package-lock.json': JSON.stringify({
    packages: { '': { dependencies: { [pluginPackage]: '*' } } },
  }),
  '.config/opencode/node_modules/.none': '',
};
