import { afterAll, beforeAll, expect, test } from 'bun:test';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { stranger } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { payment } from '../support/payer.ts';
import { startWalletBot } from '../support/wallet-bot.ts';

let world: Awaited<ReturnType<typeof startWalletBot>>;
beforeAll(async () => {
  world = await startWalletBot({ funds: 1000 });
});
afterAll(() => world.cleanUp());

/** The wallet's command line, in the environment that the bot was started with. */
const wallet = async (...args: string[]) => {
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, '../../src/index.ts'), 'wallet', ...args],
    {
      cwd: world.bot.directory,
      env: world.bot.env,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    },
  );
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, stdout, stderr };
};

test('while the bot runs, the command line asks the bot, and both see the same money', async () => {
  expect(statSync(join(world.bot.home, 'wallet.sock')).mode & 0o777).toBe(0o600);
  const balance = await wallet('balance', '--json');
  expect(balance.code).toBe(0);
  expect(JSON.parse(balance.stdout)).toMatchObject({ ready: 1000 });
  const sent = await wallet('send', '100');
  expect(sent.code).toBe(0);
  expect(sent.stdout).toMatch(/^cashuB\S+\n$/);
  expect(await world.ask(sent.stdout.trim())).toMatch(/100 sat/); // pasted back into the chat
  const restore = await wallet('restore');
  expect(restore.code).toBe(1);
  expect(restore.stderr).toContain('bot');
});

test('a top-up from the command line can be paid with ecash, while a bot runs that receives it', async () => {
  const { stdout } = await wallet('topup', '41', '--json', '--no-wait');
  const { request, operation } = JSON.parse(stdout);
  expect(request.text).toMatch(/^creqA/);
  expect(request.qr).toMatch(/^CREQB1/);
  expect((await wallet('pending')).stdout).toMatch(/payment request for 41 sat, not paid yet/);
  world.mint.lightning.incoming = 'at-once';
  const proofs = await (await stranger(world.mint)).proofs(41);
  world.mint.lightning.incoming = 'on-demand';
  await world.owner.publish(payment(request.text, world.mint.url, proofs));
  expect((await world.owner.heard(/request for 41 sat/)).text).toStartWith('Paid: 41 sat came as ecash');
  expect((await wallet('pending')).stdout).not.toContain(operation);
});

test('killed or stopped, the bot leaves the wallet to the command line', async () => {
  await world.bot.end('SIGKILL');
  const after = await wallet('balance', '--json');
  expect(after.code).toBe(0);
  const { ready } = JSON.parse(after.stdout) as { ready: number };
  expect(ready).toBe(await world.fromWords());
  await world.bot.start();
  expect(await world.balance()).toBe(ready);
  expect(await world.bot.end('SIGTERM')).toBe(0);
  expect((await wallet('check')).code).toBe(0);
});
