import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { userFolders } from '../agent-environment.ts';
import { entryAt } from '../jail/pins.ts';
import { configPath } from '../opencode-config.ts';

const stampOf = (path: string): string => {
  const entry = entryAt(path);
  return entry === undefined ? '-' : `${entry.ino} ${entry.size} ${entry.mtimeMs}`;
};

const namesIn = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return [];
    throw error;
  }
};

/** What a server was configured by, as it is now: a server whose files have changed since is started anew. */
export const configStamp = (
  home: string,
  ambient: Readonly<Record<string, string>>,
  own: boolean,
): string => {
  const { config, data } = userFolders(ambient);
  const folder = join(config, 'opencode');
  const files = own
    ? [join(data, 'opencode', 'auth.json'), ...namesIn(folder).map((name) => join(folder, name))]
    : [];
  return [configPath(home), ...files].map((path) => `${path} ${stampOf(path)}`).join('\n');
};
