/* One file that everything comes back from: what is in it, who can open it, where it goes. */
import { Database } from 'bun:sqlite';
import { afterEach, beforeAll, describe, expect, test } from 'bun:test';
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createWallet, walletFile } from '@nostr-dm-agent/cashu-wallet/open';
import { createBench, fund, newWords, quiet, soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { writeRecord } from '../../src/backup/backup-records.ts';
import { findInstallation } from '../../src/backup/installation.ts';
import { inOrder, movedPath, movedSettings, movePathsIn } from '../../src/backup/moved-paths.ts';
import { restoreBackup } from '../../src/backup/restore-backup.ts';
import type { RestoreRefusedError } from '../../src/backup/restore-parts.ts';
import { createSealedWriter, openSealedReader, type SealedFileError } from '../../src/backup/sealed-file.ts';
import { type BackupError, writeBackup } from '../../src/backup/write-backup.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { runCommand } from '../support/command.ts';

const bench = createBench();
const folders: string[] = [];
const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'backup-'));
  folders.push(made);
  return made;
};
afterEach(async () => {
  await bench.end();
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

const root = join(import.meta.dir, '../..');
const passphrase = 'correct horse battery';
/** Next to nothing: what is slow is not what is tested. */
const cost = { n: 16, r: 8, p: 1 };
const parts = { program: '1', now: 0, signal: soon(), cost };
const onto = { replace: false, extensions: {}, signal: soon() };

/** A bot's things on a machine of its own: 1,000 sat, a session, an agent's conversation that is being written to. */
async function startMachine() {
  const user = folder();
  const home = join(user, '.nostr-dm-agent');
  const workspace = join(user, 'code', 'app');
  const store = join(home, 'agent', 'owner-ab', 'store');
  for (const path of [workspace, store]) mkdirSync(path, { recursive: true, mode: 0o700 });
  const mint = bench.mint({ incoming: 'at-once', feePpk: 0 });
  const words = newWords();
  const config = {
    ...{ mnemonic: words, mintUrl: mint.url, mints: [], maxBalance: sat(100_000) },
    directory: join(user, '.cashu-wallet'),
  };
  const wallet = createWallet(config, { log: quiet });
  await fund(wallet, 1000);
  writeFileSync(
    join(user, '.env'),
    `# mine\nBOT_KEY=${'11'.repeat(32)}\nCASHU_MNEMONIC="${words}"\nCASHU_MINT_URL=${mint.url}\nBOT_WORKSPACE=app=${workspace}\n`,
    { mode: 0o600 },
  );
  const bot = openDatabase(join(home, 'bot.db'), botMigrations);
  bot.exec(`INSERT INTO sessions (id, owner, workspace, directory, backend, mode, title, created_at, used_at)
    VALUES ('s1', 'ab', 'app', '${workspace}', 'opencode', 'agent', 'first', 1, 1)`);
  const conversation = new Database(join(store, 'opencode.db'), { create: true });
  conversation.exec(`PRAGMA journal_mode=WAL;
    CREATE TABLE session (id TEXT, directory TEXT);
    INSERT INTO session VALUES ('ses', '${workspace}/sub')`);
  const file = join(folder(), 'it.backup');
  return {
    ...{ user, home, workspace, store, mint, words, config, wallet, file, bot, conversation },
    installation: () => findInstallation({ HOME: user }, user, undefined),
    end: () => {
      for (const open of [bot, conversation, wallet]) open.close();
    },
  };
}
const placesOf = (user: string) => ({
  userHome: user,
  directory: user,
  envFile: join(user, '.env'),
  moves: [],
});

describe('a sealed file', () => {
  let whole = Buffer.alloc(0);
  let path = '';
  const content = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251));
  beforeAll(async () => {
    path = join(mkdtempSync(join(tmpdir(), 'sealed-')), 'file');
    const writer = await createSealedWriter(openSync(path, 'w'), passphrase, cost);
    for (let at = 0; at < content.length; at += 30_000) writer.write(content.subarray(at, at + 30_000));
    writer.end();
    whole = readFileSync(path);
  });
  const read = async (bytes: Uint8Array, word = passphrase): Promise<string> => {
    writeFileSync(path, bytes);
    try {
      const reader = await openSealedReader(path, word);
      try {
        const found = Buffer.concat([reader.read(150_000), reader.read(50_000)]);
        reader.expectEnd();
        return found.equals(content) ? 'whole' : 'another';
      } finally {
        reader.close();
      }
    } catch (error) {
      return error instanceof Error && 'problem' in error ? JSON.stringify(error.problem) : String(error);
    }
  };
  const chunk = 64 * 1024 + 16;
  const header = () => whole.length - (3 * chunk + (200_000 - 3 * 65_536) + 16);
  const at = (number: number) => whole.subarray(header() + number * chunk, header() + (number + 1) * chunk);
  const start = () => whole.subarray(0, header());
  test.each<[string, () => Uint8Array, string]>([
    ['as it was written', () => whole, 'whole'],
    ['cut off in the middle', () => whole.subarray(0, 100_000), '{"kind":"end_damaged"}'],
    ['without its last byte', () => whole.subarray(0, -1), '{"kind":"end_damaged"}'],
    [
      'of which the last byte is another',
      () => Buffer.concat([whole.subarray(0, -1), Buffer.of((whole.at(-1) ?? 0) ^ 1)]),
      '{"kind":"end_damaged"}',
    ],
    ['with one byte more', () => Buffer.concat([whole, Buffer.of(0)]), '{"kind":"end_damaged"}'],
    ['cut off where a chunk ends', () => whole.subarray(0, header() + chunk), '{"kind":"cut_off"}'],
    ['cut off after its header', () => start(), '{"kind":"cut_off"}'],
    [
      'of which a chunk is missing',
      () => Buffer.concat([start(), at(0), at(2), at(3)]),
      '{"kind":"damaged"}',
    ],
    [
      'of which two chunks have changed places',
      () => Buffer.concat([start(), at(1), at(0), at(2), at(3)]),
      '{"kind":"damaged"}',
    ],
    ['that something was added to', () => Buffer.concat([whole, at(0)]), '{"kind":"damaged"}'],
    [
      'of which one bit is another',
      () =>
        Buffer.concat([
          whole.subarray(0, 90_000),
          Buffer.of((whole[90_000] ?? 0) ^ 1),
          whole.subarray(90_001),
        ]),
      '{"kind":"damaged"}',
    ],
    [
      'whose header asks for what scrypt can’t do',
      () => Buffer.from(whole.toString('latin1').replace(/"n":\d/, '"n":9'), 'latin1'),
      '{"kind":"damaged"}',
    ],
    ['of something else', () => Buffer.from('SQLite format 3'), '{"kind":"not_ours"}'],
    ['that is empty', () => Buffer.alloc(0), '{"kind":"not_ours"}'],
  ])('%s', async (_, bytes, expected) => expect(await read(bytes())).toBe(expected));
  test('opens with its passphrase alone, however that was typed', async () => {
    expect(await read(whole, 'correct horse batterx')).toBe('{"kind":"wrong_passphrase"}');
  });
});

