import { expect, setDefaultTimeout, test } from 'bun:test';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import { generateSecretKey, publicKeyOf, signEvent } from '../src/event.ts';
import type { EventTemplate, RelayUrl } from '../src/nostr-types.ts';
import { createRelays } from '../src/relay/pool.ts';
import { askAbilities, askWallet, walletRequest } from '../src/wallet-connect/client.ts';
import {
  formatWalletConnection,
  parseWalletConnection,
  WalletConnectionError,
} from '../src/wallet-connect/connection.ts';
import * as nip44 from '../src/wrap/nip44.ts';
import { type FakeAnswer, startFakeWallet } from './support/fake-wallet.ts';
import { never, nowS, quickTimings, signAsBot, silentLogger } from './support/relay-client.ts';
import { refusingUrl, relayWorld } from './support/relay-world.ts';

setDefaultTimeout(30_000);

const wallet = publicKeyOf(generateSecretKey());
const secret = Buffer.from(generateSecretKey()).toString('hex');
const relay = 'wss%3A%2F%2Frelay.example%2Fv1';

const readable: readonly (readonly [string, string, readonly string[]])[] = [
  ['as Alby Hub writes it', `nostr+walletconnect://${wallet}?relay=${relay}&secret=${secret}`, []],
  [
    'with a Lightning address',
    `nostr+walletconnect://${wallet}?relay=${relay}&secret=${secret}&lud16=a@b.c`,
    [],
  ],
  ['without slashes', `nostr+walletconnect:${wallet}?secret=${secret}&relay=${relay}`, []],
  ['of older wallets', `nostrwalletconnect://${wallet}/?relay=wss://relay.example/v1&secret=${secret}`, []],
  [
    'in capitals',
    `NOSTR+WALLETCONNECT://${wallet.toUpperCase()}?relay=${relay}&secret=${secret.toUpperCase()}`,
    [],
  ],
  [
    'with several relays, of which one is no place for us',
    `nostr+walletconnect://${wallet}?relay=${relay}&relay=wss://two.example&relay=ws://10.0.0.1&secret=${secret}`,
    ['wss://two.example'],
  ],
];
for (const [name, text, more] of readable) {
  test(`a connection is read ${name}, and written so that it is read again`, () => {
    const read = parseWalletConnection(text);
    expect(read).toMatchObject({ wallet, relays: ['wss://relay.example/v1', ...more] });
    expect(Buffer.from(read.identity.secretKey).toString('hex')).toBe(secret);
    expect(parseWalletConnection(formatWalletConnection(read))).toEqual(read);
  });
}

const unreadable: readonly (readonly [string, WalletConnectionError['reason']])[] = [
  ['hello', 'form'],
  [`https://example.com/?relay=${relay}&secret=${secret}`, 'form'],
  [`nostr+walletconnect://${wallet.slice(1)}?relay=${relay}&secret=${secret}`, 'wallet'],
  [`nostr+walletconnect://${'f'.repeat(64)}?relay=${relay}&secret=${secret}`, 'wallet'],
  [`nostr+walletconnect://${wallet}?relay=${relay}`, 'secret'],
  [`nostr+walletconnect://${wallet}?relay=${relay}&secret=${secret.slice(1)}`, 'secret'],
  [`nostr+walletconnect://${wallet}?relay=${relay}&secret=${'0'.repeat(64)}`, 'secret'],
  [
    `nostr+walletconnect://${publicKeyOf(new Uint8Array(Buffer.from(secret, 'hex')))}?relay=${relay}&secret=${secret}`,
    'secret',
  ],
  [`nostr+walletconnect://${wallet}?secret=${secret}`, 'relay'],
  [`nostr+walletconnect://${wallet}?relay=wss://192.168.1.9&secret=${secret}`, 'private-relay'],
  [`nostr+walletconnect://${wallet}?relay=http://relay.example&secret=${secret}`, 'private-relay'],
];
test('what is no connection is refused with the reason, and without its secret', () => {
  for (const [text, reason] of unreadable) {
    try {
      parseWalletConnection(text);
      expect.unreachable(text);
    } catch (error) {
      if (!(error instanceof WalletConnectionError)) throw error;
      expect(error.reason).toBe(reason);
      expect(`${error.stack}${JSON.stringify(error)}`).not.toContain(secret.slice(0, 20));
    }
  }
});

