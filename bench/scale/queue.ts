import { systemClock } from '@nostr-dm-agent/kit/clock';
import type { EventId, PublicKey } from '@nostr-dm-agent/nostr';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import type { Call } from '../../src/commands/command.ts';
import { queueCommands } from '../../src/commands/queue-commands.ts';
import { depsWithoutWallet } from '../../test/support/commands.ts';
import { startBareRelay } from './bare-relay.ts';
import { type Figures, median, medianOf, seeded, taking } from './figures.ts';
import { createWorld, orderOf, type World } from './world.ts';

/** A queue in which thousands wait: no step may take longer because of those that wait. */
export async function measureQueue(count: number, figures: Figures): Promise<void> {
  const relay = startBareRelay({ keeps: false });
  const world = await createWorld(relay, { clock: systemClock, concurrency: 2, random: seeded(5) });
  try {
    const owners = Array.from({ length: 50 }, () => publicKeyOf(generateSecretKey()));
    const sessionOf = (n: number) => ({ id: `s${n % 100}`, owner: owners[n % 50] ?? owners[0] });
    for (let n = 0; n < 100; n += 1) {
      const { id, owner } = sessionOf(n);
      if (owner === undefined) continue;
      world.stores.sessions.insert({
        ...{ id, owner, workspace: 'app', directory: '/app', backend: 'opencode', mode: 'agent', title: 't' },
        ...{ model: undefined, approvals: undefined, provider: undefined, backendSession: 'ses_1' },
        ...{ createdAt: 0, usedAt: 0 },
      });
    }
    let number = 0;
    const enqueue = (): void => {
      const { id, owner } = sessionOf(number);
      number += 1;
      if (owner === undefined) return;
      // As a message does: is there room, and then in.
      world.stores.atomically(() => {
        world.queue.openIn(id);
        world.queue.mustWait(id);
        world.queue.enqueue(orderOf(owner, id, number.toString(16).padStart(64, '0'), relay.url));
      });
    };
    const each = async (times: number, work: () => void): Promise<number> =>
      (await taking(() => {
        for (let n = 0; n < times; n += 1) work();
      })) / times;
    const first = await each(500, enqueue);
    await each(count - 1_000, enqueue);
    const last = await each(500, enqueue);
    figures.add(`enqueue, the first 500 of ${count}`, first, 'ms each');
    figures.add('the last 500', last, 'ms each', Math.max(2 * first, first + 0.5));

    const deps = { ...depsWithoutWallet(), queue: world.queue };
    const owner = owners[3];
    if (owner === undefined) return;
    const ask = (path: string, argument = '', who: PublicKey = owner): unknown => {
      const command = queueCommands(deps).find((one) => one.path === path);
      if (command?.kind !== 'immediate') throw new Error(`no ${path}`);
      return command.run(callOf(who, argument));
    };
    figures.add('!queue', await medianOf(20, () => ask('queue')), 'ms', 20);
    figures.add('!queue drop 100', await medianOf(20, () => ask('queue drop', '100')), 'ms', 20);
    const mine = world.queue.counts(owner).waiting;
    const dropped = await taking(() => world.stores.atomically(() => void ask('queue drop', 'all')));
    figures.add(`!queue drop all, of ${mine}`, dropped, 'ms', 1_000);

    // Two at a time, and the next one begins as soon as one has ended.
    world.queue.start();
    const turn = async (runs: number): Promise<number> => {
      const begun = performance.now();
      for (let ended = 0; ended < runs; ) {
        for (const run of world.working()) {
          world.end(run);
          ended += 1;
        }
        await Bun.sleep(0);
      }
      return (performance.now() - begun) / runs;
    };
    const early = await turn(100);
    const { waiting } = world.queue.counts();
    figures.add(`a run from the queue to its answer, ${waiting} waiting`, early, 'ms each', 60);
    for (const who of owners.slice(0, 48)) world.queue.dropAll(who);
    const left = world.queue.counts().waiting;
    const late = await turn(Math.min(100, left));
    figures.add(`the same, ${left} waiting`, late, 'ms each');
    figures.hold(
      'not longer because of those that wait',
      early < 2 * late + 5,
      `${(early / late).toFixed(2)} times`,
    );
    for (const who of owners) world.queue.dropAll(who);
    await measureAway(world, count, owner, relay.url, figures);
    figures.print(`A queue of ${count}`);
  } finally {
    for (const run of world.working()) world.end(run);
    await world.close();
    await relay.stop();
  }
}

/** So many wait for agent hosts that are away, each in a session of its own, in ten workspaces; others go on. */
async function measureAway(
  world: World,
  count: number,
  owner: PublicKey,
  relay: Parameters<typeof orderOf>[3],
  figures: Figures,
): Promise<void> {
  const add = (id: string, directory: string, number: number) => {
    world.stores.sessions.insert({
      ...{ id, owner, workspace: directory, directory, backend: 'opencode', mode: 'agent', title: 't' },
      ...{ model: undefined, approvals: undefined, provider: undefined, backendSession: 'ses_1' },
      ...{ createdAt: 0, usedAt: 0 },
    });
    world.queue.enqueue(orderOf(owner, id, (count + number).toString(16).padStart(64, 'a'), relay));
  };
  const endAll = async () => {
    while (world.queue.counts().begun > 0) {
      for (const run of world.working()) world.end(run);
      await Bun.sleep(1);
    }
  };
  await endAll();
  world.stores.atomically(() => {
    for (let n = 0; n < count; n += 1) add(`away ${n}`, `away:/app${n % 10}`, n);
  });
  const first = await taking(() => new Promise((done) => setTimeout(done, 0)));
  figures.add(`the first look at ${count} that wait for hosts`, first, 'ms', 500);
  const turns: number[] = [];
  for (let n = 0; n < 20; n += 1) {
    turns.push(
      await taking(async () => {
        add(`here ${n}`, '/app', count + n);
        while (world.working().length === 0) await Bun.sleep(0);
      }),
    );
    await endAll();
  }
  figures.add('a task for this machine begins behind them', median(turns), 'ms', 100);
  world.queue.dropAll(owner);
}

const callOf = (publicKey: PublicKey, argument: string): Call => ({
  owner: { publicKey, role: 'admin' },
  ...{ argument, resumed: false },
  message: {
    ...{ id: '0'.repeat(64) as EventId, sender: publicKey, protocol: 'nip17', kind: 14, text: '' },
    ...{ references: [], createdAt: 0, relay: startRelayUrl },
  },
});
const startRelayUrl = 'ws://127.0.0.1/' as Call['message']['relay'];
