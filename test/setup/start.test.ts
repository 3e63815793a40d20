import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import { type SandboxRelay, startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { nsecEncode } from 'nostr-tools/nip19';
import { bunCache } from '../support/bun-cache.ts';
import { runCommand } from '../support/command.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'nostr-dm-agent-start-')));
let relay: SandboxRelay;
beforeAll(() => {
  relay = startSandboxRelay();
});
afterAll(async () => {
  await relay.stop();
  rmSync(root, { recursive: true, force: true });
});

const secretKey = generateSecretKey();
const directory = join(root, 'workspace');
mkdirSync(directory);
const environment = {
  BOT_KEY: nsecEncode(secretKey),
  BOT_OWNERS: publicKeyOf(generateSecretKey()),
  BOT_HOME: join(root, 'home'),
  LOG_LEVEL: 'debug',
  SOME_API_KEY: 'hunter2hunter2',
};

/** The bot in a process of its own, killed at the end of the test. */
function startBot(env: Readonly<Record<string, string>>) {
  const child = Bun.spawn(
    [process.execPath, '--no-env-file', join(import.meta.dir, '../../src/index.ts'), 'start'],
    {
      cwd: directory,
      env: { PATH: process.env.PATH ?? '', HOME: root, ...bunCache, ...environment, ...env },
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'pipe',
    },
  );
  let log = '';
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) log += decoder.decode(chunk, { stream: true });
  })();
  return {
    ...{ child, reading },
    log: () => log,
    wrote: (pattern: RegExp, times = 1) =>
      until(
        () => (log.match(pattern)?.length ?? 0) >= times || child.exitCode !== null,
        `${pattern} in the log`,
        60_000,
      ),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await child.exited;
    },
  };
}

test('start runs until SIGTERM and then exits 0; a second one refuses the same home; the log holds no secret', async () => {
  await using bot = startBot({ BOT_RELAYS: relay.url });
  await bot.wrote(/"ready"/g);
  const second = await runCommand(['start'], {
    directory,
    environment: { ...environment, BOT_RELAYS: relay.url },
  });
  expect(second.code).toBe(1);
  expect(second.stderr).toContain('could not be started');
  bot.child.kill('SIGTERM');
  expect(await bot.child.exited).toBe(0);
  await bot.reading;
  expect(bot.log()).toContain('"stopped"');
  const secrets = [environment.BOT_KEY, Buffer.from(secretKey).toString('hex'), environment.SOME_API_KEY];
  for (const secret of secrets) expect(bot.log() + second.stderr).not.toContain(secret);
}, 120_000);

test('start goes on while no relay is there', async () => {
  await using bot = startBot({ BOT_RELAYS: 'ws://127.0.0.1:9', BOT_HOME: join(root, 'lonely') });
  await bot.wrote(/"relay not connected"/g, 3);
  expect(bot.child.exitCode).toBeNull();
  bot.child.kill('SIGTERM');
  expect(await bot.child.exited).toBe(0);
}, 120_000);