/** A relay, a wallet at it, and the relays of somebody who asks it. */
async function wallets(options: Partial<Parameters<typeof startFakeWallet>[0]> = {}) {
  const world = relayWorld();
  const at = world.relay();
  const fake = startFakeWallet({ relays: [at.url], onCall: async () => [], ...options });
  await fake.ready();
  const relays = createRelays({
    ...{ own: [], sign: signAsBot, clock: systemClock, random: seededRandom(1), log: silentLogger },
    ...{
      timings: quickTimings,
      idleMs: 50,
      locate: async (url: RelayUrl) => [{ url, headers: {}, tls: undefined }] as const,
    },
  });
  return {
    ...{ fake, relays, at },
    connection: parseWalletConnection(fake.uri, { allowLoopback: true }),
    [Symbol.asyncDispose]: async () => {
      fake.stop();
      relays.close();
      await world[Symbol.asyncDispose]();
    },
  };
}
const pay = { method: 'pay_invoice', params: { invoice: 'lnbc1' } };

for (const speaks of [['nip44_v2', 'nip04'], ['nip44_v2'], ['nip04'], []] as const) {
  test.concurrent(`a wallet that speaks ${speaks.join(' and ') || 'nothing that it says'} is asked in what it speaks`, async () => {
    const preimage = 'ab'.repeat(32);
    await using world = await wallets({
      speaks,
      onCall: async ({ method, params }) => [{ result: { preimage, method, params } }],
    });
    const abilities = await askAbilities(world, 5_000, never());
    const encryption = speaks[0] ?? 'nip04';
    expect(abilities).toEqual({ encryption, methods: ['pay_invoice', 'get_info'] });
    const request = walletRequest(world.connection, pay, { encryption, at: nowS(), ttl: 60 });
    expect(request.content.includes('?iv=')).toBe(encryption === 'nip04');
    const answer = await askWallet(world, request, 10_000, never());
    expect(answer).toEqual({ kind: 'done', result: { preimage, ...pay } });
    expect(world.fake.requests.map(({ id }) => id)).toEqual([request.id]);
  });
}

const quota = { code: 'QUOTA_EXCEEDED', message: 'x'.repeat(500) };
const answers: readonly (readonly [string, readonly FakeAnswer[], unknown])[] = [
  ['a refusal', [{ error: quota }], { kind: 'refused', code: quota.code, message: 'x'.repeat(200) }],
  [
    'a refusal of no shape',
    [{ error: { code: 7 } as never }],
    { kind: 'refused', code: 'OTHER', message: '' },
  ],
  [
    'what another key signs',
    [{ result: { preimage: 'a' }, by: generateSecretKey() }],
    { kind: 'silent', delivered: true },
  ],
  [
    'what can’t be read',
    [{ raw: 'not encrypted' }, { raw: 'AAAA?iv=AAAA' }],
    { kind: 'silent', delivered: true },
  ],
  [
    'the first of several answers',
    [{ error: quota }, { result: {} }],
    { kind: 'refused', code: quota.code, message: 'x'.repeat(200) },
  ],
  ['an answer after what is none', [{ raw: 'junk' }, { result: 1 }], { kind: 'done', result: 1 }],
  ['a result beside an empty error', [{ error: null, result: 1 }], { kind: 'done', result: 1 }],
  [
    'an error beside an empty result',
    [{ error: { code: 'INTERNAL', message: '' }, result: null }],
    { kind: 'refused', code: 'INTERNAL', message: '' },
  ],
  ['nothing', [], { kind: 'silent', delivered: true }],
];
for (const [name, said, expected] of answers) {
  test.concurrent(`${name} is taken for what it is`, async () => {
    await using world = await wallets({ speaks: ['nip44_v2'], onCall: async () => said });
    const request = walletRequest(world.connection, pay, { encryption: 'nip44_v2', at: nowS(), ttl: 60 });
    const isSilent = (expected as { kind: string }).kind === 'silent';
    const answer = await askWallet(world, request, isSilent ? 700 : 10_000, never());
    expect(answer as unknown).toEqual(expected);
  });
}

test.concurrent('one relay of two that is away costs nothing; when all are, nobody was asked', async () => {
  await using world = await wallets({ speaks: ['nip44_v2'], onCall: async () => [{ result: 1 }] });
  const away = refusingUrl;
  const half = { ...world, connection: { ...world.connection, relays: [away, ...world.connection.relays] } };
  expect(await askAbilities(half, 1_500, never())).toMatchObject({ encryption: 'nip44_v2' });
  const request = walletRequest(world.connection, pay, { encryption: 'nip44_v2', at: nowS(), ttl: 60 });
  expect(await askWallet(half, request, 10_000, never())).toEqual({ kind: 'done', result: 1 });
  const none = { ...world, connection: { ...world.connection, relays: [away] } };
  expect(await askAbilities(none, 500, never())).toBeUndefined();
  expect(await askWallet(none, request, 500, never())).toEqual({ kind: 'silent', delivered: false });
});

