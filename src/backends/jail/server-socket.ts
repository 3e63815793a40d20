import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';

export const serverSocket = 'server.sock';

/** O_PATH: what an agent put there is only looked at. Undefined when it is no socket. */
export const openServerSocket = (folder: string): number | undefined => {
  let fd: number;
  try {
    fd = openSync(join(folder, 'out', serverSocket), 0o10000000 | constants.O_NOFOLLOW);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
  if (fstatSync(fd).isSocket()) return fd;
  closeSync(fd);
  return undefined;
};
