/*
 * A bot of an older version, with a real opencode, money and a conversation: upgraded by this version to what its origin has, then to a
 * version that fails, then backed up and put back on another machine. A script, because it wants a checkout of the older version with its packages:
 *
 *   git clone --bare file://$PWD /tmp/m/origin && git clone file:///tmp/m/origin /tmp/m/install
 *   (cd /tmp/m/install && git reset --hard fe3829b && bun install --frozen-lockfile)
 *   bun test/upgrade/moves.ts /tmp/m/install
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { balanceFromWords, soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { findInstallation } from '../../src/backup/installation.ts';
import { restoreBackup } from '../../src/backup/restore-backup.ts';
import { writeBackup } from '../../src/backup/write-backup.ts';
import { bunCache } from '../support/bun-cache.ts';
import { putFakeSystemctl } from '../support/fake-systemctl.ts';
import { settled, startPaidBot } from '../support/paid-bot.ts';
import { startSandboxHouse } from '../support/paid-house.ts';
import { readySat } from '../support/wallet-bot.ts';

const root = resolve(import.meta.dir, '../..');
const install = resolve(process.argv[2] ?? '');
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const must = (what: string, right: boolean, more: unknown = ''): void => {
  say(`${right ? 'ok   ' : 'WRONG'} ${what} ${right ? '' : JSON.stringify(more)}`);
  if (!right) process.exitCode = 1;
};
const git = (...args: readonly string[]): string => {
  const who = ['-c', 'user.name=it', '-c', 'user.email=it@example.org'];
  const { stdout, stderr, exitCode } = Bun.spawnSync(['git', ...who, '-C', install, ...args]);
  if (exitCode !== 0) throw new Error(stderr.toString());
  return stdout.toString().trim();
};

const house = startSandboxHouse({ feePpk: 0 });
const a = await startPaidBot(house, {
  ...{ opencode: 'real', funds: 20_000, budget: 2_000, envFile: true },
  entry: [join(install, 'src/index.ts'), 'start'],
});
const { bot, owner, ask } = a;
const inProcess = { PATH: process.env.PATH ?? '', HOME: join(bot.directory, 'user'), ...bunCache };
const task = async (text: string): Promise<void> => {
  say(
    `     ${(await owner.answer(await owner.send(text), /sat/, 120_000)).text.replaceAll('\n', ' · ').slice(-200)}`,
  );
  await settled(a, 30_000);
};
/** Whether the model saw an earlier task in the conversation of the last one. */
const remembers = (earlier: string): boolean =>
  JSON.stringify(house.upstream.requests.at(-1)).includes(earlier);
const checked = async (what: string): Promise<void> => {
  await ask('!wallet check', /./);
  const balance = readySat(await ask('!wallet balance', /ready/));
  const words = await balanceFromWords(house.mint, a.words, 60);
  const spent = house.books().node.spentMsat / 1000;
  // A node counts thousandths; what is less than a sat of each run stays there.
  const rest = 20_000 - balance - spent;
  must(
    `${what}: ${balance} sat, by the words ${words}, spent ${spent}`,
    balance === words && rest >= 0 && rest < 6,
  );
};