test.concurrent('a relay that says whatever it likes makes no answer, and its flood is let go', async () => {
  const walletKey = generateSecretKey();
  const clientKey = generateSecretKey();
  const [walletPk, clientPk] = [publicKeyOf(walletKey), publicKeyOf(clientKey)];
  const at = nowS();
  const answerTo = (id: string, said: object, over: Partial<EventTemplate> = {}, by = walletKey) =>
    signEvent(
      {
        ...{ kind: 23_195, created_at: at },
        content: nip44.encrypt(JSON.stringify(said), nip44.conversationKey(walletKey, clientPk)),
        tags: [
          ['p', clientPk],
          ['e', id],
        ],
        ...over,
      },
      by,
    );
  const paidSaid = { result_type: 'pay_invoice', result: { preimage: 'ab'.repeat(32) } };
  const forgeries = (id: string): readonly unknown[] => {
    const real = answerTo(id, paidSaid);
    return [
      // To another request, of another kind, of another key under the wallet's name, changed after it was signed.
      answerTo('f'.repeat(64), paidSaid),
      answerTo(id, paidSaid, { kind: 23_196 }),
      answerTo(id, paidSaid, {}, clientKey),
      { ...answerTo(id, paidSaid, {}, clientKey), pubkey: walletPk },
      { ...real, sig: `${'00'.repeat(32)}${real.sig.slice(64)}` },
      { ...real, content: nip44.encrypt('{}', nip44.conversationKey(walletKey, clientPk)) },
      { ...real, tags: [['e', id], ['x'.repeat(100)]] },
      // Larger than any answer.
      answerTo(id, { ...paidSaid, more: 'x'.repeat(60_000) }),
      answerTo(id, paidSaid, { content: 'A'.repeat(900_000) }),
      answerTo(id, paidSaid, { content: '?iv=' }),
      { kind: 'x' },
      [],
      null,
    ];
  };
  let [asked, flooded] = ['', 0];
  const relay = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request, server) => (server.upgrade(request, { data: undefined }) ? undefined : new Response()),
    websocket: {
      message: (socket, text) => {
        const [type, first, filter] = JSON.parse(String(text));
        if (type === 'EVENT') {
          asked = first.id;
          socket.send(JSON.stringify(['OK', asked, true, '']));
          return;
        }
        if (type !== 'REQ') return;
        if (filter.kinds[0] === 13_194) {
          // It was never signed by the wallet: a downgrade, or what it can.
          const forged = signEvent(
            { kind: 13_194, created_at: at, content: 'get_info', tags: [] },
            clientKey,
          );
          socket.send(JSON.stringify(['EVENT', first, forged]));
          socket.send(JSON.stringify(['EVENT', first, { ...forged, pubkey: walletPk }]));
        } else {
          const [id] = filter['#e'];
          const all = forgeries(id).map((event) => JSON.stringify(['EVENT', first, event]));
          for (let round = 0; round < 8; round++)
            for (const each of all) {
              socket.send(each);
              flooded += each.length;
            }
          // More than anybody looks through.
          for (let more = 0; more < 100; more++) socket.send(all[0] ?? '');
          socket.send(JSON.stringify(['EVENT', first, answerTo(id, paidSaid)]));
          socket.send('x'.repeat(3_000_000));
        }
        socket.send(JSON.stringify(['EOSE', first]));
      },
    },
  });
  const relays = createRelays({
    ...{ own: [], sign: signAsBot, clock: systemClock, random: seededRandom(1), log: silentLogger },
    ...{ timings: quickTimings, idleMs: 50 },
    locate: async (url: RelayUrl) => [{ url, headers: {}, tls: undefined }] as const,
  });
  const uri = `nostr+walletconnect://${walletPk}?relay=ws://127.0.0.1:${relay.port}&secret=${Buffer.from(clientKey).toString('hex')}`;
  const connection = parseWalletConnection(uri, { allowLoopback: true });
  expect(await askAbilities({ connection, relays }, 5_000, never())).toEqual({
    encryption: 'nip04',
    methods: undefined,
  });
  const request = walletRequest(connection, pay, { encryption: 'nip44_v2', at, ttl: 60 });
  expect(await askWallet({ connection, relays }, request, 1_500, never())).toEqual({
    kind: 'silent',
    delivered: true,
  });
  expect([asked, flooded > 5_000_000]).toEqual([request.id, true]);
  relays.close();
  await relay.stop(true);
});
