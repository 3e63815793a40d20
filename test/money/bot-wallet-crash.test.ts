import { afterEach, describe, expect, test } from 'bun:test';
import { stranger } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { codeIn, invoiceIn, startWalletBot, tokenIn, type WalletBot } from '../support/wallet-bot.ts';

/*
 * kill -9 while the mint has the bot's request: before it did what was asked, or after (the answer is lost). Then the
 * bot is started again: the owner is told how it ended, once, and every sat is somewhere.
 */

let world: WalletBot;
afterEach(() => world.cleanUp());

const both = ['before', 'after'] as const;

/** The wallet, the words alone, and the mint agree. */
async function addsUp(): Promise<number> {
  const balance = await world.balance();
  const elsewhere = world.other === undefined ? 0 : await world.fromWords(world.other);
  expect((await world.fromWords()) + elsewhere).toBe(balance);
  expect(await world.ask('!wallet check')).toStartWith('The books add up');
  expect(world.mint.audit().balanced).toBe(true);
  expect(world.bot.log()).not.toMatch(/cashu[AB]\w{8}/);
  return balance;
}
/** What was said about a message: all of it. */
const saidAbout = (id: string): readonly string[] =>
  world.owner.said.filter(({ about, kind }) => about === id && kind !== 7).map(({ text }) => text);

describe.each(both)('killed %s the mint did it', (when) => {
  test('a token that was pasted is received once, and it is said', async () => {
    world = await startWalletBot({ funds: 1000 });
    const token = await world.token(100);
    let id = '';
    await world.killDuring('/v1/swap', when, async () => {
      id = await world.owner.send(token);
    });
    await world.bot.start();
    expect((await world.owner.answer(id)).text).toStartWith('Received 100 sat');
    expect(await addsUp()).toBe(1100);
    expect(saidAbout(id)).toHaveLength(1);
    expect(await world.ask(token)).toContain('in the wallet already');
  });

  test('a token that was asked for is made once, and comes', async () => {
    world = await startWalletBot({ funds: 1000 });
    const code = codeIn(await world.ask('!wallet send 300'));
    let id = '';
    await world.killDuring('/v1/swap', when, async () => {
      id = await world.owner.send(code);
    });
    await world.bot.start();
    const token = tokenIn((await world.owner.answer(id, /cashuB/)).text);
    // The token stands alone in its message, and there is one.
    expect(saidAbout(id).filter((text) => text.includes('cashuB'))).toEqual([token]);
    expect(await (await stranger(world.mint)).redeem(token)).toBe(300);
    expect(await addsUp()).toBe(700);
  });

  test('an invoice is paid once, or not at all', async () => {
    world = await startWalletBot({ funds: 1000 });
    const invoice = world.mint.invoice(200);
    const code = codeIn(await world.ask(`!wallet withdraw ${invoice}`));
    let id = '';
    await world.killDuring('/v1/melt/bolt11', when, async () => {
      id = await world.owner.send(code);
    });
    await world.bot.start();
    const { text } = await world.owner.answer(id);
    if (when === 'after') {
      expect(text).toStartWith('Paid 200 sat (fee 1 sat)');
      expect(await addsUp()).toBe(799);
      expect(world.mint.audit().melted).toBe(201);
    } else {
      // The request may still be on its way for all anybody knows: the money waits, and is not paid twice.
      expect(text).toContain('Nothing is lost');
      const balance = await world.ask('!wallet balance');
      expect(balance).toContain('reserved');
      expect(await world.fromWords()).toBe(1000);
      expect(world.mint.audit().melted).toBe(0);
    }
    expect(saidAbout(id)).toHaveLength(1);
    expect(await world.ask(code)).toContain('used already');
  });

  test('money that moves arrives, when it is paid', async () => {
    // The sandbox mints do not know each other: what the one pays, the other has to believe beforehand.
    const incoming = when === 'after' ? 'at-once' : 'on-demand';
    world = await startWalletBot({ funds: 1000, other: { incoming } });
    const { other } = world;
    if (other === undefined) throw new Error('no other mint');
    const code = codeIn(await world.ask('!wallet move 200 2'));
    let id = '';
    await world.killDuring('/v1/melt/bolt11', when, async () => {
      id = await world.owner.send(code);
    });
    if (when === 'before') {
      await world.bot.start();
      expect((await world.owner.answer(id)).text).toContain('Nothing is lost');
      expect(await world.fromWords()).toBe(1000);
      return;
    }
    await world.bot.start();
    expect((await world.owner.answer(id)).text).toStartWith('Moved 200 sat');
    expect(await addsUp()).toBe(999);
    expect(await world.fromWords(other)).toBe(200);
  });

  test('money that moves arrives, also when the bot dies while it is credited', async () => {
    world = await startWalletBot({ funds: 1000, other: { incoming: 'at-once' } });
    const { other } = world;
    if (other === undefined) throw new Error('no other mint');
    const code = codeIn(await world.ask('!wallet move 200 2'));
    let id = '';
    await world.killDuring(
      '/v1/mint/bolt11',
      when,
      async () => {
        id = await world.owner.send(code);
      },
      other,
    );
    await world.bot.start();
    await world.owner.answer(id, /^(Moved 200|Paid: 200)/);
    expect(await addsUp()).toBe(999);
    expect(await world.fromWords(other)).toBe(200);
  });
});

