import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stranger } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { parseRelayUrl } from '@nostr-dm-agent/nostr';
import { startFakeWallet } from '@nostr-dm-agent/nostr/testing/fake-wallet';
import { nip19 } from 'nostr-tools';
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { createOwner } from '../support/owner.ts';
import { idIn, invoiceIn, startWalletBot, tokenIn, type WalletBot } from '../support/wallet-bot.ts';

let world: WalletBot;
beforeAll(async () => {
  world = await startWalletBot({ mint: { feePpk: 100 }, other: {} });
});
afterAll(() => world.cleanUp());

describe('money comes in', () => {
  test('an empty wallet says so, and how to fill it', async () => {
    const text = await world.ask('!wallet');
    expect(text).toStartWith('0 sat ready');
    expect(text).toContain('!wallet topup');
    expect(await world.ask('!wallet history')).toContain('You had no paid runs yet.');
    expect(await world.ask('!wallet pending')).toBe('Nothing is open.');
  });

  test('a top-up is an invoice alone in its message, a link, and word when it is paid', async () => {
    const { owner, mint } = world;
    const id = await owner.send('!wallet topup 2k');
    expect((await owner.answer(id)).text).toStartWith('(1/4)\nInvoice for 2,000 sat');
    const invoice = invoiceIn((await owner.answer(id, /^lnbc/)).text);
    expect((await owner.answer(id, /lightning:/)).text).toBe(`lightning:${invoice}`);
    expect(await world.ask('!wallet pending')).toContain('invoice for 2,000 sat, not paid yet');
    expect(await world.balance()).toBe(0);

    mint.pay(mint.quoteOf(invoice));
    expect((await owner.answer(id, /^Paid/)).text).toBe(
      'Paid: 2,000 sat are in the wallet. Balance: 2,000 sat.',
    );
    await until(async () => (await world.ask('!wallet pending')) === 'Nothing is open.', 'nothing is open');
    expect(owner.texts().filter((said) => said.startsWith('Paid: 2,000'))).toHaveLength(1);
  });

  test('a token is received by command, with its fee and the new balance', async () => {
    const token = await world.token(100);
    const text = await world.ask(`!wallet receive ${token}`);
    expect(text).toMatch(/^Received (9\d|100) sat \((no fee|fee \d sat)\)\. Balance: 2,\d{3} sat\.$/);
  });

  test.each([
    ['alone', (token: string) => token],
    ['with a scheme', (token: string) => `cashu:${token}`],
    ['between blank lines', (token: string) => `\n  ${token}\n\n`],
  ])('a token pasted %s is received, and no task', async (_, write) => {
    const before = await world.balance();
    expect(await world.ask(write(await world.token(50)))).toStartWith('Received');
    expect(await world.balance()).toBeGreaterThan(before);
    expect(world.bot.tasksDone()).toEqual([]);
  });

  test('a token broken over lines is put together again', async () => {
    const token = await world.token(20);
    expect(await world.ask(`!wallet receive ${token.slice(0, 90)}\n${token.slice(90)}`)).toStartWith(
      'Received',
    );
  });

  test('the second time it is said that it is there already', async () => {
    const token = await world.token(30);
    await world.ask(token);
    expect(await world.ask(token)).toMatch(
      /^That token is in the wallet already: \d+ sat, received just now\.$/,
    );
  });
});

