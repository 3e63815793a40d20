/** A bot and two desks use one wallet at once, in processes of their own; some are killed. To the sat. */
import { afterEach, expect, test } from 'bun:test';
import { join } from 'node:path';
import { soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { expectHome } from './support/keys-home.ts';
import { type PaidWorld, startPaidWorld } from './support/paid-world.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** What a process says, line by line. */
function startUser(world: PaidWorld, role: 'desk' | 'bot', rounds = 0) {
  const { directory: home, words } = world;
  const order = { role, rounds, home, words, mint: world.mint.url, node: world.node.url };
  const child = Bun.spawn([process.execPath, join(import.meta.dir, 'support/wallet-user-child.ts')], {
    stdin: new Blob([JSON.stringify(order)]),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  let said = '';
  const reading = (async () => {
    for await (const piece of child.stdout) said += new TextDecoder().decode(piece);
  })();
  ends.push(() => child.kill('SIGKILL'));
  return {
    says: (text: string) => until(() => said.includes(text), `${role} says ${text}`, 60_000),
    kill: async (signal: 'SIGKILL' | 'SIGTERM') => {
      child.kill(signal);
      await child.exited;
    },
    async ended() {
      const stderr = await new Response(child.stderr).text();
      await reading;
      return { code: await child.exited, stderr, last: said.trimEnd().split('\n').at(-1) };
    },
  };
}

test('a bot comes, is killed, comes again and stops while two desks work; one of these is killed: nobody else notices', async () => {
  const world = await startPaidWorld();
  ends.push(world.end);
  await world.retire();
  const first = startUser(world, 'desk', 14);
  const second = startUser(world, 'desk', 14);
  const killed = startUser(world, 'desk', 1000);
  await Promise.all([first.says('round 0'), second.says('round 0'), killed.says('round 0')]);
  // They hand it over to a bot, and go on through its socket.
  const bot = startUser(world, 'bot');
  await bot.says('serving');
  await first.says('round 3');
  await bot.kill('SIGKILL');
  await second.says('round 6');
  await killed.kill('SIGKILL');
  const again = startUser(world, 'bot');
  await again.says('serving');
  await first.says('round 8');
  await again.kill('SIGTERM');
  expect(await Promise.all([first.ended(), second.ended()])).toEqual([
    { code: 0, stderr: '', last: 'done' },
    { code: 0, stderr: '', last: 'done' },
  ]);

  await world.restart();
  const { keys } = world.provider();
  for (let passes = 0; passes < 8 && keys.list('open').some(({ state }) => state !== 'kept'); passes += 1) {
    await world.later(120_000);
  }
  expect(keys.news().length).toBeLessThanOrEqual(2);
  for (const { id } of keys.list('open')) {
    expect(await keys.refund(id, soon())).toMatchObject({ state: 'returned' });
  }
  await expectHome(world, 0);
}, 120_000);
