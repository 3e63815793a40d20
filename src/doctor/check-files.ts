import { constants, existsSync } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { LockHeldError } from '@nostr-dm-agent/kit/lock';
import { isHosted } from '../backends/hosts/place.ts';
import type { Config } from '../config/config.ts';
import { defaultWorkspace } from '../config/default-workspace.ts';
import { messageOf } from '../replies/format.ts';
import { rootWarning } from '../replies/wall-replies.ts';
import { lockHome } from '../store/lock-home.ts';
import type { Finding } from './finding.ts';

/**
 * `.env`, the bot's home and the workspaces.
 * @param within the bot itself asks: nobody tries the lock that it holds
 */
export async function checkFiles(
  config: Config,
  envFile: string | undefined,
  within = false,
): Promise<readonly Finding[]> {
  const userHome = config.ambient.HOME ?? homedir();
  return [
    ...checkUser(),
    ...(envFile === undefined
      ? []
      : [
          await checkSecrecy(
            '.env',
            envFile,
            'It holds the bot’s key',
            'none; the environment says everything',
          ),
        ]),
    ...(within ? [await checkDatabase(config)] : await checkHome(config)),
    ...(await Promise.all(
      config.workspaces
        .filter(({ directory }) => !isHosted(directory))
        .map(({ name, directory }) => checkWorkspace(name, directory, userHome)),
    )),
  ];
}

async function checkSecrecy(subject: string, path: string, why: string, absent: string): Promise<Finding> {
  try {
    const { mode } = await stat(path);
    const open = (mode & 0o077) !== 0;
    return open
      ? {
          subject,
          state: 'warning',
          fact: `others on this host can read ${path}. ${why}.`,
          remedy: `chmod 600 ${path}`,
        }
      : { subject, state: 'ok', fact: `${path} is yours alone` };
  } catch (cause) {
    const missing = errorCode(cause) === 'ENOENT';
    return missing
      ? { subject, state: 'ok', fact: absent }
      : { subject, state: 'broken', fact: messageOf(cause), remedy: `make ${path} readable for this user` };
  }
}

async function checkHome({ home }: Config): Promise<readonly Finding[]> {
  const subject = 'home';
  try {
    lockHome(home).release();
  } catch (cause) {
    if (cause instanceof LockHeldError) {
      const { holder } = cause;
      const who = holder && ` (process ${holder.pid} since ${new Date(holder.since).toISOString()})`;
      return [{ subject, state: 'ok', fact: `the bot is running in ${home}${who ?? ''}` }];
    }
    return [
      { subject, state: 'broken', fact: messageOf(cause), remedy: `make ${home} writable for this user` },
    ];
  }
  return [
    { subject, state: 'ok', fact: `${home} is writable; no bot is running in it` },
    await checkDatabase({ home }),
  ];
}

const checkDatabase = ({ home }: Pick<Config, 'home'>): Promise<Finding> =>
  checkSecrecy(
    'database',
    join(home, 'bot.db'),
    'It holds your messages',
    'none yet; the first start makes it',
  );

/** uid 0 has no wall towards the rest of the machine but the jail's own. */
const checkUser = (): readonly Finding[] =>
  process.getuid?.() === 0
    ? [{ subject: 'user', state: 'warning', fact: 'the bot runs as root', remedy: rootWarning }]
    : [];

async function checkWorkspace(name: string, directory: string, userHome: string): Promise<Finding> {
  const subject = `workspace ${name}`;
  if (directory === defaultWorkspace({ userHome }).directory && !existsSync(directory))
    return { subject, state: 'ok', fact: `${directory} is made at the first start` };
  try {
    if (!(await stat(directory)).isDirectory()) throw new Error(`${directory} is not a directory`);
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    return { subject, state: 'ok', fact: `${directory} is writable` };
  } catch (cause) {
    return {
      subject,
      state: 'broken',
      fact: messageOf(cause),
      remedy: 'correct BOT_WORKSPACE, or make that directory',
    };
  }
}