describe('money goes out', () => {
  test('a token is made after a code, stands alone in its message, and nets its receiver the amount', async () => {
    const before = await world.balance();
    const question = await world.ask('!wallet send 300');
    expect(question).toContain('A token worth 300 sat');
    expect(world.owner.texts().join()).not.toContain('cashuB');
    const answer = await world.ask(/send (\d{4})/.exec(question)?.[1] ?? '', /cashuB/);
    const someone = await stranger(world.mint);
    expect(await someone.redeem(tokenIn(answer))).toBe(300);
    const told = /so (\d+) sat leave the wallet|takes no fee/.exec(question);
    // Which proofs are taken is chosen anew when it is done, and their number decides the fee.
    expect(Math.abs(before - (await world.balance()) - Number(told?.[1] ?? 300))).toBeLessThanOrEqual(2);
    // Without being asked, and once.
    await world.owner.heard(/^The token worth 300 sat has been claimed/);
    expect(await world.ask('!wallet pending')).toBe('Nothing is open.');
    expect(world.owner.texts().filter((text) => /worth 300 sat has been claimed/.test(text))).toHaveLength(1);
  });

  test('a code works once, by command too, and only for whom it was given', async () => {
    const code = /send (\d{4})/.exec(await world.ask('!wallet send 10'))?.[1] ?? '';
    expect(await world.ask('!wallet confirm 0000')).toBe('Nothing of yours is waiting for that code.');
    expect(await world.ask(`!wallet confirm ${code}`, /cashuB/)).toStartWith('cashuB');
    expect(await world.ask(code)).toContain('used already');
  });

  test('digits that are no code, and a bare yes, are answered and never a task', async () => {
    expect(await world.ask('  0042 ')).toBe('Nothing of yours is waiting for that code.');
    expect(await world.ask('yes')).toContain('Nothing waits for a yes');
    await world.ask('!wallet send 5');
    expect(await world.ask('Yes!')).toBe('To confirm, send the four digits of the code.');
  });

  test('money beside words is redeemed, quoted or answered, and shown to no agent', async () => {
    const token = tokenIn(await world.confirmed('!wallet send 60', /cashuB/));
    const said = await world.ask(`for you:\n\`${token.slice(0, 90)}\n${token.slice(90)}\` then fix the test`);
    expect(said).toContain('Received');
    await world.owner.heard(/never shown to an agent.*then fix the test/s);
    const invoice = world.mint.invoice(20);
    expect(await world.ask(`please pay lightning:${invoice} soon`)).toMatch(/^Pay 20 sat to the invoice/);
    expect(world.bot.tasksDone()).toEqual([]);
  });

  test('an unclaimed token is listed, taken back, and worth nothing then', async () => {
    const before = await world.balance();
    const token = tokenIn(await world.confirmed('!wallet send 200', /cashuB/));
    expect(await world.ask('!wallet balance')).toContain('in tokens not claimed yet');
    const pending = await world.ask('!wallet pending');
    expect(pending).toContain('token worth 200 sat, not claimed yet');
    expect(pending).not.toContain('cashuB');
    const text = await world.ask(`!wallet reclaim ${idIn(pending)}`);
    expect(text).toMatch(/^Taken back: (200|19\d) sat/);
    expect(before - (await world.balance())).toBeLessThanOrEqual(4);
    await expect((await stranger(world.mint)).redeem(token)).rejects.toThrow();
    expect(await world.ask('!wallet reclaim nosuchthing')).toStartWith('There is no operation');
  });

  test('a token that was claimed is not taken back', async () => {
    const token = tokenIn(await world.confirmed('!wallet send 21', /cashuB/));
    const id = idIn(await world.ask('!wallet pending'));
    await (await stranger(world.mint)).redeem(token);
    expect(await world.ask(`!wallet reclaim ${id}`)).toStartWith('Too late');
  });

  test('an invoice is paid after a quote and a code; the unused reserve comes back', async () => {
    const before = await world.balance();
    const question = await world.ask(`!wallet withdraw lightning:${world.mint.invoice(100)}`);
    expect(question).toContain('Pay 100 sat to the invoice');
    expect(question).toMatch(/Fees: at most \d+ sat for Lightning .*, at most \d sat for the mint/);
    const code = /send (\d{4})/.exec(question)?.[1] ?? '';
    const paid = await world.ask(code);
    expect(paid).toMatch(/^Paid 100 sat \(fee \d sat\)\. Balance/);
    expect(before - (await world.balance())).toBeLessThan(105);
    expect(world.mint.audit().melted).toBe(101);
  });

  test('a payment that takes long is told when it has ended', async () => {
    const { mint, owner } = world;
    mint.lightning.outgoing = 'pending';
    const invoice = mint.invoice(50);
    const code = /send (\d{4})/.exec(await world.ask(`!wallet withdraw ${invoice}`))?.[1] ?? '';
    const id = await owner.send(code);
    expect((await owner.answer(id)).text).toContain('under way');
    expect(await world.ask('!wallet balance')).toContain('reserved');
    mint.settle(mint.meltQuoteOf(invoice), 'paid');
    mint.lightning.outgoing = 'paid';
    await world.bot.end('SIGTERM');
    await world.bot.start();
    expect((await owner.answer(id, /^Paid/)).text).toMatch(/^Paid 50 sat \(fee \d sat\)/);
    expect(await world.ask('!wallet balance')).not.toContain('reserved');
  });

  test('money moves to another mint', async () => {
    const { other } = world;
    if (other === undefined) throw new Error('no other mint');
    const question = await world.ask(`!wallet move 400 ${other.url}`);
    expect(question).toContain('Move 400 sat from 127.0.0.1');
    const code = /send (\d{4})/.exec(question)?.[1] ?? '';
    expect(await world.ask(code)).toStartWith('Moved 400 sat to');
    expect(other.audit().totalOutstanding).toBe(400);
    const balance = await world.ask('!wallet balance');
    expect(balance).toContain(`${other.url.replace('http://', '')}: 400 sat ready`);
    expect(await world.ask('!wallet mints')).toMatch(
      /1\. 127.0.0.1:\d+ · [\d,]+ sat · default\n2\. .* 400 sat/,
    );
    expect(await world.ask('!wallet move 10 2')).toContain('Move 10 sat');
    expect(await world.ask('!wallet topup 100 2')).toContain(`to ${other.url.replace('http://', '')}`);
  });

  test('a fee above the cap is refused with its numbers', async () => {
    world.mint.lightning.feeReserve = () => 50;
    const text = await world.ask(`!wallet withdraw ${world.mint.invoice(100)}`);
    world.mint.lightning.feeReserve = (amount) => Math.max(2, Math.ceil(amount * 0.02));
    expect(text).toContain('up to 50 sat');
    expect(text).toContain('more than 10 sat');
  });
});

