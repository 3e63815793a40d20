import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSecretKey } from '@nostr-dm-agent/nostr';
import { nsecEncode } from 'nostr-tools/nip19';
import manifest from '../../package.json' with { type: 'json' };
import { commandOnTerminal, runCommand } from '../support/command.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'nostr-dm-agent-cli-')));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const newDirectory = () => mkdtempSync(join(root, 'd-'));

describe('the command line', () => {
  test('helps on stdout and exits 0', async () => {
    for (const args of [['--help'], ['-h'], ['help']]) {
      const { code, stdout, stderr } = await runCommand(args, { directory: newDirectory() });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      for (const name of ['start', 'setup', 'sandbox', 'doctor']) expect(stdout).toContain(`  ${name}`);
    }
  });

  test('explains each command', async () => {
    const { code, stdout } = await runCommand(['sandbox', '--help'], { directory: newDirectory() });
    expect(code).toBe(0);
    for (const flag of ['--upstream ', '--upstream-key ', '--upstream-model ', '--keep', '--verbose']) {
      expect(stdout).toContain(flag);
    }
  });

  test('says its version', async () => {
    const { code, stdout } = await runCommand(['--version'], { directory: newDirectory() });
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${manifest.version}\n` });
  });

  test.each([
    ['nothing to do', [], 'Usage:'],
    ['an unknown command, with the nearest', ['strat'], 'Did you mean start?'],
    ['an unknown flag, with the nearest', ['setup', '--ownr', 'x'], 'Did you mean --owner?'],
    ['a deadline that is none', ['sandbox', '--deadline', 'soon'], 'number of seconds'],
  ])('%s is wrong usage: exit code 2, on stderr', async (_, args, hint) => {
    const { code, stdout, stderr } = await runCommand(args, { directory: newDirectory() });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(hint);
  });
});

describe('start and doctor without a usable configuration', () => {
  test.each([['start'], ['doctor']])('%s: without any, it says how to begin', async (command) => {
    const directory = newDirectory();
    const { code, stdout, stderr } = await runCommand([command], { directory });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('bun run setup');
    expect(stderr.trim().split('\n').length).toBeLessThan(6);
    expect(readdirSync(directory)).toEqual([]);
  });

  test.each([['start'], ['doctor']])('%s: all that is wrong is listed, no secret shown', async (command) => {
    const directory = newDirectory();
    const nsec = nsecEncode(generateSecretKey());
    const lines = [`BOT_KEY=${nsec}x`, `BOT_OWNERS=${nsec}`, 'BOT_CONCURRENCY=lots'];
    writeFileSync(join(directory, '.env'), lines.join('\n'), { mode: 0o600 });
    const { code, stderr } = await runCommand([command], { directory });
    expect(code).toBe(2);
    for (const name of ['BOT_KEY', 'BOT_OWNERS', 'BOT_CONCURRENCY']) expect(stderr).toContain(name);
    expect(stderr).not.toContain(nsec);
  });

  test('start on a terminal goes on with setup', async () => {
    const directory = newDirectory();
    const terminal = commandOnTerminal(['start'], { directory });
    try {
      await terminal.answer('Your own public key', '\x03');
      expect(await terminal.exited).toBe(2);
    } finally {
      terminal.kill();
    }
    expect(terminal.screen()).toContain('not set up yet');
    expect(readdirSync(directory)).toEqual([]);
  }, 60_000);
});
