/*
 * A git checkout that is brought to another version, with the home of an earlier one: its origin has versions of a program that
 * does nothing but look after databases, with this program's own code, or in ways that go wrong.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { findInstallation } from '../../src/backup/installation.ts';
import { openOldBotHome } from './old-bot-home.ts';

const program = resolve(import.meta.dir, '../../src/index.ts');

/** What a version does when it is asked to look after databases. */
const versions = {
  /** Is not asked: it is what is installed. */
  old: 'process.exit(9);',
  good: `await import(${JSON.stringify(program)});`,
  /** Works on copies, and dies on the databases once it has changed them. */
  'dies on the databases': `
    const child = Bun.spawnSync([process.execPath, ${JSON.stringify(program)}, ...process.argv.slice(2)]);
    if (process.argv.some((path) => path.includes('upgrade.part'))) process.stdout.write(child.stdout);
    else process.exit(1);`,
  /** Says that all is well, and a sat is gone. */
  'loses a sat': `
    const child = Bun.spawnSync([process.execPath, ${JSON.stringify(program)}, ...process.argv.slice(2)]);
    process.stdout.write(child.stdout.toString().replace(/"ready":(\\d+)/, (_, n) => '"ready":' + (n - 1)));`,
  /** Looks after databases, and then... */
  'does not stay up': `await import(${JSON.stringify(program)});`,
  'does not start': 'throw new Error("no such module");',
} as const;
export type Version = keyof typeof versions;

function git(folder: string, ...args: readonly string[]): string {
  const who = ['-c', 'user.name=it', '-c', 'user.email=it@example.org', '-c', 'init.defaultBranch=main'];
  const { exitCode, stdout, stderr } = Bun.spawnSync(['git', ...who, '-C', folder, ...args]);
  if (exitCode !== 0) throw new Error(`git ${args.join(' ')}: ${stderr.toString()}`);
  return stdout.toString().trim();
}

/** Whoever opens it ends it. */
export function openUpgradeWorld() {
  const home = openOldBotHome();
  const origin = join(home.directory, 'origin');
  const folder = join(home.directory, 'checkout');
  mkdirSync(join(origin, 'src'), { recursive: true });
  git(origin, 'init', '--quiet');
  writeFileSync(join(origin, 'package.json'), '{ "name": "it", "dependencies": {} }\n');
  writeFileSync(join(origin, '.gitignore'), 'node_modules\n.env\n');
  const publish = (version: Version): string => {
    writeFileSync(join(origin, 'src/index.ts'), `// ${version}\n${versions[version]}\n`);
    git(origin, 'add', '-A');
    git(origin, 'commit', '--quiet', '-m', `version: ${version}`);
    return git(origin, 'rev-parse', 'HEAD');
  };
  Bun.spawnSync([process.execPath, 'install'], { cwd: origin });
  const installed = publish('old');
  git(home.directory, 'clone', '--quiet', `file://${origin}`, folder);
  writeFileSync(
    join(folder, '.env'),
    `BOT_HOME=${join(home.directory, 'home')}\nCASHU_WALLET_DIR=${join(home.directory, 'wallet')}\nCASHU_MNEMONIC='${home.home.words}'\n`,
    { mode: 0o600 },
  );
  return {
    ...{ home, origin, folder, installed, publish },
    git: (...args: readonly string[]) => git(folder, ...args),
    head: () => git(folder, 'rev-parse', 'HEAD'),
    installation: () => findInstallation({ HOME: home.directory }, folder, undefined),
  };
}
export type UpgradeWorld = ReturnType<typeof openUpgradeWorld>;
