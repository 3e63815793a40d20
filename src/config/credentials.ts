import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { ConfigError } from './config-error.ts';

/** What the service manager or a container may hand over as files, out of the environment: secrets. */
export const credentialNames = ['BOT_KEY', 'BOT_KEY_PASSWORD', 'BOT_STT_KEY', 'CASHU_MNEMONIC'] as const;
export type CredentialName = (typeof credentialNames)[number];

export type Credentials = {
  readonly values: Partial<Readonly<Record<CredentialName, string>>>;
  /** Files that others of this machine can read. */
  readonly open: readonly string[];
};

const largest = 4096;

/**
 * Reads the files of `$CREDENTIALS_DIRECTORY` (systemd.exec(5), `LoadCredential=`) that have the name of a variable. Line breaks
 * at their end are not part of it. One that is not there is not set.
 *
 * @throws ConfigError for a file that can't be read, is no plain file, is too large, or that somebody else may write
 */
export function readCredentials(folder: string | undefined): Credentials {
  const values: Partial<Record<CredentialName, string>> = {};
  const open: string[] = [];
  if (folder === undefined || !isAbsolute(folder)) return { values, open };
  for (const name of credentialNames) {
    const path = join(folder, name);
    const read = readSecret(path);
    if (read === undefined) continue;
    if ('problem' in read)
      throw new ConfigError(
        [{ variable: name, problem: `is in ${path}, which ${read.problem}`, example: `chmod 400 ${path}` }],
        false,
      );
    values[name] = read.text;
    if (read.open) open.push(path);
  }
  return { values, open };
}

type Read = { readonly text: string; readonly open: boolean } | { readonly problem: string } | undefined;

function readSecret(path: string): Read {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    return code === 'ENOENT' ? undefined : { problem: `can't be read (${code})` };
  }
  try {
    const about = fstatSync(file);
    if (!about.isFile()) return { problem: 'is no file' };
    const { uid, mode, size } = about;
    if (size > largest) return { problem: 'is too large for a secret' };
    // Whoever may write it says who the bot is.
    if (uid !== 0 && uid !== process.getuid?.()) return { problem: 'is another user’s' };
    if ((mode & 0o022) !== 0) return { problem: 'others may write' };
    return { text: readFileSync(file, 'utf8').replace(/[\r\n]+$/, ''), open: (mode & 0o004) !== 0 };
  } finally {
    closeSync(file);
  }
}
