import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { LockHeldError } from '@nostr-dm-agent/kit/lock';
import type { Config } from '../config/config.ts';
import { messageOf } from '../replies/format.ts';
import { lockHome } from '../store/lock-home.ts';
import type { Finding } from './finding.ts';

/** `.env`, the bot's home and the workspaces. */
export async function checkFiles(config: Config, envFile: string): Promise<readonly Finding[]> {
  return [
    await checkSecrecy('.env', envFile, 'It holds the bot’s key', 'none; the environment says everything'),
    ...(await checkHome(config)),
    ...(await Promise.all(config.workspaces.map(({ name, directory }) => checkWorkspace(name, directory)))),
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
    await checkSecrecy(
      'database',
      join(home, 'bot.db'),
      'It holds your messages',
      'none yet; the first start makes it',
    ),
  ];
}

async function checkWorkspace(name: string, directory: string): Promise<Finding> {
  const subject = `workspace ${name}`;
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
