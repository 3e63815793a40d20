import { closeSync, constants, openSync, readSync } from 'node:fs';
import { access, readFile, realpath, stat } from 'node:fs/promises';
import { basename, delimiter, dirname, join } from 'node:path';
import type { Shown } from './bubblewrap.ts';
import { isLedAway, type PathRules, realPath, workspaceProblem } from './path-rules.ts';
import { readPlainFile } from './pins.ts';
import { inside, liesIn } from './places.ts';

/** A program as it is started inside, and what has to be shown for it. */
type Program = { readonly file: string; readonly shown: readonly Shown[] };

/** The beginning of a file of the operator's, byte by byte. */
export const firstBytes = (path: string): string => {
  const fd = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(256);
    return buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0));
  } finally {
    closeSync(fd);
  }
};

const inSystem = (path: string): boolean =>
  ['/usr/bin', '/usr/sbin', '/usr/lib', '/usr/local/bin', '/usr/local/lib', '/bin', '/sbin', '/lib'].some(
    (folder) => liesIn(path, folder),
  );

const asItself = (path: string): Shown => ({ from: path, to: path, writable: false });

const shebang = (head: string) => /^#!\s*(\S+)(?:\s+(?:-S\s+)?(\S+))?/.exec(head) ?? [];

/**
 * What a script of a Python environment needs: all of that, and the Python that it was made from.
 * @returns undefined where it is none
 */
const pythonEnvironment = async (head: string, rules: PathRules): Promise<readonly Shown[] | undefined> => {
  const [, program = ''] = shebang(head);
  const environment = dirname(dirname(program));
  const settings = readPlainFile(join(environment, 'pyvenv.cfg'), 4096);
  const home = /^home\s*=\s*(\/.*?)\s*$/m.exec(settings ?? '')?.[1];
  if (home === undefined || workspaceProblem(environment, rules) !== undefined) return undefined;
  const base = dirname(home);
  const real = await realpath(base).catch(() => undefined);
  if (inSystem(home) || real === undefined || workspaceProblem(real, rules) !== undefined)
    return [asItself(environment)];
  const places = [...new Set([base, real])];
  return [asItself(environment), ...places.map((to) => ({ from: real, to, writable: false }))];
};

/** Folder whose files a script needs beside itself: its installed packages, else its own folder. */
const companions = (script: string, rules: PathRules): readonly Shown[] => {
  const packages = /^(.*?\/node_modules)\//.exec(script)?.[1];
  const folder = packages ?? dirname(script);
  return workspaceProblem(folder, rules) === undefined ? [asItself(folder)] : [asItself(script)];
};

const findOn = async (path: string, name: string): Promise<string | undefined> => {
  for (const folder of path.split(delimiter)) {
    const candidate = join(folder, name);
    if (
      folder.startsWith('/') &&
      (await access(candidate).then(
        () => true,
        () => false,
      ))
    )
      return candidate;
  }
  return undefined;
};

/** What runs a script: `#!/usr/bin/env NAME` or `#!/path`. */
const interpreter = async (head: string, path: string): Promise<readonly Shown[]> => {
  const [, program = '', argument] = shebang(head);
  const named = basename(program) === 'env' ? argument : undefined;
  const at = named === undefined ? program : await findOn(path, named);
  if (at === undefined || at === '' || inSystem(at)) return [];
  const real = await realpath(at).catch(() => undefined);
  if (real === undefined) return [];
  return [{ from: real, to: named === undefined ? at : join(inside.bin, named), writable: false }];
};

/** A wrapper is short; what is longer is a program. */
const longestWrapper = 16_384;

/** Programs that a wrapper of the operator's starts by their whole path: `exec /opt/tools/opencode "$@"`. */
const started = async (script: string, rules: PathRules): Promise<readonly Shown[]> => {
  if ((await stat(script)).size > longestWrapper) return [];
  const named = (await readFile(script, 'utf8')).match(/(?<=^|[\s"'=])\/[\w./@+-]+/gm) ?? [];
  const found = await Promise.all(
    [...new Set(named)].map(async (path): Promise<readonly Shown[]> => {
      if (inSystem(path) || isLedAway(path, rules)) return [];
      const real = await realpath(path).catch(() => undefined);
      if (real === undefined || inSystem(real) || !(await stat(real)).isFile()) return [];
      const runs = await access(real, constants.X_OK).then(
        () => true,
        () => false,
      );
      return runs && !firstBytes(real).startsWith('#!') ? [{ from: real, to: path, writable: false }] : [];
    }),
  );
  return found.flat();
};

/**
 * How a program of the host is started inside. A binary is shown under its name in the jail's own folder of programs;
 * a script where it is, with its companions and what runs it.
 * @param path the PATH on which its interpreter is looked for
 * @throws the system's error when it cannot be read
 */
export const showProgram = async (file: string, path: string, rules: PathRules): Promise<Program> => {
  const real = realPath(file);
  const head = firstBytes(real);
  if (!head.startsWith('#!')) {
    const to = join(inside.bin, basename(file));
    return { file: to, shown: [{ from: real, to, writable: false }] };
  }
  if (inSystem(real)) return { file: real, shown: await interpreter(head, path) };
  const [python, runs, others] = await Promise.all([
    pythonEnvironment(head, rules),
    interpreter(head, path),
    started(real, rules),
  ]);
  return { file: real, shown: [...(python ?? [...companions(real, rules), ...runs]), ...others] };
};
