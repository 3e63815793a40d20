import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { Amount, getEncodedToken, type Proof } from '@cashu/cashu-ts';
import { InvoiceRefusedError, TokenRefusedError } from '@nostr-dm-agent/cashu-wallet';
import { stranger } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { type SandboxMint, startSandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { describeWalletError } from '../../src/replies/wallet-error-replies.ts';
import { codeIn, startWalletBot, tokenIn, type WalletBot } from '../support/wallet-bot.ts';

let world: WalletBot;
let mint: SandboxMint;
beforeAll(async () => {
  world = await startWalletBot({
    funds: 2000,
    mint: { feePpk: 1000 },
    env: { CASHU_MAX_BALANCE_SAT: '5000' },
  });
  mint = world.mint;
});
afterAll(() => world.cleanUp());

/** Nothing was lost by it, and it is no secret any more than before. */
/** @param cost what the mint takes for an exact sum, though it is not paid then */
async function refused(text: string, cost = 0): Promise<string> {
  const before = await world.balance();
  const answer = await world.ask(text);
  expect(answer).not.toMatch(/cashu[AB]\w{6}/);
  expect(await world.balance()).toBe(before - cost);
  return answer;
}

/** A token that nobody has signed. */
const made = (secrets: readonly string[], options: { unit?: string; amount?: number } = {}): string =>
  getEncodedToken({
    mint: mint.url,
    unit: options.unit ?? 'sat',
    proofs: secrets.map(
      (secret): Proof => ({
        id: mint.keysets()[0]?.id ?? '',
        amount: Amount.from(options.amount ?? 1),
        secret,
        C: `02${'ab'.repeat(32)}`,
      }),
    ),
  });

describe('a token that is not taken is answered with its own sentence, and is as good as before', () => {
  test('cut off', async () => {
    const token = await world.token(100);
    expect(await refused(token.slice(0, -40))).toStartWith('That token cannot be read: it is cut off');
    expect(await world.ask(token)).toStartWith('Received');
  });

  test('no token at all', async () => {
    expect(await refused('!wallet receive nothing')).toContain('one begins with cashuA or cashuB');
    expect(await refused('!wallet receive')).toContain('Example: !wallet receive cashuB…');
  });

  test('of another mint, with those that are accepted, and without asking it', async () => {
    const foreign = startSandboxMint();
    const token = await (await stranger(foreign)).token(50);
    const asked = foreign.requests.length;
    const answer = await refused(token);
    expect(answer).toContain(`from ${foreign.url.replace('http://', '')}, which is not accepted here`);
    expect(answer.split('\n')).toContain(mint.url.replace('http://', ''));
    expect(foreign.requests.length).toBe(asked);
    await foreign.stop();
  });

  test('of another unit', async () => {
    expect(await refused(made(['a'], { unit: 'usd' }))).toContain('is in usd; only sat');
  });

  test('spent', async () => {
    const token = await world.token(40);
    await (await stranger(mint)).redeem(token);
    expect(await refused(token)).toContain('has been spent already');
  });

  test('locked to a key', async () => {
    const key = `02${getPublicKey(generateSecretKey())}`;
    const { incoming } = mint.lightning;
    mint.lightning.incoming = 'at-once';
    const token = await (await stranger(mint)).token(40, { pubkey: key });
    mint.lightning.incoming = incoming;
    expect(await refused(token)).toContain('locked to somebody’s key (P2PK)');
  });

  test('hash-locked', async () => {
    const secret = JSON.stringify(['HTLC', { nonce: 'aa', data: 'bb'.repeat(32), tags: [] }]);
    expect(await refused(made([secret]))).toContain('hash-locked (HTLC)');
  });

  test('too many proofs', async () => {
    const token = made(Array.from({ length: 201 }, (_, i) => `s${i}`));
    expect(await refused(token)).toContain('has 201 proofs, at most 200');
  });

  test('not genuine', async () => {
    expect(await refused(made(['one'], { amount: 64 }))).toContain('not genuine');
  });

  test('dust after fees', async () => {
    const { incoming } = mint.lightning;
    mint.lightning.incoming = 'at-once';
    const proofs = await (await stranger(mint)).proofs(1);
    mint.lightning.incoming = incoming;
    const token = getEncodedToken({ mint: mint.url, unit: 'sat', proofs });
    expect(await refused(token)).toContain('worth 1 sat, and redeeming it costs 1 sat');
  });

  test('more than the wallet may hold', async () => {
    const token = await world.token(4000);
    const answer = await refused(token);
    expect(answer).toContain('the limit is 5,000 sat');
    expect(answer).toContain('4,0');
    expect(await refused('!wallet topup 4000')).toContain('the limit is 5,000 sat');
  });
});

describe('what cannot be paid is refused with the reason', () => {
  test('amounts that are none', async () => {
    expect(await refused('!wallet topup lots')).toContain('“lots” is not an amount');
    expect(await refused('!wallet send')).toContain('The amount is missing');
    expect(await refused('!wallet send -5')).toContain('is not an amount');
    expect(await refused(`!wallet send ${await world.token(5)}`)).toContain('is not an amount');
  });

  test('more than there is, with the numbers and the way on', async () => {
    const answer = await refused('!wallet send 3000');
    expect(answer).toMatch(
      /The wallet has [12],\d{3} sat ready at .*; this needs [34],\d{3} sat, fees included\. !wallet topup \d+/,
    );
    expect(await refused(`!wallet withdraw ${mint.invoice(3000)}`)).toContain('this needs');
  });

  test('invoices: expired, without amount, mangled, none', async () => {
    expect(await refused(`!wallet withdraw ${mint.invoice(100, { age: 7200 })}`)).toContain(
      'expired 1 h ago',
    );
    expect(await refused(`!wallet withdraw ${mint.invoice(undefined)}`)).toContain('names no amount');
    expect(await refused(`!wallet withdraw ${mint.invoice(100).slice(0, -3)}`)).toContain(
      'cut off or mistyped',
    );
    expect(await refused('!wallet withdraw')).toContain('is missing');
    expect(await refused('!wallet withdraw 500')).toContain('First the invoice');
    expect(await refused(`!wallet withdraw ${mint.invoice(100)} 200`)).toContain(
      'is for 100 sat; another amount',
    );
  });

  test('an invoice that is paid already', async () => {
    const invoice = mint.invoice(100);
    const second = codeIn(await world.ask(`!wallet withdraw ${invoice}`));
    expect(await world.confirmed(`!wallet withdraw ${invoice}`)).toStartWith('Paid 100 sat');
    // Known before anything is spent on it.
    expect(await refused(second)).toMatch(/paid already/);
  });

  test('a payment that fails on the way gives the money back', async () => {
    mint.lightning.outgoing = 'failed';
    const code = codeIn(await world.ask(`!wallet withdraw ${mint.invoice(100)}`));
    expect(await refused(code, 1)).toMatch(/did not go through; the money is back.* The mint kept 1 sat/);
    mint.lightning.outgoing = 'paid';
  });

  test('Lightning addresses: no amount, nobody there, not readable', async () => {
    expect(await refused('!wallet withdraw me@example.com')).toContain('needs the amount after it');
    expect(await refused('!wallet withdraw me@127.0.0.1:9 100')).toMatch(/does not answer|not asked/);
    expect(await refused('!wallet withdraw @@ 100')).toContain('that can be read');
  });

  test('a mint to move to that is not accepted', async () => {
    expect(await refused('!wallet move 100 https://nowhere.example')).toContain('is not an accepted mint');
    expect(await refused('!wallet move 100')).toContain('The mint is missing');
  });
});

describe('a mint that is no help', () => {
  test('down: commands answer at once, what is on disk can be read, and a token keeps', async () => {
    const token = await world.token(60);
    const code = codeIn(await world.ask('!wallet send 10'));
    await mint.goDown();
    for (const text of ['!wallet topup 100', code, `!wallet withdraw ${mint.invoice(10)}`]) {
      expect(await refused(text)).toContain('cannot be reached');
    }
    expect(await world.ask(`!wallet decode ${token}`)).toContain('60 sat');
    expect(await world.ask('!wallet check')).toContain('could not be asked');
    const id = await world.owner.send(token);
    const first = (await world.owner.answer(id)).text;
    mint.comeUp();
    if (first.includes('not said yet')) {
      await world.bot.end('SIGTERM');
      await world.bot.start();
      await world.owner.answer(id, /^Received/);
    } else {
      expect(first).toContain('cannot be reached');
      expect(await world.ask(token)).toStartWith('Received');
    }
  });

  test('slow: it is not waited for for ever', async () => {
    mint.faults.add({ path: '/v1/mint/quote/bolt11', when: 'before', effect: { kind: 'hold' } });
    expect(await refused('!wallet topup 100')).toContain('did not answer within 15 s');
    mint.faults.release();
  }, 90_000);

  test('with keysets that this wallet does not know', async () => {
    const strange = startSandboxMint();
    const edit = (body: string) => body.replaceAll(/"id":"0[01]/g, '"id":"02');
    for (const path of ['/v1/keysets', '/v1/keys', '/v1/keys/']) {
      strange.faults.add({ path, when: 'after', effect: { kind: 'edit', edit }, times: 1000 });
    }
    await world.ask(`!wallet mints add ${strange.url}`);
    expect(await refused('!wallet topup 100 2')).toContain('has no keyset in sat that this wallet can use');
    await world.ask('!wallet mints remove 2');
    await strange.stop();
  });
});

test('what no DM can bring has its sentence too', () => {
  const now = Date.now();
  const large = new TokenRefusedError({ kind: 'too-large', length: 70_000, max: 65_536 });
  expect(describeWalletError(large, now)).toContain('70,000 characters, at most 65,536');
  const network = new InvoiceRefusedError({ kind: 'wrong-network', network: 'tb' });
  expect(describeWalletError(network, now)).toContain('belongs to another network (tb)');
});

test('the books still add up', async () => {
  expect(await world.ask('!wallet check')).toStartWith('The books add up');
  const token = tokenIn(await world.confirmed('!wallet send 100', /cashuB/));
  expect(await (await stranger(mint)).redeem(token)).toBe(100);
  expect(await world.fromWords()).toBe(await world.balance());
  expect(mint.audit().balanced).toBe(true);
  expect(world.bot.log()).not.toMatch(/cashu[AB]\w{8}/);
});