const ends: (() => unknown)[] = [];
try {
  const older = git('rev-parse', 'HEAD');
  const newest = git('rev-parse', 'origin/HEAD');
  await task('say the word aubergine');
  const upgrade = (...more: readonly string[]) =>
    Bun.spawnSync([process.execPath, join(root, 'src/index.ts'), 'upgrade', '--folder', install, ...more], {
      cwd: bot.directory,
      env: inProcess,
    });
  const busy = upgrade();
  must(
    'not while it runs',
    busy.exitCode === 1 && git('rev-parse', 'HEAD') === older,
    busy.stderr.toString(),
  );
  await bot.end('SIGTERM');
  const began = performance.now();
  const done = upgrade();
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  must(
    `upgraded ${older.slice(0, 9)} to ${newest.slice(0, 9)} in ${seconds} s`,
    done.exitCode === 0 && git('rev-parse', 'HEAD') === newest,
    done.stderr.toString(),
  );
  await bot.start();
  await task('say it again');
  must('the conversation goes on after the upgrade', remembers('aubergine'));
  await checked('after the upgrade');
  await bot.end('SIGTERM');

  const origin = git('remote', 'get-url', 'origin').replace('file://', '');
  const entry = join(install, 'src/upgrade/self-check.ts');
  writeFileSync(
    entry,
    readFileSync(entry, 'utf8').replace(
      "await import('../app/assemble.ts');",
      "throw new Error('it does not work');",
    ),
  );
  git('commit', '--quiet', '-am', 'a version that does not work');
  git('push', '--quiet', 'origin', 'HEAD');
  git('reset', '--quiet', '--hard', newest);
  const failed = upgrade();
  must(
    'a version that fails is not used',
    failed.exitCode === 1 &&
      git('rev-parse', 'HEAD') === newest &&
      /rehearsal|copies/.test(failed.stderr.toString()),
    failed.stderr.toString(),
  );
  must('its origin is what it was', origin.length > 0);
  await bot.start();
  await task('say it a third time');
  must('and the conversation goes on', remembers('aubergine'));
  await checked('after the way back');

  // As a service: `systemctl` is a script here that starts and stops it.
  await bot.end('SIGTERM');
  git('reset', '--quiet', '--hard', newest);
  const program = join(install, 'src/index.ts');
  const systemd = putFakeSystemctl(
    join(bot.directory, 'bin'),
    program,
    `cd '${bot.directory}'; setsid '${process.execPath}' '${program}' start >>service.log 2>&1 </dev/null & echo $! >'${bot.directory}/bin/pid'; echo active`,
    'kill "$(cat pid)"; while kill -0 "$(cat pid)" 2>/dev/null; do sleep 0.1; done; rm pid',
  );
  ends.push(() => systemd.run('stop'), systemd.end);
  const serviceEnv = { ...inProcess, PATH: process.env.PATH ?? '' };
  const serviceUpgrade = async () => {
    const command = [process.execPath, join(root, 'src/index.ts'), 'upgrade', '--folder', install];
    const ran = Bun.spawn(command, { cwd: bot.directory, env: serviceEnv, stdout: 'pipe', stderr: 'pipe' });
    const said = await Promise.all([new Response(ran.stdout).text(), new Response(ran.stderr).text()]);
    return { code: await ran.exited, said: said.join('').trim() };
  };
  const publish = (name: string, path: string, change: (text: string) => string): void => {
    git('reset', '--quiet', '--hard', newest);
    writeFileSync(join(install, path), change(readFileSync(join(install, path), 'utf8')));
    git('commit', '--quiet', '-am', name);
    git('push', '--quiet', '--force', 'origin', 'HEAD');
    git('reset', '--quiet', '--hard', newest);
  };
  systemd.run('start', serviceEnv);
  await task('say the word fennel');
  publish('a version with another comment', 'README.md', (text) => `${text}\n`);
  systemd.calls();
  const served = await serviceUpgrade();
  must(
    `as a service it is stopped and started: ${systemd.calls().join(', ')}`,
    served.code === 0 && git('rev-parse', 'HEAD') !== newest && /stays up/.test(served.said),
    served.said,
  );
  await task('say it with the new version');
  must('and the conversation goes on', remembers('fennel'));
  publish('a version that does not start', 'src/cli/start.ts', (text) =>
    text.replace("await import('../app/app.ts');", "await import('../app/none.ts');"),
  );
  systemd.run('stop');
  systemd.run('start', serviceEnv);
  systemd.calls();
  const back = await serviceUpgrade();
  must(
    `one that does not stay up is taken back: ${systemd.calls().join(', ')}`,
    back.code === 1 && git('rev-parse', 'HEAD') === newest && /as they were/.test(back.said),
    back.said,
  );
  await task('say it with the old version');
  must('and the conversation goes on', remembers('fennel'));
  await checked('after both');
  systemd.run('stop');
  systemd.end();
  await bot.start();

  const file = join(bot.directory, 'it.backup');
  const installation = findInstallation(inProcess, bot.directory, undefined);
  const made = await writeBackup(installation, file, 'correct horse', {
    program: '1',
    now: Date.now(),
    signal: soon(),
  });
  say(`     backup of the running bot: ${made.bytes} bytes, ${made.files} files`);
  await task('say the word cucumber');
  const other = join(bot.directory, 'other');
  const places = { userHome: join(other, 'user'), directory: other, envFile: join(other, '.env') };
  const moves = [
    { from: bot.home, to: join(other, 'bot') },
    { from: bot.workspace, to: join(other, 'code/app') },
  ];
  const restored = await restoreBackup(
    file,
    'correct horse',
    { ...places, moves },
    { replace: false, extensions: {}, signal: soon() },
  );
  say(`     restored: ${JSON.stringify(restored.moves)}`);
  // Its conversations are moved only where nothing would be run: opencode's own schema has no triggers.
  must('opencode’s own database could be moved', restored.unmoved.length === 0, restored.unmoved);
  let log = '';
  const child = Bun.spawn([process.execPath, join(install, 'src/index.ts'), 'start'], {
    ...{ cwd: other, stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' },
    env: { ...inProcess, HOME: places.userHome },
  });
  ends.push(() => child.kill('SIGKILL'));
  void (async () => {
    for await (const chunk of child.stderr) log += new TextDecoder().decode(chunk);
  })();
  await until(() => log.includes('"ready"') || child.exitCode !== null, 'it is ready', 60_000);
  await until(bot.hasEnded, 'the old one has stopped');
  must('the old one ended with 2', (await bot.end('SIGKILL')) === 2);
  await owner.answer(await owner.send('say it at the new place'), /sat/, 120_000);
  must('the conversation goes on at the new place', remembers('aubergine'));
  must('what the old one did since is not in it', !remembers('cucumber'));
  await checked('at the new place');
  child.kill('SIGTERM');
  await child.exited;
} finally {
  for (const end of ends) end();
  await a.cleanUp();
  await house.stop();
}