describe('upkeep', () => {
  test('the books add up', async () => {
    const text = await world.ask('!wallet check');
    expect(text).toStartWith('The books add up');
    expect(text).toMatch(/\d+ proofs held against/);
  });

  test('a token is read without being used', async () => {
    const token = await world.token(64);
    const swaps = world.mint.requests.length;
    const text = await world.ask(`!wallet decode ${token}`);
    expect(text).toMatch(/^(64|65) sat in \d proofs?\nMint: 127.0.0.1:\d+ \(accepted\)\nNo lock/);
    expect(text).not.toContain('cashuB');
    expect(world.mint.requests.length).toBe(swaps);
    expect(await world.ask(token)).toStartWith('Received');
  });

  test('mints are added and taken out; those of the configuration stay', async () => {
    const added = await world.ask('!wallet mints add http://127.0.0.1:9/');
    expect(added).toStartWith('Tokens of 127.0.0.1:9 are accepted');
    expect(await world.ask('!wallet mints')).toContain('127.0.0.1:9');
    expect(await world.ask('!wallet mints remove http://127.0.0.1:9')).toContain('not accepted any more');
    expect(await world.ask(`!wallet mints remove ${world.mint.url}`)).toContain('CASHU_MINT_URL');
    expect(await world.ask('!wallet mints add http://mint.example')).toContain('begins with https://');
  });

  test('a mint that has moved is renamed once its keysets were compared, another one is refused with why', async () => {
    const { mint, other } = world;
    const door = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: (request): Promise<Response> => {
        const { pathname, search } = new URL(request.url);
        return fetch(new Request(`${mint.url}${pathname}${search}`, request));
      },
    });
    try {
      const address = `http://${door.url.host}`;
      expect(await world.ask(`!wallet mints rename ${mint.url}`)).toContain('Two addresses are needed');
      expect(await world.ask(`!wallet mints rename 1 ${other?.url}`)).toMatch(
        /is known as a mint of its own|is not the mint that/,
      );
      const before = await world.balance();
      const said = await world.ask(`!wallet mints rename 1 ${address}`);
      expect(said).toContain(`is ${door.url.host} from now on: 1 keyset compared`);
      expect(said).toContain('CASHU_MINT_URL');
      expect(await world.ask('!wallet mints')).toContain(`1. ${door.url.host}`);
      expect(await world.balance()).toBe(before);
      expect(await world.ask(await world.token(20))).toStartWith('Received');
      expect(await world.ask('!wallet check')).toStartWith('The books add up');
      expect(await world.ask(`!wallet mints rename ${address} ${mint.url}`)).toContain('from now on');
    } finally {
      await door.stop(true);
    }
  });

  test('history lists what was done, without a token', async () => {
    const text = await world.ask('!wallet history 40');
    for (const part of ['topped up 2,000 sat', 'received', 'paid 100 sat', 'claimed', 'taken back']) {
      expect(text).toContain(part);
    }
    expect(text).not.toContain('cashu');
  });

  test('!status has the balance', async () => {
    expect(await world.ask('!status')).toMatch(/Wallet: [\d,]+ sat ready/);
  });

  test('a slip in the name of a command is answered with the nearest', async () => {
    expect(await world.ask('!wallet blance')).toContain('Did you mean !wallet balance?');
  });
});

