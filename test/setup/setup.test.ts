import { afterAll, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import { validateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { parse } from 'dotenv';
import fc from 'fast-check';
import { npubEncode, nsecEncode } from 'nostr-tools/nip19';
import { encrypt } from 'nostr-tools/nip49';
import { loadConfig } from '../../src/config/load-config.ts';
import { envText, UnwritableValueError } from '../../src/setup/env-text.ts';
import { FileExistsError, writeSecretFile } from '../../src/setup/secret-file.ts';
import { commandOnTerminal, runCommand } from '../support/command.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'nostr-dm-agent-setup-')));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const newDirectory = () => mkdtempSync(join(root, 'd-'));

const ownerKey = publicKeyOf(generateSecretKey());
const owner = npubEncode(ownerKey);
const modeOf = (path: string) => statSync(path).mode & 0o777;
const readEnv = (directory: string) => parse(readFileSync(join(directory, '.env')));
/** HOME is the folder above in these tests. */
const secretsOf = (directory: string) => join(directory, '..', '.nostr-dm-agent/secrets');
const backupsIn = (directory: string) =>
  existsSync(secretsOf(directory))
    ? readdirSync(secretsOf(directory)).filter((name) => name.includes('.backup-'))
    : [];

describe('setup by flags', () => {
  test('makes key and mnemonic, writes .env for its owner only, shows the npub and nothing secret', async () => {
    const directory = newDirectory();
    const { code, stdout, stderr } = await runCommand(['setup', '--owner', owner], { directory });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(modeOf(join(directory, '.env'))).toBe(0o600);
    expect(readdirSync(directory)).toEqual(['.env']);

    const { BOT_KEY = '', CASHU_MNEMONIC = '' } = readEnv(directory);
    expect(validateMnemonic(CASHU_MNEMONIC, wordlist)).toBe(true);
    const config = await loadConfig({ HOME: directory }, directory);
    expect(config.owners).toEqual([{ publicKey: ownerKey, role: 'admin' }]);
    expect(stdout).toContain(npubEncode(config.identity.publicKey));
    expect(stdout).toContain('█▀▀▀▀▀█');
    expect(stdout).not.toContain(BOT_KEY);
    for (const pair of CASHU_MNEMONIC.match(/\w+ \w+/g) ?? []) expect(stdout).not.toContain(pair);
  });

  test('takes all that it is told', async () => {
    const directory = newDirectory();
    mkdirSync(join(directory, "my site's"));
    const secretKey = generateSecretKey();
    const flags = ['--owner', `${owner},${npubEncode(publicKeyOf(generateSecretKey()))}`, '--key', '-'];
    flags.push('--relays', 'ws://127.0.0.1:7777', '--workspace', "my site's", '--backend', 'cursor');
    flags.push('--model', 'a/b', '--no-wallet', '--env-file', 'bot.env', '--yes');
    const result = await runCommand(['setup', ...flags], { directory }, `${nsecEncode(secretKey)}\n`);
    expect(result.code).toBe(0);
    expect(modeOf(join(directory, 'bot.env'))).toBe(0o600);
    const config = await loadConfig({ HOME: directory }, root, { envFile: join(directory, 'bot.env') });
    expect(config).toMatchObject({
      identity: { publicKey: publicKeyOf(secretKey) },
      owners: [{ role: 'admin' }, { role: 'member' }],
      relays: ['ws://127.0.0.1:7777'],
      workspaces: [{ name: 'my-site-s', directory: join(directory, "my site's") }],
      backend: 'cursor',
      model: 'a/b',
    });
    expect(readFileSync(join(directory, 'bot.env'), 'utf8')).not.toContain('MNEMONIC');
  });

  test('an encrypted key stays encrypted', async () => {
    const directory = newDirectory();
    const secretKey = generateSecretKey();
    const key = encrypt(secretKey, 'correct horse', 4);
    const flags = ['setup', '--owner', owner, '--key', key];
    expect((await runCommand(flags, { directory })).code).toBe(2);
    const environment = { BOT_KEY_PASSWORD: 'correct horse' };
    const { code, stdout } = await runCommand(flags, { directory, environment });
    expect(code).toBe(0);
    expect(stdout).toContain(npubEncode(publicKeyOf(secretKey)));
    expect(readEnv(directory)).toMatchObject({ BOT_KEY: key });
    expect(readFileSync(join(directory, '.env'), 'utf8')).not.toContain('correct horse');
  });

  test('refuses what can not be, writes nothing and repeats no secret', async () => {
    const directory = newDirectory();
    const nsec = nsecEncode(generateSecretKey());
    for (const flags of [
      [],
      ['--owner', nsec],
      ['--owner', owner, '--key', `${nsec}x`],
      ['--owner', owner, '--relays', 'ws://relay.example'],
      ['--owner', owner, '--workspace', 'nowhere'],
      ['--owner', owner, '--backend', 'emacs'],
    ]) {
      const { code, stdout, stderr } = await runCommand(['setup', ...flags], { directory });
      expect(code).toBe(2);
      expect(stdout).toBe('');
      expect(stderr).toContain('Nothing was written');
      expect(stderr).not.toContain(nsec);
    }
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('a .env that is there', () => {
  test('is left alone without --force', async () => {
    const directory = newDirectory();
    writeFileSync(join(directory, '.env'), 'BOT_MODEL=mine\n');
    const { code, stderr } = await runCommand(['setup', '--owner', owner, '--yes'], { directory });
    expect(code).toBe(1);
    expect(stderr).toContain('--force');
    expect(readFileSync(join(directory, '.env'), 'utf8')).toBe('BOT_MODEL=mine\n');
    expect(readdirSync(directory)).toEqual(['.env']);
  });

  test('is kept in a folder for secrets with --force; key, words and other settings go on', async () => {
    const directory = newDirectory();
    await runCommand(['setup', '--owner', owner], { directory });
    const before = readFileSync(join(directory, '.env'), 'utf8');
    writeFileSync(join(directory, '.env'), `${before}BOT_CONCURRENCY=7\nMINE='a # b'\n`);
    chmodSync(join(directory, '.env'), 0o644);
    const old = readEnv(directory);

    const flags = ['setup', '--owner', owner, '--model', 'a/b', '--force'];
    expect((await runCommand(flags, { directory })).code).toBe(0);
    expect(readEnv(directory)).toEqual({ ...old, BOT_MODEL: 'a/b' });
    const [backup = '', ...others] = backupsIn(directory);
    expect(others).toEqual([]);
    expect(readdirSync(directory)).toEqual(['.env']);
    expect(parse(readFileSync(join(secretsOf(directory), backup)))).toEqual(old);
    expect(modeOf(join(secretsOf(directory), backup))).toBe(0o600);
    expect(modeOf(secretsOf(directory))).toBe(0o700);
    expect(modeOf(join(directory, '.env'))).toBe(0o600);

    expect((await runCommand([...flags, '--key', 'new'], { directory })).code).toBe(0);
    expect(readEnv(directory).BOT_KEY).not.toBe(old.BOT_KEY);
    expect(readEnv(directory).CASHU_MNEMONIC).toBe(old.CASHU_MNEMONIC);
    expect(backupsIn(directory)).toHaveLength(2);
  });
});

test('on a terminal it asks, says what is wrong with an answer, and writes what was answered', async () => {
  const directory = newDirectory();
  const terminal = commandOnTerminal(['setup'], { directory });
  try {
    await terminal.answer('Your own public key', 'npub1nonsense\r');
    await terminal.answer('neither npub1', `${'\x7f'.repeat('npub1nonsense'.length)}${owner}\r`);
    await terminal.answer("The bot's own key", '\r');
    await terminal.answer('Relays on which it listens', '\r');
    await terminal.answer('The directory in which the agent works', '\r');
    await terminal.answer('The program that does the work', '\r');
    await terminal.answer('Give it a Cashu wallet?', 'n');
    expect(await terminal.exited).toBe(0);
  } finally {
    terminal.kill();
  }
  const config = await loadConfig({ HOME: directory }, directory);
  expect(config.owners).toEqual([{ publicKey: ownerKey, role: 'admin' }]);
  expect(config.workspaces[0]).toEqual({ name: 'agent-workspace', directory: join(root, 'agent-workspace') });
  expect(terminal.screen()).toContain('Wall: ');
  // That it is not there is said only where it is not.
  if (Bun.which('bwrap') !== null) expect(terminal.screen()).not.toContain('not installed');
  expect(terminal.screen()).toContain(npubEncode(config.identity.publicKey));
  expect(readEnv(directory).CASHU_MNEMONIC).toBeUndefined();
}, 60_000);

test('on a terminal Ctrl-C ends it and nothing is written', async () => {
  const directory = newDirectory();
  const terminal = commandOnTerminal(['setup'], { directory });
  try {
    await terminal.answer('Your own public key', '\x03');
    expect(await terminal.exited).toBe(1);
  } finally {
    terminal.kill();
  }
  expect(readdirSync(directory)).toEqual([]);
}, 60_000);

describe('the text of a .env', () => {
  test('is read back as what it was made of, or refused', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom(...'ab \'"`\\#$=\n\t') }),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[A-Z][A-Z_]{0,8}$/), value), (values) => {
        let text: string;
        try {
          text = envText(values);
        } catch (error) {
          expect(error).toBeInstanceOf(UnwritableValueError);
          return;
        }
        expect(parse(text)).toEqual(values);
      }),
      { numRuns: 1000 },
    );
    expect(parse(envText({ A: "it's" }))).toEqual({ A: "it's" });
  });
});

describe('a secret file', () => {
  test('is never replaced by a writer who may not, whoever comes first', async () => {
    const path = join(newDirectory(), 'secret');
    writeSecretFile(path, 'first', false);
    expect(() => writeSecretFile(path, 'second', false)).toThrow(FileExistsError);
    expect(readFileSync(path, 'utf8')).toBe('first');
    expect(modeOf(path)).toBe(0o600);
  });

  test('is written through a symbolic link, which stays one', () => {
    const directory = newDirectory();
    writeFileSync(join(directory, 'real'), 'old', { mode: 0o644 });
    symlinkSync('real', join(directory, 'link'));
    const backup = writeSecretFile(join(directory, 'link'), 'new', true);
    expect(lstatSync(join(directory, 'link')).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(directory, 'real'), 'utf8')).toBe('new');
    expect(modeOf(join(directory, 'real'))).toBe(0o600);
    expect(readFileSync(backup ?? '', 'utf8')).toBe('old');
  });
});
