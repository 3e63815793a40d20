/* One bot at a time: who is put back from a backup acts, who was there before stops whenever it hears of it; every sat is there. */
import { afterEach, expect, setDefaultTimeout, test } from 'bun:test';
import { copyFileSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { balanceFromWords, soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { findInstallation } from '../../src/backup/installation.ts';
import { restoreBackup } from '../../src/backup/restore-backup.ts';
import { writeBackup } from '../../src/backup/write-backup.ts';
import { startTestBot } from '../support/bot.ts';
import { openMachine as openMachineWith } from '../support/machine.ts';
import { type PaidBot, settled, startPaidBot } from '../support/paid-bot.ts';
import { startSandboxHouse } from '../support/paid-house.ts';
import { readySat } from '../support/wallet-bot.ts';

setDefaultTimeout(60_000);
const cost = { n: 16, r: 8, p: 1 };

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const openMachine = (directory?: string) => openMachineWith(ends, directory);

/** The backup of a running bot. */
async function backUp({ bot }: PaidBot): Promise<string> {
  const installation = findInstallation({ HOME: join(bot.directory, 'user') }, bot.directory, undefined);
  const file = join(bot.directory, 'it.backup');
  await writeBackup(installation, file, 'correct horse', {
    program: '1',
    now: Date.now(),
    signal: soon(),
    cost,
  });
  return file;
}

const restoreOn = (file: string, { directory, user }: ReturnType<typeof openMachine>) =>
  restoreBackup(
    file,
    'correct horse',
    { userHome: user, directory, envFile: join(directory, '.env'), moves: [] },
    { replace: false, extensions: {}, signal: soon() },
  );

test('a bot is put back elsewhere while it runs: the old one stops, the new one goes on, to the sat; and back again', async () => {
  const house = startSandboxHouse({ feePpk: 0 });
  ends.push(house.stop);
  const a = await startPaidBot(house, { opencode: 'paying', funds: 5000, budget: 1000, envFile: true });
  ends.push(a.cleanUp);
  const { owner } = a;
  await owner.answer(await owner.send('before the backup'), /^did: before the backup/);
  const file = await backUp(a);
  // The machine goes on: its wallet changes, and so do its conversations.
  await owner.answer(await owner.send('after the backup'), /^did: after the backup/);
  await settled(a, 30_000);

  const machine = openMachine();
  const restored = await restoreOn(file, machine);
  expect(restored.unmoved).toEqual([]);
  copyFileSync(join(a.bot.directory, 'opencode-paying'), join(machine.directory, 'opencode-paying'));
  const b = await machine.start();
  expect(b.exitCode).toBeNull();
  await until(a.bot.hasEnded, 'the old one has ended');
  expect(await a.bot.end('SIGKILL')).toBe(2);
  await owner.heard(/^I stop here on .*another copy of me took over/);
  await owner.heard(/^Ready[\s\S]*I was put back from a backup/);
  // What the old one did is not done again.
  await owner.heard(/from before I was set up here[\s\S]*after the backup/);
  await owner.answer(await owner.send('at the new place'), /^did: at the new place/);
  await a.ask('!wallet check', /add up|proven|prove/i);
  const balance = readySat(await a.ask('!wallet balance', /ready/));
  expect(balance).toBe(await balanceFromWords(house.mint, a.words, 60));
  const { creditedMsat, refundedMsat, spentMsat } = house.books().node;
  expect(balance * 1000).toBe(5_000_000 - creditedMsat + refundedMsat);
  // A node counts thousandths: what is less than a sat of each of the three runs stays there, and no more.
  const keptMsat = creditedMsat - refundedMsat - spentMsat;
  expect(
    spentMsat > 0 && keptMsat >= 0 && keptMsat < 3_000,
    `${spentMsat} spent, ${keptMsat} kept`,
  ).toBeTrue();

  // It comes back, and hears of it at its relay: once told is enough.
  await expect(a.bot.start()).rejects.toThrow(/ended with 2/);
  expect(owner.texts().filter((text) => text.startsWith('I stop here'))).toHaveLength(1);
  expect(owner.texts().filter((text) => text.startsWith('Another bot is running'))).toEqual([]);

  const again = await openMachine(a.bot.directory).start('--take-over');
  await owner.heard(/^Ready[\s\S]*I was told to take over/);
  expect(await b.exited).toBe(2);
  // Of the second in which it took over nobody knows who was there.
  const since = Math.floor(Date.now() / 1000);
  await until(() => Math.floor(Date.now() / 1000) > since, 'the next second');
  await a.ask('at the old place', /^did: at the old place/);
  expect(again.exitCode).toBeNull();
  await a.ask('!wallet check', /add up|proven|prove/i);
  expect(readySat(await a.ask('!wallet balance', /ready/))).toBe(
    await balanceFromWords(house.mint, a.words, 60),
  );
});

test('a bot stands still while another one takes over, a time comes and a message: it begins neither, and stops', async () => {
  const relay = startSandboxRelay();
  ends.push(relay.stop);
  const bot = await startTestBot({ relay });
  ends.push(bot.cleanUp);
  const { owner } = bot;
  const machine = openMachine();
  const theirs = {
    ...bot.env,
    BOT_HOME: join(machine.directory, 'home'),
    BOT_WORKSPACE: `app=${mkdtempSync(join(machine.user, 'app-'))}`,
  };
  const settings = Object.entries(theirs).map(([name, value]) => `${name}="${value}"\n`);
  writeFileSync(join(machine.directory, '.env'), settings.join(''), { mode: 0o600 });

  await owner.answer(await owner.send('!in 6s its time comes'), /once/);
  const dueAt = Date.now() + 6_000;
  // As when a lid is closed: its connections are gone when it wakes up, and it knows of nothing.
  process.kill(bot.pid(), 'SIGSTOP');
  relay.dropAll();
  const heir = await machine.start('--take-over');
  expect(heir.exitCode, machine.log()).toBeNull();
  await owner.heard(/^Ready[\s\S]*I was told to take over/);
  // Of the second in which it took over nobody knows who was there.
  const since = Math.floor(Date.now() / 1000);
  await until(() => Math.floor(Date.now() / 1000) > since && Date.now() > dueAt, 'its time has come');
  await owner.answer(await owner.send('do this once'), /did: do this once/);
  process.kill(bot.pid(), 'SIGCONT');
  await until(bot.hasEnded, 'it has ended');
  expect(await bot.end('SIGKILL')).toBe(2);
  await owner.heard(/^I stop here on .*another copy of me took over/);
  expect(bot.tasksDone()).toEqual([]);
  expect(owner.texts().filter((text) => text.includes('did: '))).toHaveLength(1);
});
