/* An installation is brought to a new version with its databases, or is as it was before: whatever fails, whenever it dies. */
import { Database } from 'bun:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { lockHome } from '../../src/store/lock-home.ts';
import { type CheckoutError, openCheckout } from '../../src/upgrade/checkout.ts';
import { findService } from '../../src/upgrade/running-service.ts';
import { contentOf as figuresOf, versionsOf } from '../../src/upgrade/self-check.ts';
import { lockInstallation, resumeUpgrade, upgradeInstall } from '../../src/upgrade/upgrade-install.ts';
import { upgradeRunning } from '../../src/upgrade/upgrade-running.ts';
import { runCommand } from '../support/command.ts';
import { putFakeSystemctl } from '../support/fake-systemctl.ts';
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

test('where what there was can’t be put back, that is said: no bot begins before the same command has done it', async () => {
  const before = files().map((file) => contentOf(file));
  const commit = world.publish('good');
  const parts = await partsOf();
  await parts.checkout.findTarget(undefined);
  const lock = join(world.folder, '.git/index.lock');
  const reached = (checkpoint: string): void => {
    if (checkpoint !== 'upgrade:code') return;
    writeFileSync(lock, '');
    throw new RangeError('it fails here');
  };
  const failed = await upgradeInstall(commit, { ...parts, reached }).catch((error: unknown) => error);
  expect(failed).toMatchObject({ step: 'way_back', said: expect.stringContaining('index.lock') });
  expect(() => lockHome(parts.installation.home)).toThrow('upgrade was cut off');
  const again = await runCommand(['upgrade', '--folder', world.folder], { directory: world.folder });
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('No bot starts here')]);
  rmSync(lock);
  expect(await resumeUpgrade(parts)).toBe('undone');
  expect([world.head(), ...files().map((file) => contentOf(file))]).toEqual([world.installed, ...before]);
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
  const lock = lockHome(join(world.home.directory, 'home'));
  const busy = await runCommand(['upgrade', '--folder', world.folder], { directory: world.folder });
  lock.release();
  expect([busy.code, busy.stderr]).toEqual([1, expect.stringContaining('Stop it')]);
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

describe('as a service', () => {
  const stop = '--user --no-ask-password --quiet stop nostr-dm-agent.service';
  const start = '--user --no-ask-password --quiet start nostr-dm-agent.service';
  const before = () => files().map((file) => contentOf(file));
  let systemd: ReturnType<typeof putFakeSystemctl>;
  /** @param first what a version that does not stay up does before it fails */
  const serve = (program = join(world.folder, 'src/index.ts'), first = ':') => {
    const fails = `if grep -q 'does not stay up' '${join(world.folder, 'src/index.ts')}'; then ${first}; echo failed`;
    systemd = putFakeSystemctl(join(world.home.directory, 'bin'), program, `${fails}; else echo active; fi`);
  };
  afterEach(() => systemd.end());
  /** What became of it, what `systemctl` was told to do, and whether there is the old version or the new one. */
  const upgrade = async () => {
    const told: unknown[] = [];
    const outcome = await upgradeRunning({
      ...{ ...(await partsOf()), to: undefined, steadyMs: 1 },
      news: {
        target: () => undefined,
        resumed: () => undefined,
        begins: () => undefined,
        started: (_, started) => told.push(started),
      },
    }).catch((error: Error) => ({ kind: error.name, service: undefined }));
    const { kind, service } = outcome as { kind: string; service?: unknown };
    const is = world.head() === world.installed ? 'old' : 'new';
    return [kind, typeof service === 'string' ? service : undefined, systemd.calls(), told, is];
  };

  test('it is stopped only when there is something new, and runs again with that, or with what there was', async () => {
    serve();
    expect(await upgrade()).toEqual(['newest', undefined, [], [], 'old']);
    world.publish('does not start');
    expect(await upgrade()).toEqual(['UpgradeFailedError', undefined, [stop, start], [true], 'old']);
    world.publish('good');
    systemd.deaf(true);
    expect(await upgrade()).toEqual(['ServiceError', undefined, [stop], [], 'old']);
    systemd.deaf(false);
    expect(await upgrade()).toEqual(['upgraded', 'up', [stop, start], [true], 'new']);
    expectTidy();
  });

  test('a version that does not stay up is taken back, with its databases', async () => {
    serve();
    const content = before();
    world.publish('does not stay up');
    const all = [stop, start, stop, start];
    expect(await upgrade()).toEqual(['undone', undefined, all, [true, true], 'old']);
    expect(before()).toEqual(content);
    expectTidy();
    // It did not stay up before either: the new one is no worse.
    systemd.set('activating');
    expect(await upgrade()).toEqual(['upgraded', 'down', [stop, start], [true], 'new']);
    expectTidy();
  });

  test('but not once something was done in them; and a service of another installation is left alone', async () => {
    const [bot = ''] = files();
    const work = `new Database("${bot}").exec("DELETE FROM outbox WHERE seq = (SELECT max(seq) FROM outbox)")`;
    serve(undefined, `'${process.execPath}' -e 'import { Database } from "bun:sqlite"; ${work}'`);
    world.publish('does not stay up');
    const all = [stop, start, stop, start];
    expect(await upgrade()).toEqual(['kept', undefined, all, [true, true], 'new']);
    expectTidy();
    systemd.end();
    serve('/elsewhere/src/index.ts');
    expect(await findService(world.folder, soon())).toBeUndefined();
  });
});