test('a top-up that is paid while the bot is down is taken, and told once', async () => {
  world = await startWalletBot();
  const id = await world.owner.send('!wallet topup 500');
  const invoice = invoiceIn((await world.owner.answer(id, /lightning:/)).text);
  await world.bot.end('SIGKILL');
  world.mint.pay(world.mint.quoteOf(invoice));
  await world.bot.start();
  expect((await world.owner.answer(id, /^Paid/)).text).toContain('500 sat are in the wallet');
  await world.bot.end('SIGTERM');
  await world.bot.start();
  expect(await addsUp()).toBe(500);
  expect(saidAbout(id).filter((text) => text.startsWith('Paid'))).toHaveLength(1);
});

test('a top-up that is paid after a restart is watched on', async () => {
  world = await startWalletBot();
  const id = await world.owner.send('!wallet topup 500');
  const invoice = invoiceIn((await world.owner.answer(id, /lightning:/)).text);
  await world.bot.end('SIGKILL');
  await world.bot.start();
  expect(await world.balance()).toBe(0);
  world.mint.pay(world.mint.quoteOf(invoice));
  expect((await world.owner.answer(id, /^Paid/)).text).toContain('500 sat are in the wallet');
});

test('what recovery brought is in the notice that the bot is ready', async () => {
  world = await startWalletBot({ funds: 1000 });
  const token = await world.token(64);
  await world.killDuring('/v1/swap', 'after', () => world.owner.send(token));
  await world.bot.start();
  const notice = await world.owner.heard(/^Ready[\s\S]*Wallet/);
  expect(notice.text).toContain('finished what had been cut off: received 64 sat');
});

test('a code outlives a restart, and so does the promise to say when its token is claimed', async () => {
  world = await startWalletBot({ funds: 1000 });
  const code = codeIn(await world.ask('!wallet send 50'));
  await world.bot.end('SIGKILL');
  await world.bot.start();
  const token = tokenIn(await world.ask(code, /cashuB/));
  await world.bot.end('SIGKILL');
  expect(await (await stranger(world.mint)).redeem(token)).toBe(50);
  await world.bot.start();
  await world.owner.heard(/^The token worth 50 sat has been claimed/);
  expect(await addsUp()).toBeLessThanOrEqual(950);
});

test('a token that was asked for comes later, when the mint was away at the restart', async () => {
  world = await startWalletBot({ funds: 1000 });
  const code = codeIn(await world.ask('!wallet send 300'));
  let id = '';
  await world.killDuring('/v1/swap', 'after', async () => {
    id = await world.owner.send(code);
  });
  await world.mint.goDown();
  await world.bot.start();
  expect((await world.owner.answer(id)).text).toContain('Nothing is lost');
  world.mint.comeUp();
  await world.bot.end('SIGTERM');
  await world.bot.start();
  const token = tokenIn((await world.owner.answer(id, /cashuB/)).text);
  expect(await (await stranger(world.mint)).redeem(token)).toBe(300);
  expect(await addsUp()).toBe(700);
});

test('a mint that is away at start keeps nobody waiting', async () => {
  world = await startWalletBot({ funds: 1000 });
  const token = await world.token(64);
  let id = '';
  await world.killDuring('/v1/swap', 'after', async () => {
    id = await world.owner.send(token);
  });
  await world.mint.goDown();
  await world.bot.start();
  expect(await world.ask('!ping')).toStartWith('pong');
  expect(await world.ask('!wallet balance')).toContain('64 sat coming in');
  expect((await world.owner.answer(id)).text).toContain('Nothing is lost');
  world.mint.comeUp();
  await world.bot.end('SIGTERM');
  await world.bot.start();
  expect((await world.owner.answer(id, /^Received/)).text).toContain('Received 64 sat');
  expect(await addsUp()).toBe(1064);
});
