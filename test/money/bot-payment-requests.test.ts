/*
 * A top-up that somebody pays with ecash over Nostr: by a payer who is a stranger, to a bot whose door is closed to strangers.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { decodePaymentRequest } from '@cashu/cashu-ts';
import { stranger } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { until } from '@nostr-dm-agent/kit/testing/until';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import { forgeJunk } from '@nostr-dm-agent/nostr/testing/forge';
import { startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { payment, paymentTo, recipientOf } from '../support/payer.ts';
import { invoiceIn, startWalletBot, type WalletBot } from '../support/wallet-bot.ts';

const relay = startSandboxRelay();
let world: WalletBot;
afterAll(async () => {
  await world.cleanUp();
  await relay.stop();
});

/** Proofs of a payer, while nobody pays the bot's invoices. */
const proofs = async (sats: number) => {
  world.mint.lightning.incoming = 'at-once';
  const made = await (await stranger(world.mint)).proofs(sats);
  world.mint.lightning.incoming = 'on-demand';
  return made;
};
const topUp = async (sats: number) => {
  const id = await world.owner.send(`!wallet topup ${sats}`);
  const { text } = await world.owner.answer(id, /^creqA/);
  return { id, text, said: world.owner.said.filter(({ about }) => about === id).map((one) => one.text) };
};
const news = (pattern: RegExp) => world.owner.heard(pattern).then(({ text }) => text);
const count = (pattern: RegExp) => world.owner.texts().filter((text) => pattern.test(text)).length;

describe('with a bot that runs', () => {
  beforeAll(async () => {
    world = await startWalletBot({ relay, mint: { feePpk: 100 } });
  });

  test('a top-up is one sentence, and an invoice, a link and a request, each alone', async () => {
    const { said, text } = await topUp(300);
    expect(said[0]).toMatch(
      /^\(1\/4\)\nInvoice for 300 sat to \S+, valid for .*creqA… below instead: pay one of them\. I’ll tell you/,
    );
    expect(said).toEqual([said[0] ?? '', said[1] ?? '', `lightning:${said[1]}`, text]);
    expect(said[1]).toMatch(/^lnbc\w+$/);
    const { amount, unit, mints } = decodePaymentRequest(text);
    expect([amount?.toNumber(), unit, mints]).toEqual([300, 'sat', [world.mint.url]]);
    const { key, relays } = recipientOf(text);
    expect(relays).toEqual([relay.url]);
    expect(key).not.toBe(world.bot.publicKey);
    expect(await world.ask('!wallet pending')).toMatch(
      /^just now · payment request for 300 sat, not paid yet · [0-9a-f]{8}$/m,
    );
  });

  test('a stranger pays it: it is told once, and the same wrap or proofs again are nothing', async () => {
    const { text } = await topUp(400);
    const sent = await proofs(401);
    const wrap = payment(text, world.mint.url, sent);
    await world.owner.publish(wrap);
    expect(await news(/for your payment request for 400/)).toBe(
      'Paid: 400 sat came as ecash (fee 1 sat) for your payment request for 400 sat. Balance: 400 sat.\nIts invoice need not be paid any more; if somebody does, that comes on top.',
    );
    await world.owner.publish(payment(text, world.mint.url, sent));
    relay.inject(wrap);
    expect(await world.ask('!wallet history')).toMatch(
      /received 400 sat, fee 1 sat · payment request [0-9a-f]{8}/,
    );
    expect(await world.balance()).toBe(400);
    expect(count(/request for 400 sat/)).toBe(1);
  });

  test('too little, the rest, more, and the invoice: each says how it stands', async () => {
    const { id, said, text } = await topUp(500);
    const pay = async (sats: number, pattern: RegExp) => {
      await world.owner.publish(payment(text, world.mint.url, await proofs(sats)));
      return news(pattern);
    };
    expect(await pay(200, /^199 sat came/)).toContain(
      '\n300 sat are missing. What comes for the same request is taken',
    );
    expect(await world.ask('!wallet pending')).toContain('payment request for 500 sat, 200 sat of it paid');
    expect(await pay(351, /^Paid: 350 sat came/)).toContain(
      '\nThat is 49 sat more than was asked for; it is kept.',
    );
    expect(await pay(7, /^6 sat came/)).toContain(
      '\nThat request had been paid before. It came on top, and is kept.',
    );
    world.mint.pay(world.mint.quoteOf(invoiceIn(said[1] ?? '')));
    expect((await world.owner.answer(id, /^Paid: 500/)).text).toContain(
      '\nThat was the invoice. 558 sat had come for its payment request as ecash; all of it is kept.',
    );
  });

  test('what can’t be taken is told of once for each request, and never to its sender', async () => {
    const { text } = await topUp(600);
    const payload = (mint: string) =>
      JSON.stringify({
        mint,
        unit: 'sat',
        proofs: [{ id: '00ad268c4d1f5826', amount: 1, secret: 'x', C: `02${'a'.repeat(64)}` }],
      });
    for (const mint of ['https://mint.stranger.example', 'https://another.example'])
      await world.owner.publish(paymentTo(text, payload(mint)));
    expect(await news(/request for 600/)).toBe(
      'Something came for your payment request for 600 sat that I can’t take: it is from mint.stranger.example, which is not accepted here (!wallet mints). It was not used: its sender still has it, or gets it back in their wallet.',
    );
    await world.ask('!ping');
    expect(count(/mint\.stranger|another\.example/)).toBe(1);
  });

  test('the door stays closed: whoever has a request’s key commands nothing, and gets silence', async () => {
    const { text } = await topUp(700);
    const before = relay.store.all().length;
    await world.owner.publish(paymentTo(text, '!wallet balance'));
    await world.owner.publish(paymentTo(text, '!wallet balance', world.bot.publicKey));
    expect(await world.ask('!ping')).toStartWith('pong');
    expect(world.bot.tasksDone()).toEqual([]);
    // The two, the ping, and its answer.
    expect(relay.store.all().length - before).toBe(4);
  });

  test('paid while the bot is dead, it is found at the next start, and told once over more of them', async () => {
    const { text } = await topUp(900);
    await world.bot.end('SIGKILL');
    await world.owner.publish(payment(text, world.mint.url, await proofs(901)));
    await world.bot.start();
    expect(await news(/request for 900/)).toStartWith('Paid: 900 sat came');
    await world.bot.end('SIGKILL');
    await world.bot.start();
    await world.ask('!ping');
    expect(count(/request for 900 sat/)).toBe(1);
    expect(await world.ask('!wallet check')).toStartWith('The books add up');
    expect(await world.fromWords()).toBe(await world.balance());
    expect(world.mint.audit().balanced).toBe(true);
    expect(world.bot.log()).not.toMatch(/cashu[AB]\w{8}|creqA\w{8}/);
  });

  test('a flood at a request’s key holds up no owner, and the payment behind it is found', async () => {
    const { text } = await topUp(800);
    const { key } = recipientOf(text);
    const junk = forgeJunk(key as PublicKey, 3000);
    const sent = payment(text, world.mint.url, await proofs(801));
    for (const wrap of junk) relay.inject(wrap);
    await world.owner.publish(sent);
    const began = performance.now();
    expect(await world.ask('!ping')).toStartWith('pong');
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(await news(/request for 800/)).toStartWith('Paid: 800 sat came');
    await world.cleanUp();
  }, 90_000);
});

