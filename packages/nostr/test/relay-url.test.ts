import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { relayTargets } from '../src/relay/relay-target.ts';
import { parseForeignRelayUrl, parseRelayUrl, RelayUrlError } from '../src/relay/relay-url.ts';
import { never } from './support/relay-client.ts';

const reasonOf = (read: () => unknown): string => {
  try {
    read();
  } catch (error) {
    if (error instanceof RelayUrlError) return error.reason;
    throw error;
  }
  return 'accepted';
};

describe('s24: the URL of an own relay', () => {
  test.each([
    ['wss://relay.example.com', 'wss://relay.example.com'],
    ['  WSS://Relay.Example.COM:443/ ', 'wss://relay.example.com'],
    ['wss://relay.example.com:7777/', 'wss://relay.example.com:7777'],
    ['wss://relay.example.com/inbox/', 'wss://relay.example.com/inbox/'],
    ['wss://relay.example.com/?key=a', 'wss://relay.example.com/?key=a'],
    ['ws://127.0.0.1:7777', 'ws://127.0.0.1:7777'],
    ['ws://127.9.9.9', 'ws://127.9.9.9'],
    ['ws://[::1]:7777/', 'ws://[::1]:7777'],
    ['ws://localhost:7777', 'ws://localhost:7777'],
    ['wss://192.168.1.10', 'wss://192.168.1.10'],
  ])('%p is read as %p', (text, url) => {
    expect(String(parseRelayUrl(text))).toBe(url);
  });

  test.each([
    ['', 'not a URL'],
    ['not a url', 'not a URL'],
    ['relay.example.com', 'not a URL'],
    ['ws://[bad', 'not a URL'],
    ['wss://exa mple.com', 'not a URL'],
    ['ws://127.0.0.1:99999', 'not a URL'],
    ['wss://', 'not a URL'],
    ['http://127.0.0.1:1', 'not ws:// or wss://'],
    ['javascript:alert(1)', 'not ws:// or wss://'],
    ['ws://relay.example.com', 'unencrypted ws:// to a host that is not this machine'],
    ['ws://192.168.1.10', 'unencrypted ws:// to a host that is not this machine'],
    ['ws://localhost.example.com', 'unencrypted ws:// to a host that is not this machine'],
    ['wss://user:secret@relay.example.com', 'credentials in the URL'],
    ['wss://relay.example.com/#x', 'a fragment in the URL'],
    ['wss://relay.example.com/#', 'a fragment in the URL'],
    [`wss://relay.example.com/${'x'.repeat(600)}`, 'too long'],
  ])('%p is refused: %s', (text, reason) => {
    expect(reasonOf(() => parseRelayUrl(text))).toBe(reason);
  });

  test('a refusal names the host, and nothing of the credentials', () => {
    const error = (() => {
      try {
        return parseRelayUrl('wss://user:secret@relay.example.com');
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toMatchObject({ name: 'RelayUrlError', host: 'relay.example.com' });
    expect(String(error)).not.toContain('secret');
  });

  test('reading is idempotent, and throws nothing but RelayUrlError', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.webUrl().map((url) => url.replace(/^http/, 'ws')),
          fc.string(),
        ),
        (text) => {
          if (reasonOf(() => parseRelayUrl(text)) !== 'accepted') return;
          expect(parseRelayUrl(parseRelayUrl(text))).toBe(parseRelayUrl(text));
        },
      ),
    );
  });
});

const PRIVATE_HOSTS = [
  '127.0.0.1',
  '127.1',
  '2130706433',
  '0x7f000001',
  '0177.0.0.1',
  '⑩.0.0.1',
  '10.0.0.1',
  '172.16.3.4',
  '192.168.1.1',
  '169.254.169.254',
  '100.64.0.1',
  '0.0.0.0',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '192.0.2.1',
  '[::]',
  '[::1]',
  '[::ffff:10.0.0.1]',
  '[::10.0.0.1]',
  '[64:ff9b::a00:1]',
  '[2002:a00:1::]',
  '[fe80::1]',
  '[fec0::1]',
  '[fc00::1]',
  '[ff02::1]',
];

describe('the URL of a relay that somebody else chose', () => {
  test.each([
    ...PRIVATE_HOSTS,
    'localhost',
    'LOCALHOST.',
    'a.localhost',
    'printer.local',
    'db.internal',
    'x.onion',
    'intranet',
  ])('may not lead to %s', (host) => {
    expect(reasonOf(() => parseForeignRelayUrl(`wss://${host}`))).toBe('a private or local address');
  });

  test.each(['8.8.8.8', '[2606:4700::1111]', 'relay.example.com', 'local.example.com'])(
    'may lead to %s',
    (host) => {
      expect(String(parseForeignRelayUrl(`wss://${host}`))).toBe(`wss://${host}`);
    },
  );

  test('may lead to this machine, and no further, when loopback is allowed', () => {
    const options = { allowLoopback: true };
    expect(String(parseForeignRelayUrl('ws://127.0.0.1:7777', options))).toBe('ws://127.0.0.1:7777');
    expect(String(parseForeignRelayUrl('ws://localhost:7777', options))).toBe('ws://localhost:7777');
    expect(reasonOf(() => parseForeignRelayUrl('wss://10.0.0.1', options))).toBe(
      'a private or local address',
    );
  });
});

describe('before a connection to such a relay', () => {
  const url = parseForeignRelayUrl('wss://relay.example.com');
  const resolvingTo =
    (...addresses: string[]) =>
    async () =>
      addresses;

  test('a name with public addresses only passes', async () => {
    await relayTargets(url, never(), { resolve: resolvingTo('8.8.8.8', '2606:4700::1111') });
  });

  test.each([['10.0.0.1'], ['8.8.8.8', '127.0.0.1'], ['::ffff:192.168.0.1'], ['fe80::1%eth0'], []])(
    'a name that resolves to %p, %p is refused',
    async (...addresses) => {
      const resolve = resolvingTo(...addresses.filter((address) => address !== undefined));
      await expect(relayTargets(url, never(), { resolve })).rejects.toBeInstanceOf(RelayUrlError);
    },
  );

  test('an address needs no resolver, and loopback passes when it is allowed', async () => {
    const resolve = () => Promise.reject(new Error('not to be asked'));
    await relayTargets(parseRelayUrl('wss://8.8.8.8'), never(), { resolve });
    const loopback = parseRelayUrl('ws://127.0.0.1:1');
    await relayTargets(loopback, never(), { resolve, allowLoopback: true });
    await expect(relayTargets(loopback, never(), { resolve })).rejects.toBeInstanceOf(RelayUrlError);
  });

  test('a resolver that hangs is left when the signal aborts', async () => {
    const resolve = () => new Promise<never>(() => {});
    const reason = new Error('too slow');
    const controller = new AbortController();
    const asserting = relayTargets(url, controller.signal, { resolve });
    controller.abort(reason);
    await expect(asserting).rejects.toBe(reason);
  });
});