test('a running bot is backed up and comes back as another user, to the sat, with its conversation and its paths', async () => {
  const machine = await startMachine();
  symlinkSync('/etc/passwd', join(machine.store, 'a-link'));
  writeFileSync(join(machine.user, 'secret'), 'not the agent’s');
  linkSync(join(machine.user, 'secret'), join(machine.store, 'a-second-name'));
  // None of these may make a backup that no restore takes: names that are no text, and a name of the restore's own.
  for (const name of ['\xff', '\xfe', '\xef\xbf\xbd'])
    writeFileSync(Buffer.from(`${machine.store}/${name}`, 'latin1'), name);
  writeFileSync(join(machine.home, 'before-restore.txt'), 'mine');
  const made = await writeBackup(machine.installation(), machine.file, passphrase, parts);
  expect(made.leftOut.map(({ path, why }) => [path.split('/').at(-1), why])).toEqual([
    ['before-restore.txt', 'odd'],
    ['a-link', 'odd'],
    ['a-second-name', 'odd'],
  ]);
  expect(statSync(machine.file).mode & 0o777).toBe(0o600);
  expect(readFileSync(machine.file).includes('first')).toBe(false);
  expect(readdirSync(machine.home).filter((name) => name.includes('part'))).toEqual([]);
  const again = writeBackup(machine.installation(), machine.file, passphrase, parts);
  expect(await again.catch((error: BackupError) => error.problem)).toEqual({ kind: 'exists' });
  machine.end();

  const other = folder();
  const restored = await restoreBackup(machine.file, passphrase, placesOf(other), onto);
  expect(restored.moves).toEqual([{ from: machine.user, to: other }]);
  expect(restored.workspaces).toEqual([join(other, 'code', 'app')]);
  const bot = new Database(join(restored.home, 'bot.db'), { readonly: true });
  expect(bot.query('SELECT directory FROM sessions').values()).toEqual([[join(other, 'code', 'app')]]);
  bot.close();
  const store = new Database(join(restored.home, 'agent/owner-ab/store/opencode.db'), { readonly: true });
  expect(store.query('SELECT * FROM session').values()).toEqual([['ses', join(other, 'code', 'app', 'sub')]]);
  store.close();
  expect(findInstallation({ HOME: other }, other, undefined).home).toBe(restored.home);
  expect(readFileSync(join(other, '.env'), 'utf8')).toContain(`BOT_WORKSPACE=app=${other}/code/app`);
  const wallet = createWallet({ ...machine.config, directory: join(other, '.cashu-wallet') }, { log: quiet });
  try {
    await wallet.recover(soon());
    expect(wallet.balance().ready).toBe(sat(1000));
    expect((await wallet.check(soon())).problems).toEqual([]);
  } finally {
    wallet.close();
  }
  for (const [path, mode] of [
    ['.env', 0o600],
    ['.nostr-dm-agent', 0o700],
    ['.nostr-dm-agent/bot.db', 0o600],
  ] as const)
    expect([path, statSync(join(other, path)).mode & 0o777]).toEqual([path, mode]);
});

