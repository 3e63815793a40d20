/* A bot that pays: what its owner reads when it is killed while it settles, and when its words are gone. */
import { afterEach, expect, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startPaidBot } from '../support/paid-bot.ts';
import { startSandboxHouse } from '../support/paid-house.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function startWorld(env: Readonly<Record<string, string>> = {}) {
  const house = startSandboxHouse({ feePpk: 0 });
  ends.push(house.stop);
  const world = await startPaidBot(house, { opencode: 'paying', funds: 5000, env });
  ends.push(world.cleanUp);
  return { ...world, house };
}

test('killed after the agent was done and before its change was back: the answer is not lost, and nothing is run again', async () => {
  const { bot, owner, house, ask } = await startWorld();
  house.node.faults.add({ endpoint: 'refund', when: 'before', effect: { kind: 'hold' } });
  const task = await owner.send('1 calls');
  await until(() => house.node.faults.holding() > 0, 'the bot asks for its change');
  await bot.end('SIGKILL');
  house.node.faults.release();
  await bot.start();
  const { text } = await owner.answer(task);
  expect(text).not.toContain('Interrupted');
  expect(text).toMatch(/\n— agent · .* of 2000 sat · claude-sonnet-4\.5$/);
  expect(bot.tasksDone().length).toBeLessThanOrEqual(1);
  const spent = Number(/ (\d+) of 2000 sat/.exec(text)?.[1]);
  expect(spent).toBeGreaterThan(0);
  expect(await ask('!wallet balance')).toContain(`${(5000 - spent).toLocaleString('en-US')} sat ready`);
});

test('killed in the middle of a run: its agent, though alive, can spend nothing more', async () => {
  const { bot, house, ask, agents, nodeAtRest } = await startWorld();
  const calls = (): number => house.upstream.requests.length;
  await bot.owner.send('200 calls');
  await until(() => calls() > 2, 'the agent is at it');
  await bot.end('SIGKILL');
  // The call that was under way may still arrive; the agent finds the meter gone, and says so by ending.
  const before = calls();
  await until(() => agents().length === 0, 'the agent has given up');
  expect(calls() - before).toBeLessThanOrEqual(1);
  expect(house.node.audit().balancesMsat).toBeGreaterThan(1_000_000);
  await bot.start();
  await bot.owner.heard(/^Interrupted/);
  await until(nodeAtRest, 'the change is home');
  expect(house.node.audit().balancesMsat).toBeLessThan(1000);
  expect(await ask('!wallet history')).toMatch(/ · budget 2,000 sat = \d+ spent \+ 1,\d+ change\n/);
});

test('routstr is set and the words are gone: admins are warned at start, and a task runs with local and says so', async () => {
  const { bot, owner, ask } = await startWorld();
  await bot.end('SIGTERM');
  const before = owner.said.length;
  await bot.start({ CASHU_MNEMONIC: '' });
  await until(
    () =>
      owner.said
        .slice(before)
        .some(({ text }) => /^Ready .*CASHU_MNEMONIC is missing\. Runs use local\.$/s.test(text)),
    'the warning',
  );
  expect(bot.log()).toContain('there is no wallet');
  expect(await ask('!status')).toContain('Provider: local (routstr is set, but there is no wallet');
  const answer = await ask('0 calls');
  expect(answer).toContain('Provider routstr is set, but there is no wallet: CASHU_MNEMONIC is missing.');
  expect(answer).not.toContain(' sat ');
});
