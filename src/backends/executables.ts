import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { errorCode } from '@nostr-dm-agent/kit/error-code';

/** True for a regular file that this process may execute. */
export const isExecutable = async (path: string): Promise<boolean> => {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch (error) {
    if (errorCode(error) !== undefined) return false;
    throw error;
  }
};

/** The first of `names` that is an executable in one of the absolute folders of `path` (the value of PATH). */
export const findOnPath = async (
  names: readonly string[],
  path: string | undefined,
): Promise<string | undefined> => {
  const folders = (path ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
  for (const name of names)
    for (const folder of folders) {
      const candidate = join(folder, name);
      if (await isExecutable(candidate)) return candidate;
    }
  return undefined;
};
