import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the suite speaks to. */
export const nutshellVersion = '0.21.0';

const requirements = join(import.meta.dir, 'requirements.txt');
const folder = join(import.meta.dir, '..', '..', '.interop', `nutshell-${nutshellVersion}`);
/** Installing downloads some 100 MB. */
const installTimeoutMs = 8 * 60_000;
const pythons = ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10'];

/** Executables of Nutshell's virtual environment. */
export type Nutshell = { readonly mint: string; readonly wallet: string };

/** `INTEROP_SKIP=1`: the suite is skipped, on purpose and out loud. */
export const skipped = process.env.INTEROP_SKIP === '1';

/**
 * Nutshell in a virtual environment below `.interop/`, installed there (wheels only) when it is not yet. What is there
 * is used again by later runs, until the version or the requirements change.
 *
 * @throws Error when there is no Python 3.10 or later, or pip fails; the message says what to do
 */
export async function installNutshell(): Promise<Nutshell> {
  const marker = join(folder, 'installed.txt');
  const wanted = readFileSync(requirements, 'utf8');
  const bin = (name: string): string => join(folder, 'bin', name);
  const nutshell = { mint: bin('mint'), wallet: bin('cashu') };
  if (existsSync(marker) && readFileSync(marker, 'utf8') === wanted) return nutshell;

  const python = await findPython();
  process.stderr.write(`Installing Nutshell ${nutshellVersion} into .interop/ (once; about half a minute)\n`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const pip = [bin('python'), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
  const deadline = AbortSignal.timeout(installTimeoutMs);
  await run([python, '-m', 'venv', folder], deadline);
  await run([...pip, '--only-binary=:all:', '-r', requirements], deadline);
  // Without its own list of dependencies, which cannot be satisfied any more: see requirements.txt.
  await run([...pip, '--only-binary=:all:', '--no-deps', `cashu==${nutshellVersion}`], deadline);
  writeFileSync(marker, wanted);
  return nutshell;
}

async function findPython(): Promise<string> {
  for (const name of pythons) {
    const path = Bun.which(name);
    if (path === null) continue;
    const probe = 'import sys, venv, ensurepip; sys.exit(0 if (3, 10) <= sys.version_info < (3, 14) else 1)';
    const child = Bun.spawn([path, '-c', probe], { stdout: 'ignore', stderr: 'ignore' });
    if ((await child.exited) === 0) return path;
  }
  throw new Error(
    'The interop suite needs Python 3.10 to 3.13 with venv, to run Nutshell, and found none. ' +
      'Install it (Debian: apt install python3-venv), or set INTEROP_SKIP=1 to go without the suite.',
  );
}

async function run(command: readonly string[], signal: AbortSignal): Promise<void> {
  const child = Bun.spawn([...command], { stdout: 'pipe', stderr: 'pipe', signal, killSignal: 'SIGKILL' });
  const [out, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code === 0) return;
  const why = signal.aborted ? `took more than ${installTimeoutMs / 60_000} minutes` : 'failed';
  throw new Error(`${command.slice(1).join(' ')} ${why}:\n${out}${errors}`.slice(0, 4000));
}