test('killed at each step, it is money once, and told once', async () => {
  world = await startWalletBot({
    relay,
    entry: [join(import.meta.dir, '../support/checkpoint-bot.ts')],
    env: { TEST_KILL_AT: '' },
  });
  let expected = 0;
  const steps = [
    'payment:kept',
    'receive:prepared',
    'receive:answered',
    'receive:done',
    'payment:settled',
    'payment:told',
  ];
  for (const [i, step] of steps.entries()) {
    const sats = 100 + i;
    const { text } = await topUp(sats);
    const wrap = payment(text, world.mint.url, await proofs(sats));
    await world.bot.end('SIGKILL');
    await world.bot.start({ TEST_KILL_AT: step });
    await world.owner.publish(wrap);
    await until(world.bot.hasEnded, `the bot dies at ${step}`);
    await world.bot.start({ TEST_KILL_AT: '' });
    expected += sats;
    const pattern = new RegExp(`request for ${sats} sat\\. Balance`);
    await news(pattern);
    expect([step, await world.balance()]).toEqual([step, expected]);
    expect([step, count(pattern)]).toEqual([step, 1]);
  }
  // A request that was on disk when the bot died before it was shown is asked for again, with another one.
  await world.bot.end('SIGKILL');
  await world.bot.start({ TEST_KILL_AT: 'payment:asked' });
  const id = await world.owner.send('!wallet topup 50');
  await until(world.bot.hasEnded, 'the bot dies with the request');
  await world.bot.start({ TEST_KILL_AT: '' });
  const { text } = await world.owner.answer(id, /^creqA/);
  await world.owner.publish(payment(text, world.mint.url, await proofs(50)));
  await news(/^Paid: 50 sat came/);
  expect(await world.fromWords()).toBe(expected + 50);
  expect(await world.ask('!wallet check')).toStartWith('The books add up');
}, 180_000);
