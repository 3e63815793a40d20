/*
 * backup, restore and upgrade, killed at every step: nothing that begins is half, and nothing is lost. The same command again finishes it.
 *
 *   bun test/upgrade/kills.ts
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { lockHome } from '../../src/store/lock-home.ts';
import { openCheckout } from '../../src/upgrade/checkout.ts';
import { contentOf, versionsOf } from '../../src/upgrade/self-check.ts';
import { lockInstallation, resumeUpgrade } from '../../src/upgrade/upgrade-install.ts';
import type { HomeOrder } from '../support/home-child.ts';
import { openUpgradeWorld } from '../support/upgrade-world.ts';

const passphrase = 'correct horse';
let wrong = 0;
const must = (what: string, right: boolean, more: unknown = ''): void => {
  if (!right) wrong += 1;
  process.stdout.write(`${right ? 'ok   ' : 'WRONG'} ${what} ${right ? '' : JSON.stringify(more)}\n`);
};
const child = (order: HomeOrder) =>
  Bun.spawnSync([process.execPath, join(import.meta.dir, '../support/home-child.ts')], {
    stdin: Buffer.from(JSON.stringify(order)),
  });
/** Killed there, or it did not get there. */
const killed = (order: HomeOrder): boolean => child(order).signalCode === 'SIGKILL';
const lives = (order: HomeOrder): boolean => {
  const { exitCode, stderr } = child(order);
  if (exitCode !== 0) process.stdout.write(stderr.toString());
  return exitCode === 0;
};
const begins = (home: string): boolean => {
  try {
    lockHome(home).release();
    return true;
  } catch {
    return false;
  }
};

const world = openUpgradeWorld();
const { directory, files } = world.home;
const base = { user: directory, directory: world.folder, passphrase };
const before = contentOf({ bot: files.bot, wallets: [files.wallet] });
try {
  for (const at of ['begun', 'home', 'agents', 'wallet', 'written', 'verified']) {
    const file = join(directory, `at-${at}.backup`);
    const died = killed({ ...base, work: 'backup', file, at: `backup:${at}` });
    const nothing = !existsSync(file);
    const again = lives({ ...base, work: 'backup', file });
    const tidy = !existsSync(`${file}.part`) && !existsSync(join(directory, 'home/backup.part'));
    must(
      `backup killed at ${at}: none is there, and the next one is whole`,
      died && nothing && again && tidy,
    );
  }
  const file = join(directory, 'at-begun.backup');
  for (const replace of [false, true]) {
    for (const at of ['begun', 'staged', 'marked', 'wallet', 'aside', 'home', 'settings', 'done']) {
      const user = mkdtempSync(join(tmpdir(), 'kills-'));
      const place = join(user, 'bot');
      mkdirSync(place);
      const order = { user, directory: place, passphrase, file } as const;
      const home = join(user, 'home');
      const wallet = join(user, 'wallet', files.wallet.slice(files.wallet.lastIndexOf('/') + 1));
      const content = () => contentOf({ bot: join(home, 'bot.db'), wallets: [wallet] });
      if (replace) lives({ ...order, work: 'restore' });
      const died = killed({ ...order, work: 'restore', replace, at: `restore:${at}` });
      // What may begin is whole: nothing (a fresh home), the old one, or the new one with its settings.
      const bot = existsSync(join(home, 'bot.db')) && existsSync(wallet) && existsSync(join(place, '.env'));
      const isNothing = !existsSync(join(home, 'bot.db')) && !existsSync(join(place, '.env'));
      const safe = !begins(home) || bot || isNothing;
      const again = lives({ ...order, work: 'restore', replace: replace || at === 'done' });
      const whole =
        begins(home) && Bun.deepEquals(content(), before) && !existsSync(join(home, 'restore.part'));
      must(`restore${replace ? ' --replace' : ''} killed at ${at}`, died && safe && again && whole, {
        died,
        safe,
        again,
        whole,
      });
      rmSync(user, { recursive: true, force: true });
    }
  }
  const commit = world.publish('good');
  const old = [files.bot, files.wallet].map(versionsOf);
  for (const at of ['copied', 'begun', 'code', 'installed', 'rehearsed', 'marked', 'migrated', 'done']) {
    const parts = {
      ...{
        installation: world.installation(),
        checkout: await openCheckout(world.folder, soon()),
        signal: soon(),
      },
    };
    await parts.checkout.findTarget(undefined);
    const died = killed({ ...base, work: 'upgrade', to: commit, at: `upgrade:${at}` });
    const safe = begins(parts.installation.home) === ['copied', 'done'].includes(at);
    const locked = lockInstallation(parts.installation);
    const resumed = await resumeUpgrade(parts);
    locked.release();
    const back =
      at === 'done' ||
      (world.head() === world.installed && Bun.deepEquals([files.bot, files.wallet].map(versionsOf), old));
    const whole = Bun.deepEquals(contentOf({ bot: files.bot, wallets: [files.wallet] }), before);
    must(
      `upgrade killed at ${at}: ${resumed}`,
      died && safe && back && whole && begins(parts.installation.home),
      { died, safe, back, whole },
    );
  }
  const left = readdirSync(join(directory, 'home')).filter((name) => /upgrade|restore|part/.test(name));
  must('nothing is left behind', left.length === 0, left);
} finally {
  await world.home.end();
}
process.stdout.write(wrong === 0 ? 'All right.\n' : `${wrong} wrong.\n`);
process.exit(wrong === 0 ? 0 : 1);
