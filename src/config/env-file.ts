import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { parse } from 'dotenv';
import { ConfigError } from './config-error.ts';

export type EnvFile = {
  readonly path: string;
  readonly values: Readonly<Record<string, string>>;
  /** Permission bits, e.g. 0o600. */
  readonly mode: number;
};

/**
 * Reads an environment file with dotenv into an object; the process environment stays as it is.
 * @returns undefined when there is no such file
 * @throws the system's error when it is there but can't be read
 */
export function readEnvFile(path: string): EnvFile | undefined {
  try {
    return { path, values: parse(readFileSync(path)), mode: statSync(path).mode & 0o777 };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** What Bun reads by itself at start, unless it is told `--no-env-file` or `env = false`. */
const readByBun = ['.env', '.env.local', '.env.development', '.env.production', '.env.test'];

/**
 * Names of all variables that files in `directory` may have put into the process environment before this program had
 * a say. Our bunfig.toml and the executable's first line turn that off, but a user may start Bun in another way.
 */
export function namesBunMayHaveLoaded(directory: string): Set<string> {
  const names = new Set<string>();
  for (const file of readByBun) {
    try {
      for (const name of Object.keys(parse(readFileSync(join(directory, file))))) names.add(name);
    } catch (error) {
      // A file that we can't read Bun could not read either.
      if (errorCode(error) === undefined) throw error;
    }
  }
  return names;
}

/** The same for a start. @throws ConfigError when it can't be read */
export function openEnvFile(path: string): EnvFile | undefined {
  try {
    return readEnvFile(path);
  } catch (error) {
    const code = errorCode(error) ?? 'unknown error';
    throw new ConfigError(
      [{ variable: path, problem: `can't be read (${code})`, example: `chmod 600 ${path}` }],
      false,
    );
  }
}