test('what is there already is refused, or kept beside; what its wallet alone knew comes along', async () => {
  const machine = await startMachine();
  await writeBackup(machine.installation(), machine.file, passphrase, parts);
  const { operation } = await machine.wallet.send({ amount: sat(100) }, soon());
  machine.wallet.handOver(operation, 'a friend');
  machine.end();
  const refused = restoreBackup(machine.file, passphrase, placesOf(machine.user), onto);
  expect(await refused.catch((error: RestoreRefusedError) => error.problem)).toBe('home_there');
  const damaged = join(folder(), 'damaged');
  writeFileSync(damaged, readFileSync(machine.file).subarray(0, -100));
  const cut = restoreBackup(damaged, passphrase, placesOf(machine.user), { ...onto, replace: true });
  expect(await cut.catch((error: Error) => error.name)).toBe('SealedFileError');
  expect(readdirSync(machine.home).toSorted()).toEqual(['agent', 'backup.lock', 'bot.db', 'bot.lock']);

  appendFileSync(join(machine.user, '.env'), '# since\n');
  const restored = await restoreBackup(machine.file, passphrase, placesOf(machine.user), {
    ...onto,
    replace: true,
  });
  expect(restored.kept.map((path) => path.replace(machine.user, ''))).toEqual([
    `${walletFile(machine.config).replace(machine.user, '')}.before-restore`,
    '/.nostr-dm-agent/before-restore',
    '/.env.before-restore',
  ]);
  expect(restored.wallets.map(({ carried }) => carried)).toEqual([1]);
  const wallet = createWallet(machine.config, { log: quiet });
  try {
    await wallet.recover(soon());
    await wallet.check(soon());
    const { ready, sent } = wallet.balance();
    expect({ ready, sent }).toEqual({ ready: sat(900), sent: sat(100) });
  } finally {
    wallet.close();
  }
});

test('settings of the process environment are in it, and paths go where they are said to go', async () => {
  const user = folder();
  mkdirSync(join(user, 'state'));
  writeFileSync(join(user, 'state', 'opencode.json'), '{}');
  mkdirSync(join(user, 'state', 'hosts'));
  writeFileSync(join(user, 'state', 'hosts', 'known_hosts'), 'build ssh-ed25519 AAAA');
  const environment = { HOME: user, BOT_HOME: join(user, 'state'), BOT_MODEL: 'a b' };
  const file = join(user, 'it.backup');
  await writeBackup(findInstallation(environment, user, undefined), file, passphrase, parts);
  const other = folder();
  const places = { ...placesOf(other), home: join(other, 'elsewhere') };
  await restoreBackup(file, passphrase, places, onto);
  const found = findInstallation({ HOME: other }, other, undefined);
  expect(found.home).toBe(join(other, 'elsewhere'));
  expect(readFileSync(join(other, '.env'), 'utf8')).toContain("BOT_MODEL='a b'");
  expect(existsSync(join(other, 'elsewhere', 'opencode.json'))).toBe(true);
  expect(readFileSync(join(other, 'elsewhere', 'hosts', 'known_hosts'), 'utf8')).toContain('build');

  // What a restore or an upgrade has left half way is no bot.
  for (const what of ['restore', 'upgrade']) {
    const mark = join(user, 'state', `${what}.json`);
    writeFileSync(mark, '{}');
    const again = writeBackup(
      findInstallation(environment, user, undefined),
      join(user, 'half'),
      passphrase,
      parts,
    );
    await expect(again).rejects.toMatchObject({ name: 'UnfinishedHomeError', what });
    rmSync(mark);
  }
});

