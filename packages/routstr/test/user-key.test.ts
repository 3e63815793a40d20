/** Keys that a user has in hand: made by each way, filled, spent from, refunded; what goes wrong, and to the sat. */
import { afterEach, expect, test } from 'bun:test';
import { quiet, soon, stranger } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { sat } from '@nostr-dm-agent/kit/sat';
import { parseNodeUrl } from '../src/node/node-url.ts';
import { openWalletSession } from '../src/remote/index.ts';
import { expectHome } from './support/keys-home.ts';
import { costly, type PaidWorld, type PaidWorldOptions, startPaidWorld } from './support/paid-world.ts';

const worlds: PaidWorld[] = [];
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  for (const world of worlds.splice(0)) await world.end();
});

/** A desk without a bot: the session opens the wallet itself. */
async function desk(options: PaidWorldOptions = {}) {
  const world = await startPaidWorld(options);
  worlds.push(world);
  await world.retire();
  const { mint, words, directory, clock } = world;
  const open = () => {
    const session = openWalletSession(
      {
        home: directory,
        wallet: { mnemonic: words, mintUrl: mint.url, mints: [], directory, maxBalance: sat(1_000_000) },
      },
      quiet,
      { clock, waits: { present: [5, 5], settle: [5, 5], invoice: 5 } },
    );
    ends.push(session.close);
    return session;
  };
  const session = open();
  const node = parseNodeUrl(world.node.url);
  return { world, session, open, node };
}

