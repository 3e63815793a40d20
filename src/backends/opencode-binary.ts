import { existsSync, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { findOnPath, isExecutable } from './executables.ts';
import { entryAt } from './jail/pins.ts';
import { firstBytes } from './jail/programs.ts';

/** The version that the tests run with. */
export const testedOpencode = '1.18.33';

type FoundBinary =
  /** Best first: which of them this CPU can run is known once one is started. */
  | { readonly state: 'found'; readonly candidates: readonly string[] }
  | { readonly state: 'missing'; readonly looked: readonly string[]; readonly problem: string };

const systems: Readonly<Record<string, string>> = { win32: 'windows' };

const hasAvx2 = (): boolean =>
  process.platform !== 'linux' || !existsSync('/proc/cpuinfo')
    ? true
    : /\bavx2\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));

const isMusl = (): boolean => process.platform === 'linux' && existsSync('/etc/alpine-release');

/** Names of the packages that hold a binary for this machine, best first. */
const platformPackages = (): readonly string[] => {
  const base = `opencode-${systems[process.platform] ?? process.platform}-${process.arch}`;
  const speeds = process.arch === 'x64' ? (hasAvx2() ? ['', '-baseline'] : ['-baseline', '']) : [''];
  const libraries = process.platform === 'linux' ? (isMusl() ? ['-musl', ''] : ['', '-musl']) : [''];
  return libraries.flatMap((library) => speeds.map((speed) => `${base}${speed}${library}`));
};

const resolvePackage = (from: NodeJS.Require, name: string): string | undefined => {
  try {
    return dirname(from.resolve(`${name}/package.json`));
  } catch (error) {
    if (errorCode(error) !== undefined) return undefined;
    throw error;
  }
};

/** Before its install script has run, the package holds a small stand-in under the binary's name. */
const isRealBinary = async (path: string): Promise<boolean> =>
  (await isExecutable(path)) && (await stat(path)).size > 1_000_000;

const bundled = async (): Promise<readonly string[]> => {
  const here = createRequire(import.meta.url);
  const main = resolvePackage(here, 'opencode-ai');
  // A package manager may nest the platform's package below the one that asks for it.
  const nested = main === undefined ? undefined : createRequire(join(main, 'package.json'));
  const executable = process.platform === 'win32' ? 'opencode.exe' : 'opencode';
  const candidates = [
    ...platformPackages().flatMap((name) => {
      const folder = resolvePackage(here, name) ?? (nested ? resolvePackage(nested, name) : undefined);
      return folder === undefined ? [] : [join(folder, 'bin', executable)];
    }),
    ...(main === undefined ? [] : [join(main, 'bin', 'opencode.exe'), join(main, 'bin', 'opencode')]),
  ];
  const real = await Promise.all(candidates.map(isRealBinary));
  return candidates.filter((_, index) => real[index]);
};

/**
 * Where opencode is: `OPENCODE_BIN` and nothing else when it is set, else the one that came with this package (its
 * install script need not have run), else one on PATH.
 */
export const findOpencode = async (
  configured: string | undefined,
  path: string | undefined,
): Promise<FoundBinary> => {
  if (configured !== undefined)
    return (await isExecutable(configured))
      ? { state: 'found', candidates: [configured] }
      : {
          state: 'missing',
          looked: [configured],
          problem: `OPENCODE_BIN is ${configured}, which is no executable file`,
        };
  const own = await bundled();
  const elsewhere = await findOnPath(['opencode'], path);
  const candidates = [...own, ...(elsewhere === undefined ? [] : [elsewhere])];
  return candidates.length > 0
    ? { state: 'found', candidates }
    : {
        state: 'missing',
        looked: [...platformPackages().slice(0, 1), 'opencode-ai', 'PATH'],
        problem: 'opencode is neither installed with this package nor on PATH',
      };
};

/** Where Bun, which opencode is made with, finds in its working directory which modules to load. */
const moduleSettings = ['tsconfig.json', 'jsconfig.json', 'package.json', 'bunfig.toml', 'node_modules'];

/**
 * Where opencode is started: it takes its project from `PWD`. Never in a workspace that says what its modules are; the
 * binary itself never in any, because another run may put that there. A script of the operator's may count on it.
 */
export const startPlace = (file: string, workspace: string): 'workspace' | 'home' =>
  firstBytes(file).startsWith('#!') &&
  moduleSettings.every((name) => entryAt(join(workspace, name)) === undefined)
    ? 'workspace'
    : 'home';