test.each([
  ['/home/al/x', '/home/bo/x'],
  ['/home/al', '/home/bo'],
  ['/home/alice', '/home/alice'],
  ['/home/al/.nostr-dm-agent/a', '/var/bot/a'],
])('%s becomes %s', (path, expected) => {
  const moves = inOrder([
    { from: '/home/al', to: '/home/bo' },
    { from: '/home/al/.nostr-dm-agent', to: '/var/bot' },
    { from: '/home/al/code', to: '/home/bo/code' },
  ]);
  expect(moves).toHaveLength(2);
  expect(movedPath(path, moves)).toBe(expected);
});

test('settings keep their text; only lines with paths that move are added', () => {
  const moves = [{ from: '/home/al', to: '/home/bo' }];
  const text = '# mine\nBOT_HOME=~/bot\nBOT_AGENT_PATHS=ro:/opt/x,rw:/home/al/.cargo # mine\n';
  expect(movedSettings(text, moves, {})).toContain(
    `${text.trimEnd()}\n\n# Where things are since restore:\nBOT_AGENT_PATHS=ro:/opt/x,rw:/home/bo/.cargo\n`,
  );
  expect(movedSettings('BOT_HOME=~/bot\n', moves, {})).toBe('BOT_HOME=~/bot\n');
});

test('on the command line: the passphrase by stdin or a file, never an argument; what went wrong in one line', async () => {
  const user = folder();
  const where = { directory: join(user, 'bot') };
  mkdirSync(where.directory);
  writeFileSync(join(where.directory, '.env'), `BOT_KEY=${'11'.repeat(32)}\n`, { mode: 0o600 });
  const short = await runCommand(['backup', '--to', 'it'], where, 'short\n');
  expect([short.code, short.stderr]).toEqual([2, expect.stringContaining('at least 10 characters')]);
  const made = await runCommand(['backup', '--to', 'it'], where, `${passphrase}\n`);
  expect([made.code, made.stdout]).toEqual([0, expect.stringContaining('read once')]);
  expect(made.stdout).toContain('(settings)');
  expect(made.stdout).toMatch(/There is no \S*nostr-dm-agent, so it is not in it/);
  const none = await runCommand(['restore', '--from', 'that'], where, 'another passphrase\n');
  expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('There is no ')]);
});

test('a restoring that was cut off says at its end everything that was kept, also by the first try', async () => {
  for (const at of ['marked', 'aside', 'home', 'settings']) {
    const machine = await startMachine();
    await writeBackup(machine.installation(), machine.file, passphrase, parts);
    machine.end();
    writeFileSync(join(machine.home, 'opencode.json'), '{"of": "before"}');
    appendFileSync(join(machine.user, '.env'), '# since\n');
    rmSync(machine.workspace, { recursive: true });
    const places = placesOf(machine.user);
    const cutOff = restoreBackup(machine.file, passphrase, places, {
      ...{ ...onto, replace: true },
      reached: (step) => {
        if (step === `restore:${at}`) throw Object.assign(new Error('cut off'), { code: 'ENOSPC' });
      },
    });
    await expect(cutOff).rejects.toMatchObject({
      name: 'RestoreStoppedError',
      begun: true,
      home: machine.home,
      // The wallet and the settings may lie on disks of their own.
      place: { marked: dirname(walletFile(machine.config)), home: machine.user }[at] ?? machine.home,
    });
    const { kept, workspaces } = await restoreBackup(machine.file, passphrase, places, onto);
    expect(kept.toSorted()).toEqual(
      [
        join(machine.user, '.env.before-restore'),
        join(machine.home, 'before-restore'),
        `${walletFile(machine.config)}.before-restore`,
      ].toSorted(),
    );
    expect(workspaces).toEqual([machine.workspace]);
    expect(readFileSync(join(machine.home, 'before-restore', 'opencode.json'), 'utf8')).toContain('before');
    // What the first try had put there was nobody's yet.
    expect(readdirSync(machine.home).filter((name) => name.startsWith('before'))).toEqual(['before-restore']);
    await bench.end();
  }
});

