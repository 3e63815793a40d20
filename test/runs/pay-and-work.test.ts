/** Paying beside the work of an agent that is held at a door: with a real mint, node and meter. */
import { afterEach, describe, expect, test } from 'bun:test';
import { type PaidWorld, startPaidWorld } from '@nostr-dm-agent/routstr/testing/paid-world';
import { createPaidProvider } from '../../src/runs/paid-provider.ts';
import { payAndWork } from '../../src/runs/pay-and-work.ts';

let world: PaidWorld | undefined;
afterEach(() => world?.end());

async function house(options: Parameters<typeof startPaidWorld>[0] = {}) {
  const opened = await startPaidWorld(options);
  world = opened;
  const door = opened.meter.openDoor();
  const provider = createPaidProvider(opened.provider(), {
    modelName: (chosen) => chosen,
    standing: () => ({
      payer: 'x',
      payment: () => ({ credentials: 'provided', variables: {}, configuration: {} }),
    }),
  });
  const ask = async (signal: AbortSignal): Promise<string> => {
    const response = await fetch(`${door.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${door.key}`, 'x-session-id': 'ses_1' },
      body: JSON.stringify({
        model: 'claude-sonnet-4.5',
        stream: true,
        max_tokens: 100,
        messages: [{ role: 'user', content: 'hi' }],
      }),
      signal,
    });
    return `${response.status} ${await response.text()}`;
  };
  /** An agent server: it asks at once, and ends when it is answered or told to. */
  const work = async (_payment: unknown, ended: AbortSignal): Promise<string> => {
    const lease = door.lease('ses_1', 'r1');
    const answer = ask(ended).catch(() => 'ended');
    try {
      return await answer;
    } finally {
      await lease.release();
    }
  };
  const ticket = opened.ticket('r1');
  return {
    world: opened,
    provider,
    ticket,
    work,
    pay: (signal: AbortSignal) => provider.prepareRun(ticket, signal),
    asked: () => opened.node.requests.filter((line) => line.includes('chat/completions')).length,
  };
}
const soon = () => AbortSignal.timeout(20_000);

describe('an agent that is held at a door', () => {
  test('gets ready while its run is paid for, and is served with that money', async () => {
    const { pay, work, provider, asked } = await house();
    const done = await payAndWork({ pay, work }, soon());
    expect(done).toMatchObject({ state: 'worked', work: expect.stringMatching(/^200 [\s\S]*\[DONE\]/) });
    expect(asked()).toBe(1);
    expect(await provider.finalizeRun('r1', soon())).toMatchObject({ budget: 2000 });
  });

  test('is ended when paying is refused: nothing of it reaches a model, and what the disk knows is said before', async () => {
    const { pay, work, provider, ticket, asked } = await house({ funds: 100 });
    expect(provider.refusal?.(ticket)).toContain('2,000');
    const done = await payAndWork({ pay, work }, soon());
    expect(done).toMatchObject({ state: 'refused', reason: expect.stringContaining('2,000') });
    expect(asked()).toBe(0);
  });

  test('is ended when the node does not take the money, which comes back', async () => {
    const { pay, work, provider, world, asked } = await house();
    world.node.crash();
    const done = await payAndWork({ pay, work }, soon());
    expect(done.state).toBe('refused');
    expect(asked()).toBe(0);
    await provider.finalizeRun('r1', soon());
  });

  test('that ends by itself before it is paid for needs no money: paying is over when it is settled', async () => {
    const { pay, provider, world } = await house();
    const done = await payAndWork({ pay, work: async () => 'nothing to do' }, soon());
    expect(done).toMatchObject({ state: 'worked', work: 'nothing to do' });
    await provider.finalizeRun('r1', soon());
    expect(world.provider().owed()).toMatchObject({ running: 0 });
  });

  test('that breaks off takes the payment with it', async () => {
    const { pay } = await house();
    const work = () => Promise.reject(new Error('broken'));
    await expect(payAndWork({ pay, work }, soon())).rejects.toThrow('broken');
  });
});