/** One call with a key that a user has; gives the status. */
async function spend(world: PaidWorld, key: string): Promise<number> {
  world.upstream.reply({ usage: costly });
  const response = await fetch(`${world.node.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'claude-sonnet-4.5',
      stream: true,
      max_tokens: 100,
      messages: [{ role: 'user', content: 'hi' }],
    }),
  });
  await response.text();
  return response.status;
}

test('from the wallet: made, spent from, filled, spent from, refunded; the books say the node’s word', async () => {
  const { world, session, node } = await desk();
  const made = await session.makeKey({ from: 'wallet', amount: sat(1000), node }, soon());
  if (made.state !== 'made') throw new Error(made.refusal.kind);
  expect(made.secret).toMatch(/^sk-[0-9a-f]{64}$/);
  expect(made.key).toMatchObject({
    state: 'kept',
    source: 'wallet',
    deposited: 1000,
    label: made.secret.slice(0, 11),
  });
  expect(JSON.stringify(made.key)).not.toContain(made.secret);
  expect(await session.keySecret(made.key.id, soon())).toBe(made.secret);

  expect(await spend(world, made.secret)).toBe(200);
  const seen = await session.keyInfo(made.secret, soon());
  expect(seen).toMatchObject({
    key: { id: made.key.id, spent: 136 },
    seen: { state: 'known', available: 864, reserved: 0, spent: 136 },
  });
  expect(await session.topUpKey(made.key.id, { from: 'wallet', amount: sat(500) }, soon())).toMatchObject({
    state: 'added',
    amount: 500,
    key: { deposited: 1500 },
  });
  expect(await spend(world, made.secret)).toBe(200);
  const [books] = (await session.export(soon())).ledger;
  expect(books).toMatchObject({ state: 'kept', provider: 'routstr' });
  expect(await session.keys('open', soon())).toHaveLength(1);

  const back = await session.refundKey(made.key.id, soon());
  // What it got stays what it got, also where the mint took something of what came back.
  expect(back).toMatchObject({ state: 'returned', key: { state: 'closed', spent: 271, deposited: 1500 } });
  // Asked twice, it is done once.
  expect(await session.refundKey(made.key.id, soon())).toEqual(back);
  expect(await session.keys('open', soon())).toEqual([]);
  expect(await session.topUpKey(made.key.id, { from: 'wallet', amount: sat(5) }, soon())).toMatchObject({
    state: 'refused',
    refusal: { kind: 'not_kept', state: 'closed' },
  });
  expect(await session.news(soon())).toEqual([]);
  await session.close();
  await world.restart();
  await expectHome(world, 0);
});

test('from a token: its giver does not know the key; the same again pays nothing twice', async () => {
  const { world, session, node } = await desk();
  const token = await (await stranger(world.mint)).token(700);
  const made = await session.makeKey({ from: 'token', token, node }, soon());
  if (made.state !== 'made') throw new Error(made.refusal.kind);
  expect(made.key).toMatchObject({ state: 'kept', source: 'token' });
  expect(made.key.deposited).toBeGreaterThanOrEqual(694);
  expect(new Bun.CryptoHasher('sha256').update(token).digest('hex')).not.toBe(made.secret.slice(3));
  expect(await session.makeKey({ from: 'token', token, node }, soon())).toMatchObject({
    state: 'refused',
    refusal: { kind: 'token_known' },
    money: { state: 'never_left' },
  });
  expect(await spend(world, made.secret)).toBe(200);
  expect(await session.refundKey(made.key.id, soon())).toMatchObject({ state: 'returned' });
  await session.close();
  // Redeeming what was pasted cost a sat.
  await world.restart();
  await expectHome(world, 699);
});

test('from an invoice: shown, waited for, paid; a top-up too; nobody pays: no money moved', async () => {
  const { world, session, node } = await desk();
  world.mint.lightning.incoming = 'on-demand';
  const asked = Promise.withResolvers<void>();
  const waiting = {
    onInvoice: ({ invoice, amount }: { invoice: string; amount: number }) => {
      expect(amount).toBe(amount);
      void asked.promise.then(() => world.mint.pay(world.mint.quoteOf(invoice)));
    },
    onAsked: asked.resolve,
  };
  const made = await session.makeKey({ from: 'invoice', amount: sat(400), node }, soon(), waiting);
  if (made.state !== 'made') throw new Error(made.refusal.kind);
  expect(made.key).toMatchObject({ state: 'kept', source: 'invoice', deposited: 400, fee: 0 });
  expect(
    await session.topUpKey(made.key.id, { from: 'invoice', amount: sat(200) }, soon(), waiting),
  ).toMatchObject({ state: 'added', amount: 200, key: { deposited: 600 } });
  expect(await spend(world, made.secret)).toBe(200);
  expect(await session.refundKey(made.key.id, soon())).toMatchObject({
    state: 'returned',
    key: { spent: 136 },
  });
  // One that is given up is found when it is paid after all, and one that nobody pays is forgotten.
  const gone = new AbortController();
  let late = '';
  const given = session
    .makeKey({ from: 'invoice', amount: sat(50), node }, gone.signal, {
      onInvoice: ({ invoice }) => {
        late = invoice;
        gone.abort();
      },
    })
    .catch((error: unknown) => error);
  expect(await given).toBeInstanceOf(Error);
  const [left] = await session.keys('open', soon());
  expect(left).toMatchObject({ state: 'waiting', invoice: { invoice: late, amount: 50 } });
  world.mint.pay(world.mint.quoteOf(late));
  expect(await session.waitForKey(left?.id ?? '', soon())).toMatchObject({ state: 'made' });
  expect(await session.refundKey(left?.id ?? '', soon())).toMatchObject({ state: 'returned' });
  await session.close();
  await world.restart();
  await expectHome(world, 650);
});

test('a top-up that is paid when its key is home already comes home, too', async () => {
  const { world, session, open, node } = await desk({ funds: 100 });
  world.mint.lightning.incoming = 'on-demand';
  let first = '';
  const pay = {
    onInvoice: ({ invoice }: { invoice: string }) => world.mint.pay(world.mint.quoteOf(invoice)),
  };
  const made = await session.makeKey({ from: 'invoice', amount: sat(100), node }, soon(), pay);
  if (made.state !== 'made') throw new Error(made.refusal.kind);
  const gone = new AbortController();
  await session
    .topUpKey(made.key.id, { from: 'invoice', amount: sat(70) }, gone.signal, {
      onInvoice: ({ invoice }) => {
        first = invoice;
        gone.abort();
      },
    })
    .catch(() => undefined);
  // The node mints some of its own for the fee of a change token.
  world.mint.lightning.incoming = 'at-once';
  expect(await session.refundKey(made.key.id, soon())).toMatchObject({ state: 'returned' });
  world.mint.pay(world.mint.quoteOf(first));
  await session.close();
  world.clock.offset += 120_000;
  const again = open();
  expect(await again.news(soon())).toMatchObject([{ did: 'topup', came: 'back' }]);
  expect(await again.news(soon())).toEqual([]);
  await again.close();
  await world.restart();
  await expectHome(world, 170);
});

test.each([
  ['no token at all', async () => 'cashuBnonsense', { kind: 'token', problem: { kind: 'malformed' } }],
  [
    'one that is spent',
    async (world: PaidWorld) => {
      const other = await stranger(world.mint);
      const token = await other.token(100);
      await other.redeem(token);
      return token;
    },
    { kind: 'token', problem: { kind: 'spent' } },
  ],
])('%s pays for no key, and nothing is lost', async (_, give, refusal) => {
  const { world, session, node } = await desk({ funds: 100 });
  const before = world.node.requests.length;
  const token = await give(world);
  const made = await session.makeKey({ from: 'token', token, node }, soon());
  expect(made).toMatchObject({ state: 'refused', refusal, money: { state: 'never_left' } });
  expect(world.node.requests.slice(before).every((line) => line === 'GET /v1/info')).toBe(true);
  expect(await session.balance(soon())).toMatchObject({ ready: 100, reserved: 0 });
});

test('what a node is asked for in vain: away, without Lightning, refusing; where the money is stands beside it', async () => {
  const { world, session, node } = await desk({ funds: 300 });
  const wish = { from: 'wallet', amount: sat(100), node } as const;
  expect(await session.makeKey({ ...wish, amount: sat(1000) }, soon())).toMatchObject({
    refusal: { kind: 'short', have: 300, need: 1000 },
    money: { state: 'never_left' },
  });
  world.node.behaviour.lightning = false;
  expect(await session.makeKey({ ...wish, from: 'invoice' }, soon())).toMatchObject({
    refusal: { kind: 'no_lightning' },
  });
  world.node.faults.add({
    endpoint: 'create',
    when: 'before',
    effect: {
      kind: 'status',
      status: 400,
      body: {
        detail: { error: { type: 'untrusted_mint', code: 'cashu_untrusted_source_mint', message: 'no' } },
      },
    },
  });
  expect(await session.makeKey(wish, soon())).toMatchObject({
    refusal: { kind: 'not_credited', outcome: { state: 'unspent' } },
    money: { state: 'back' },
  });
  world.node.crash();
  expect(await session.makeKey(wish, soon())).toMatchObject({
    refusal: { kind: 'node_away' },
    money: { state: 'never_left' },
  });
  expect(await session.topUpKey('key-nobody', { from: 'wallet', amount: sat(5) }, soon())).toMatchObject({
    refusal: { kind: 'unknown_id' },
  });
});