test('a disk that is full stops it, and it says that nothing was changed and what to do', async () => {
  const machine = await startMachine();
  writeFileSync(join(machine.store, 'large'), Buffer.alloc(4_000_000, 'x'));
  await writeBackup(machine.installation(), machine.file, passphrase, parts);
  machine.end();
  const other = folder();
  const child = Bun.spawn(
    [
      ...['bwrap', '--dev-bind', '/', '/', '--size', '2000000', '--tmpfs', other, '--chdir', other],
      // Bun's own cache would be there, too.
      ...[
        '--setenv',
        'HOME',
        other,
        '--setenv',
        'BUN_RUNTIME_TRANSPILER_CACHE_PATH',
        '0',
        process.execPath,
        '--no-env-file',
        join(root, 'src/index.ts'),
      ],
      ...['restore', '--from', machine.file],
    ],
    { stdin: Buffer.from(`${passphrase}\n`), stdout: 'ignore', stderr: 'pipe' },
  );
  const said = await new Response(child.stderr).text();
  expect([await child.exited, said]).toEqual([
    1,
    `there is no room left on the disk of ${join(other, '.nostr-dm-agent')}. Make some, then give this command again. Nothing was changed.\n`,
  ]);
});

test('a wallet’s database in it that can’t be used is refused before anything is changed', async () => {
  const machine = await startMachine();
  machine.end();
  const db = new Database(walletFile(machine.config));
  db.exec('DROP TABLE spend_log');
  db.close();
  await writeBackup(machine.installation(), machine.file, passphrase, parts);
  const other = folder();
  const refused = restoreBackup(machine.file, passphrase, placesOf(other), onto);
  await expect(refused).rejects.toMatchObject({ name: 'CopyRefusedError', problem: { kind: 'no-wallet' } });
  expect(readdirSync(join(other, '.nostr-dm-agent'))).toEqual(['bot.lock']);
});

test('a place that can’t be written is refused before anything is changed; a workspace that can’t be made is named', async () => {
  const machine = await startMachine();
  appendFileSync(join(machine.user, '.env'), 'BOT_WORKSPACE=app=/dev/null/app\n');
  await writeBackup(machine.installation(), machine.file, passphrase, parts);
  machine.end();
  const other = folder();
  const nowhere = { ...placesOf(other), walletDirectory: '/dev/null/wallet' };
  const refused = restoreBackup(machine.file, passphrase, nowhere, onto);
  expect(await refused.catch((error: RestoreRefusedError) => [error.problem, error.path])).toEqual([
    'unwritable',
    '/dev/null/wallet',
  ]);
  expect(existsSync(join(other, '.nostr-dm-agent', 'restore.json'))).toBe(false);
  const restored = await restoreBackup(machine.file, passphrase, placesOf(other), onto);
  expect([restored.workspaces, restored.unmade]).toEqual([[], ['/dev/null/app']]);
  expect(existsSync(join(restored.home, 'restore.json'))).toBe(false);
});

test('what an agent has put into its own database is not run by a restore: its conversations stay as they were', async () => {
  const machine = await startMachine();
  machine.conversation.exec(`CREATE TRIGGER t AFTER UPDATE ON session BEGIN
    INSERT INTO session WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x, x FROM c; END`);
  await writeBackup(machine.installation(), machine.file, passphrase, parts);
  machine.end();
  const { unmoved } = await restoreBackup(machine.file, passphrase, placesOf(folder()), onto);
  expect(unmoved.map((path) => path.split('/').at(-1))).toEqual(['opencode.db']);
});

test('who wants it stopped is heard while a large file is being written, and nothing is left', async () => {
  const machine = await startMachine();
  machine.end();
  const large = join(machine.store, 'large');
  writeFileSync(large, '');
  truncateSync(large, 256 * 1024 * 1024);
  const stop = new AbortController();
  const steps: string[] = [];
  const stopped = writeBackup(machine.installation(), machine.file, passphrase, {
    ...{ ...parts, signal: stop.signal },
    reached: (step) => {
      steps.push(step);
      if (step === 'backup:home') setTimeout(() => stop.abort(new Error('stopped')), 0);
    },
  });
  await expect(stopped).rejects.toThrow('stopped');
  expect(steps).toEqual(['backup:begun', 'backup:home']);
  expect(
    [machine.file, `${machine.file}.part`, join(machine.home, 'backup.part')].filter(existsSync),
  ).toEqual([]);
});