test('a member takes money in and looks, but moves none out and changes nothing', async () => {
  const key = generateSecretKey();
  await world.ask(`!owners add ${nip19.npubEncode(getPublicKey(key))} member`);
  const member = await createOwner(world.bot.relay.url, world.bot.publicKey, key);
  const ask = async (text: string) => (await member.answer(await member.send(text))).text;
  const outstanding = world.mint.audit().melted;
  for (const command of [
    '!wallet send 10',
    `!wallet withdraw ${world.mint.invoice(20)}`,
    '!wallet move 10 2',
    '!wallet confirm 1234',
    '!wallet reclaim abcdefghjk',
    '!wallet mints add https://mint.example',
    `!wallet mints rename ${world.mint.url} https://mint.example`,
    `!wallet mints remove ${world.mint.url}`,
    '!wallet alert 5',
    '!wallet autotopup 5/day',
  ]) {
    expect(await ask(command)).toContain('is for admins');
  }
  expect(world.mint.audit().melted).toBe(outstanding);
  const code = /send (\d{4})/.exec(await world.ask('!wallet send 10'))?.[1] ?? '';
  expect(await ask(code)).toContain('is for admins');
  expect(await ask('!wallet balance')).toContain('sat ready');
  expect(await ask(await world.token(10))).toStartWith('Received');
  member.close();
});

test('below the alert the wallet is filled from its owner’s, within the cap; the secret is nowhere in clear', async () => {
  const { mint, owner, ask } = world;
  const payments: string[] = [];
  const wallet = startFakeWallet({
    relays: [parseRelayUrl(world.bot.relay.url)],
    speaks: ['nip44_v2', 'nip04'],
    onCall: async ({ method, params: { invoice } }) => {
      if (method !== 'pay_invoice' || invoice === undefined) return [{ result: { alias: 'mine' } }];
      payments.push(invoice);
      mint.pay(mint.quoteOf(invoice));
      return [{ result: { preimage: '00'.repeat(32) } }];
    },
  });
  await wallet.ready();
  const set = await ask(`!wallet autotopup ${wallet.uri} 5000/day`);
  expect(set).toContain('at most 5,000 sat a day from your wallet');
  expect(set).toContain('Your wallet answered.');
  expect(set).toContain('delete your message');
  const before = await world.balance();
  await ask(`!wallet alert ${before + 100}`);
  const amount = Math.min(5000, (before + 100) * 2);
  await until(() => owner.texts().some((said) => said.startsWith('⚡ ')), 'the wallet is filled', 100_000);
  expect(await world.balance()).toBe(before + amount);
  expect(payments).toHaveLength(1);
  expect(await ask('!wallet autotopup')).toContain('of 5,000 sat.');
  expect(await ask('!wallet history')).toContain('automatic top-up');
  expect(await ask('!wallet autotopup off')).toContain('has forgotten the connection');
  await ask('!wallet alert off');
  const secret = wallet.uri.replace(/.*secret=(.{64}).*/, '$1');
  expect(world.bot.log()).not.toContain(secret);
  for (const name of readdirSync(world.bot.home).filter((file) => file.startsWith('bot.db')))
    expect(readFileSync(join(world.bot.home, name)).includes(secret.slice(0, 32))).toBe(false);
  wallet.stop();
});

test('what the words alone find is what the wallet says, and the mint’s books are balanced', async () => {
  const pending = await world.ask('!wallet balance');
  const sent = Number(/([\d,]+) sat in tokens/.exec(pending)?.[1]?.replaceAll(',', '') ?? 0);
  const found = await world.fromWords();
  const elsewhere = world.other === undefined ? 0 : await world.fromWords(world.other);
  expect(found + elsewhere).toBe((await world.balance()) + sent);
  expect(world.mint.audit().balanced).toBe(true);
});

test('no token and no word is in the log', () => {
  expect(world.bot.log()).not.toMatch(/cashu[AB]\w{8}/);
  expect(world.bot.log()).not.toContain(world.words);
  expect(world.bot.log().toLowerCase()).not.toContain(world.words.split(' ').slice(0, 3).join(' '));
});
