import { afterEach, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { sat } from '@nostr-dm-agent/kit/sat';
import { bech32 } from '@scure/base';
import { isLightningAddress } from '../src/lightning-address.ts';
import { LnurlError, type LnurlProblem } from '../src/wallet-errors.ts';
import { createBench, fund, soon } from './support/wallet-kit.ts';

const bench = createBench();
const servers: { stop: (now: boolean) => unknown }[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(true);
  await bench.end();
});

const metadata = JSON.stringify([
  ['text/plain', 'Sats for a friend'],
  ['text/identifier', 'friend@example'],
]);

/** A service with one name, whose answers a test can spoil. */
function service(
  mint: ReturnType<typeof bench.mint>,
  spoil: { pay?: object; invoice?: (amount: number) => object } = {},
) {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch(request): Response {
      const url = new URL(request.url);
      if (url.pathname === '/.well-known/lnurlp/friend') {
        return Response.json({
          tag: 'payRequest',
          callback: `http://127.0.0.1:${url.port}/pay?id=7`,
          minSendable: 1000,
          maxSendable: 500_000,
          metadata,
          ...spoil.pay,
        });
      }
      if (url.pathname === '/pay' && url.searchParams.get('id') === '7') {
        const amount = Number(url.searchParams.get('amount'));
        const description = createHash('sha256').update(metadata).digest();
        return Response.json(
          spoil.invoice?.(amount / 1000) ?? { pr: mint.invoice(amount / 1000, { description }), routes: [] },
        );
      }
      if (url.pathname === '/.well-known/lnurlp/moved')
        return Response.redirect('/.well-known/lnurlp/friend');
      if (url.pathname === '/.well-known/lnurlp/elsewhere') return Response.redirect('http://127.0.0.1:1/');
      return new Response('nobody', { status: 404 });
    },
  });
  servers.push(server);
  return `friend@127.0.0.1:${server.port}`;
}

async function problemOf(work: Promise<unknown>): Promise<LnurlProblem> {
  const failure = await work.catch((error: unknown) => error);
  if (failure instanceof LnurlError) return failure.problem;
  throw new Error('it was not refused', { cause: failure });
}

test('a Lightning address and an LNURL give an invoice that the wallet pays', async () => {
  const mint = bench.mint();
  const wallet = bench.wallet(mint);
  await fund(wallet, 500);
  const address = service(mint);
  const host = address.split('@')[1];
  const lnurl = bech32.encode(
    'lnurl',
    bech32.toWords(Buffer.from(`http://${host}/.well-known/lnurlp/friend`)),
    2000,
  );
  const moved = address.replace('friend@', 'moved@');
  for (const way of [
    address,
    moved,
    `  ${address.toUpperCase()} `,
    lnurl,
    `lightning:${lnurl.toUpperCase()}`,
  ]) {
    expect(isLightningAddress(way)).toBe(true);
    const invoice = await wallet.requestInvoice(way, sat(50), soon());
    const quote = await wallet.quoteWithdrawal({ invoice }, soon());
    expect(await wallet.withdraw(quote.operation, soon())).toMatchObject({ state: 'paid', amount: 50 });
  }
  for (const none of ['lnbc1abc', 'hello', mint.invoice(5)]) expect(isLightningAddress(none)).toBe(false);
});

test('an answer that is not what was asked for is refused', async () => {
  const mint = bench.mint();
  const wallet = bench.wallet(mint);
  const ask = (spoil: Parameters<typeof service>[1], amount = 50) =>
    problemOf(wallet.requestInvoice(service(mint, spoil), sat(amount), soon()));
  expect(await ask({}, 501)).toEqual({ kind: 'amount', min: sat(1), max: sat(500) });
  expect(await ask({ pay: { tag: 'withdrawRequest' } })).toMatchObject({ kind: 'nonsense' });
  expect(await ask({ pay: { metadata: 'x' } })).toMatchObject({ kind: 'nonsense' });
  expect(await ask({ pay: { status: 'ERROR', reason: 'closed' } })).toEqual({
    kind: 'refused',
    reason: 'closed',
  });
  expect(await ask({ invoice: (amount) => ({ pr: mint.invoice(amount + 1) }) })).toMatchObject({
    kind: 'invoice',
    problem: { kind: 'amount-mismatch', asked: 50, quoted: 51 },
  });
  expect(await ask({ invoice: (amount) => ({ pr: mint.invoice(amount, { age: 9999 }) }) })).toMatchObject({
    kind: 'invoice',
    problem: { kind: 'expired' },
  });
  const other = createHash('sha256').update('something else').digest();
  expect(
    await ask({ invoice: (amount) => ({ pr: mint.invoice(amount, { description: other }) }) }),
  ).toMatchObject({
    kind: 'nonsense',
  });
  const host = service(mint).split('@')[1];
  expect(await problemOf(wallet.requestInvoice(`nobody@${host}`, sat(5), soon()))).toEqual({
    kind: 'unknown',
  });
  expect(await problemOf(wallet.requestInvoice(`elsewhere@${host}`, sat(5), soon()))).toMatchObject({
    kind: 'unreachable',
  });
});

test('addresses inside our own network are not asked, nor callbacks that lead there', async () => {
  const mint = bench.mint();
  const strict = bench.wallet(mint, { network: 'bc' });
  const address = service(mint);
  const moved = address.replace('friend@', 'moved@');
  for (const way of [
    address,
    moved,
    'me@localhost',
    'me@10.0.0.1',
    'me@169.254.169.254',
    'me@192.168.1.1:8080',
  ]) {
    expect((await problemOf(strict.requestInvoice(way, sat(5), soon()))).kind, way).toBe('forbidden');
  }
  const loose = bench.wallet(mint);
  for (const callback of [
    'http://10.0.0.1/pay',
    'https://10.0.0.1/pay',
    'https://[::ffff:10.0.0.1]/',
    'https://[fd00::1]/',
  ]) {
    const problem = await problemOf(
      loose.requestInvoice(service(mint, { pay: { callback } }), sat(5), soon()),
    );
    expect(problem.kind, callback).toBe('forbidden');
  }
});