describe('a backup of somebody who knows its passphrase, and is no friend', () => {
  test.each([
    'home/../x',
    '/etc/x',
    'home//x',
    'home/restore.json',
    'home/restore.part/home/x',
    'home/before-restore/x',
    'home/bot.lock',
    'wallet/x.db',
    'wallet/0123456789abcdef.db/x',
    'settings/env/x',
    'settings/other',
    `home/${'x'.repeat(300)}`,
    // Twice, and below a file.
    'home/a',
    'home/a/b',
  ])('is refused with a file at %s, and nothing is changed', async (path) => {
    const [user, file] = [folder(), join(folder(), 'it')];
    const writer = await createSealedWriter(openSync(file, 'wx'), passphrase, cost);
    const then = {
      userHome: '/home/al/',
      directory: '/home/al/',
      home: '/home/al/bot',
      walletDirectory: '/home/al/w',
    };
    writeRecord(writer, { kind: 'manifest', program: '1', madeAt: 0, host: 'x', places: then });
    for (const one of ['home/a', path]) writeRecord(writer, { kind: 'file', path: one, mode: 0, size: 0 });
    writeRecord(writer, { kind: 'end', files: 2 });
    writer.end();
    const refused = restoreBackup(file, passphrase, placesOf(user), onto);
    expect(await refused.catch((error: SealedFileError) => [error.file, error.problem])).toEqual([
      file,
      { kind: 'damaged' },
    ]);
    expect(readdirSync(user)).toEqual(['bot']);
    expect(readdirSync(join(user, 'bot'))).toEqual(['bot.lock']);
  });
});

test.each([
  ['/', '/srv', '/a/b', '/srv/a/b'],
  ['/', '/srv', '/', '/srv'],
  ['/home/😀', '/', '/home/😀/x', '/x'],
  ['/home/😀', '/home/bo', '/home/😀', '/home/bo'],
])('what was at %s and is at %s now: %s is %s, in settings and in databases', (from, to, path, expected) => {
  const moves = inOrder([{ from, to }]);
  expect(movedPath(path, moves)).toBe(expected);
  const db = new Database(':memory:');
  db.exec('CREATE TABLE sessions (directory TEXT)');
  db.query('INSERT INTO sessions VALUES (?)').run(path);
  movePathsIn(db, [['sessions', 'directory']], moves);
  expect(db.query('SELECT directory FROM sessions').values()).toEqual([[expected]]);
});

test('on a file system without hard links, such as FAT, a file is new or refused all the same', async () => {
  const place = folder();
  const [link, linkat] = process.arch === 'x64' ? [86, 265] : [37, 37];
  // Classic BPF: these two calls fail as FAT has them fail (EPERM), all others are let through.
  const program = [
    [0x20, 0, 0, 0],
    [0x15, 2, 0, link],
    [0x15, 1, 0, linkat],
    [0x06, 0, 0, 0x7fff0000],
    [0x06, 0, 0, 0x00050001],
  ].map(([code = 0, then = 0, otherwise = 0, value = 0]) => {
    const instruction = Buffer.alloc(8);
    instruction.writeUInt16LE(code, 0);
    instruction.writeUInt8(then, 2);
    instruction.writeUInt8(otherwise, 3);
    instruction.writeUInt32LE(value, 4);
    return instruction;
  });
  const filter = join(place, 'filter');
  writeFileSync(filter, Buffer.concat(program));
  const script = `
    import { linkSync, writeFileSync } from 'node:fs';
    import { publishNew } from '${join(root, 'packages/kit/src/files.ts')}';
    writeFileSync('draft', 'one'); writeFileSync('second', 'two');
    let link = 'works';
    try { linkSync('draft', 'x') } catch (error) { link = error.code }
    console.log(link, publishNew('draft', 'it'), publishNew('second', 'it'));`;
  const child = Bun.spawn(
    ['bwrap', '--dev-bind', '/', '/', '--chdir', place, '--seccomp', '3', process.execPath, '-e', script],
    { stdio: ['ignore', 'pipe', 'inherit', openSync(filter, 'r')] },
  );
  expect(await new Response(child.stdout).text()).toBe('EPERM true false\n');
  expect(readFileSync(join(place, 'it'), 'utf8')).toBe('one');
  expect(readdirSync(place).toSorted()).toEqual(['filter', 'it', 'second']);
});
