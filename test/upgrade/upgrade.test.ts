/* An installation is brought to a new version with its databases, or is as it was before: whatever fails, whenever it dies. */
import { Database } from 'bun:sqlite';
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { lockHome } from '../../src/store/lock-home.ts';
import { type CheckoutError, openCheckout } from '../../src/upgrade/checkout.ts';
import { contentOf as figuresOf, versionsOf } from '../../src/upgrade/self-check.ts';
import { lockInstallation, resumeUpgrade, upgradeInstall } from '../../src/upgrade/upgrade-install.ts';
import { runCommand } from '../support/command.ts';
import { contentOf } from '../support/old-home.ts';
import { openUpgradeWorld, type UpgradeWorld, type Version } from '../support/upgrade-world.ts';

let world: UpgradeWorld;
beforeEach(() => {
  world = openUpgradeWorld();
});
afterEach(() => world.home.end());

const files = () => [world.home.files.bot, world.home.files.wallet];
const partsOf = async () => ({
  installation: world.installation(),
  checkout: await openCheckout(world.folder, soon()),
  signal: soon(),
});
/** Nothing of an upgrade is left behind, and a bot may begin. */
const expectTidy = () => {
  const left = [
    ...readdirSync(join(world.home.directory, 'home')),
    ...readdirSync(join(world.home.directory, 'wallet')),
  ];
  expect(left.filter((name) => /upgrade|going-back/.test(name))).toEqual([]);
  lockHome(join(world.home.directory, 'home')).release();
};

test('an older version’s home comes along to the newest one, each database kept as it was beside itself', async () => {
  const before = figuresOf({ bot: world.home.files.bot, wallets: [world.home.files.wallet] });
  const commit = world.publish('good');
  const told = await runCommand(['upgrade', '--check', '--folder', world.folder], {
    directory: world.folder,
  });
  expect([told.code, told.stdout]).toEqual([0, expect.stringMatching(/has 1 change:\n {2}version: good/)]);
  expect(world.head()).toBe(world.installed);
  const done = await runCommand(['upgrade', '--folder', world.folder], { directory: world.folder });
  expect([done.code, done.stderr]).toEqual([0, '']);
  expect(world.head()).toBe(commit);
  expect(figuresOf({ bot: world.home.files.bot, wallets: [world.home.files.wallet] })).toEqual(before);
  expect(Object.keys(before.proofs[0] ?? {})).toContain('ready');
  for (const file of files()) expect(readdirSync(join(file, '..')).join()).toContain('.db.before-v');
  expectTidy();
});

test.each<[Version, string]>([
  ['does not start', 'rehearsal'],
  ['loses a sat', 'rehearsal'],
  ['dies on the databases', 'databases'],
])('a version that %s is not used: code and databases are as they were', async (version, step) => {
  const before = files().map((file) => contentOf(file));
  const commit = world.publish(version);
  const parts = await partsOf();
  await parts.checkout.findTarget(undefined);
  const locked = lockInstallation(parts.installation);
  const failed = await upgradeInstall(commit, parts).catch((error: unknown) => error);
  locked.release();
  expect(failed).toMatchObject({ name: 'UpgradeFailedError', step });
  expect(world.head()).toBe(world.installed);
  expect(files().map((file) => contentOf(file))).toEqual(before);
  expectTidy();
});

test('what can’t be upgraded says why, and nothing is changed', async () => {
  world.publish('good');
  const problem = async (ref?: string) => {
    const checkout = await openCheckout(world.folder, soon());
    try {
      await checkout.requireClean();
      await checkout.findTarget(ref);
      return 'none';
    } catch (error) {
      return (error as CheckoutError).problem.kind;
    }
  };
  expect(await problem('no-such')).toBe('unknown_ref');
  writeFileSync(join(world.folder, 'src/index.ts'), '// mine\n');
  expect(await problem()).toBe('dirty');
  world.git('checkout', '--quiet', 'src/index.ts');
  world.git(
    '-c',
    'user.name=it',
    '-c',
    'user.email=it@example.org',
    'commit',
    '--quiet',
    '--allow-empty',
    '-m',
    'mine',
  );
  expect(await problem()).toBe('not_ahead');
  expect(
    await openCheckout(join(world.folder, 'src'), soon()).catch((error: CheckoutError) => error.problem.kind),
  ).toBe('no_checkout');
  const lock = lockHome(join(world.home.directory, 'home'));
  const busy = await runCommand(['upgrade', '--folder', world.folder], { directory: world.folder });
  lock.release();
  expect([busy.code, busy.stderr]).toEqual([1, expect.stringContaining('Stop it')]);
});

test('one that was cut off is taken back, unless something has moved in its databases since', async () => {
  const before = files().map((file) => contentOf(file));
  const commit = world.publish('good');
  const parts = await partsOf();
  await parts.checkout.findTarget(undefined);
  const die = (): void => {
    // As a kill leaves it: without the way back.
    const cut = Bun.spawnSync([process.execPath, join(import.meta.dir, '../support/home-child.ts')], {
      stdin: Buffer.from(
        JSON.stringify({
          work: 'upgrade',
          at: 'upgrade:migrated',
          user: world.home.directory,
          directory: world.folder,
          to: commit,
        }),
      ),
    });
    expect(cut.signalCode).toBe('SIGKILL');
  };
  die();
  expect(() => lockHome(parts.installation.home)).toThrow('upgrade was cut off');
  expect(world.head()).toBe(commit);
  expect(await resumeUpgrade(parts)).toBe('undone');
  expect([world.head(), ...files().map((file) => contentOf(file))]).toEqual([world.installed, ...before]);
  expectTidy();

  die();
  const [bot = ''] = files();
  const db = new Database(bot);
  db.exec('DELETE FROM outbox WHERE seq = (SELECT max(seq) FROM outbox)');
  db.close();
  const version = versionsOf(bot);
  expect(await resumeUpgrade(parts)).toBe('kept');
  expect([world.head(), versionsOf(bot)]).toEqual([commit, version]);
  expect(existsSync(join(parts.installation.home, 'upgrade.json'))).toBe(false);
});
