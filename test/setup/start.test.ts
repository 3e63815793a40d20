import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import { type SandboxRelay, startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { nsecEncode } from 'nostr-tools/nip19';
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

test('start runs until SIGTERM and then exits 0; a second one refuses the same home; the log holds no secret', async () => {
  const env = { ...environment, BOT_RELAYS: relay.url };
  const child = Bun.spawn(
    [process.execPath, '--no-env-file', join(import.meta.dir, '../../src/index.ts'), 'start'],
    {
      cwd: directory,
      env: { PATH: process.env.PATH ?? '', HOME: root, ...env },
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
  try {
    await until(() => log.includes('"ready"') || child.exitCode !== null, 'the bot is ready', 60_000);
    const second = await runCommand(['start'], { directory, environment: env });
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('could not be started');
    child.kill('SIGTERM');
    expect(await child.exited).toBe(0);
    await reading;
    expect(log).toContain('"stopped"');
    const secrets = [environment.BOT_KEY, Buffer.from(secretKey).toString('hex'), environment.SOME_API_KEY];
    for (const secret of secrets) expect(log + second.stderr).not.toContain(secret);
  } finally {
    child.kill('SIGKILL');
    await child.exited;
  }
}, 120_000);
