/*
 * A bot with a sealed wallet is put back on another machine, at a relay that keeps no claim of a key (kind 30078): what its owner reads,
 * and where each sat is, also while both run. By the commands that an operator gives.
 *
 *   bun test/upgrade/sealed.ts
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { balanceFromWords } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { runCommand } from '../support/command.ts';
import { openMachine } from '../support/machine.ts';
import { settled, startPaidBot } from '../support/paid-bot.ts';
import { startSandboxHouse } from '../support/paid-house.ts';
import { readySat } from '../support/wallet-bot.ts';

const funds = 5_000;
const passphrase = 'the passphrase of the words';
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const must = (what: string, right: boolean, more: unknown = ''): void => {
  say(`${right ? 'ok   ' : 'WRONG'} ${what} ${right ? '' : JSON.stringify(more)}`);
  if (!right) process.exitCode = 1;
};

const ends: (() => unknown)[] = [];
try {
  const house = startSandboxHouse({ feePpk: 0 });
  ends.push(house.stop);
  const relay = startSandboxRelay();
  ends.push(relay.stop);
  const a = await startPaidBot(house, { opencode: 'paying', funds, budget: 1_000, envFile: true, relay });
  ends.push(a.cleanUp);
  const { owner, bot } = a;
  const task = async (text: string): Promise<string> =>
    (await owner.answer(await owner.send(text), new RegExp(`^did: ${text}`), 60_000)).text;
  const spent = (): number => house.books().node.spentMsat / 1000;
  const byWords = (): Promise<number> => balanceFromWords(house.mint, a.words, 60);
  /** What the bot says that it has, once it has asked the mint. */
  const balance = async (): Promise<number> => {
    await a.ask('!wallet check', /add up|proven|prove/i);
    return readySat(await a.ask('!wallet balance', /ready/));
  };
  // A node counts thousandths: what is less than a sat of each run stays there.
  const isAll = (sum: number): boolean => sum <= funds && sum > funds - 6;
  await task('before it is sealed');
  await settled(a, 30_000);
  await bot.end('SIGTERM');

  const environment = { HOME: join(bot.directory, 'user') };
  const here = { directory: bot.directory, environment };
  const encrypted = await runCommand(['wallet', 'encrypt'], here, `${passphrase}\n`);
  must('the wallet is sealed', encrypted.code === 0, encrypted.stderr);
  const file = join(bot.directory, 'passphrase');
  writeFileSync(file, `${passphrase}\n`, { mode: 0o600 });
  writeFileSync(
    join(bot.directory, '.env'),
    `${readFileSync(join(bot.directory, '.env'), 'utf8')}CASHU_PASSPHRASE_FILE=${file}\n`,
    { mode: 0o600 },
  );
  const old = openMachine(ends, bot.directory);
  const sealedBot = await old.start();
  await task('sealed');
  const backup = join(bot.directory, 'it.backup');
  const made = await runCommand(['backup', '--to', backup], here, 'correct horse\n');
  must(
    'backed up while it runs, and it says that the wallet stays sealed',
    /stays sealed/.test(made.stdout),
    made,
  );
  must('nothing of the words is in it', !readFileSync(backup).includes(a.words.slice(0, 20)));
  await task('after the backup');
  await settled(a, 30_000);

  relay.faults.blockKinds.add(30_078);
  const machine = openMachine(ends);
  copyFileSync(join(bot.directory, 'opencode-paying'), join(machine.directory, 'opencode-paying'));
  const there = { directory: machine.directory, environment: { HOME: machine.user } };
  const restored = await runCommand(['restore', '--from', backup], there, 'correct horse\n');
  must('put back', restored.code === 0, restored.stderr);
  say(restored.stdout.replace(/^/gm, '     | ').trimEnd());
  const without = await machine.start();
  must(
    'it says that its own passphrase is needed',
    /CASHU_PASSPHRASE_FILE/.test(restored.stdout),
    restored.stdout,
  );
  must('without the passphrase it ends with 2', (await without.exited) === 2);
  say(`     | ${machine.log().trim().split('\n').slice(-3).join('\n     | ')}`);

  writeFileSync(join(machine.directory, 'passphrase'), `${passphrase}\n`, { mode: 0o600 });
  const from = owner.texts().length;
  const heir = await machine.start();
  must('with it the bot begins, though no relay keeps its claim', heir.exitCode === null, machine.log());
  const { text: ready } = await owner.heard(/^Ready[\s\S]*put back from a backup/);
  must('its owner reads that they have to see to it', /make sure that none is running/.test(ready), ready);
  say(ready.replace(/^/gm, '     | '));

  // Both run: each does the task.
  await task('while both run');
  await Bun.sleep(8_000);
  const since = owner.texts().slice(from);
  say(
    `     since then: ${JSON.stringify(
      since.map((text) => text.slice(0, 160)),
      undefined,
      1,
    )}`,
  );
  must(
    'that another one runs is told',
    since.some((text) => /Another bot is running|Something was written under my key/.test(text)),
  );
  sealedBot.kill('SIGTERM');
  must('the old one ends as it is told to', (await sealedBot.exited) === 0);
  await task('alone');
  await until(async () => isAll((await byWords()) + spent()));
  const [has, words, cost] = [await balance(), await byWords(), spent()];
  must(
    `to the sat: ${has} ready, by the words ${words}, spent ${cost}`,
    has === words && cost > 0 && isAll(has + cost),
    {
      pending: await a.ask('!wallet pending'),
      status: await a.ask('!provider status'),
    },
  );
} finally {
  for (const end of ends.reverse()) await end();
}
process.exit();

/** What is on its way home comes by itself. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 60_000; performance.now() < end && !(await isSo()); )
    await Bun.sleep(500);
}
