import { expect, test } from 'bun:test';
import type { EventId, PublicKey } from '@nostr-dm-agent/nostr';
import { generateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import fc from 'fast-check';
import { generateSecretKey } from 'nostr-tools/pure';
import { createCatalogue } from '../../src/keys/catalogue.ts';
import { createMessageKeys, holdsSealed, withoutSealed } from '../../src/keys/keys-in-messages.ts';
import { createSealer, SealError } from '../../src/keys/seal.ts';

const catalogue = createCatalogue();
const concealer = createMessageKeys(
  createSealer(generateSecretKey()),
  (id) => catalogue.get(id) !== undefined,
);
const sender = 'a'.repeat(64) as PublicKey;
const key = 'sk-ant-api03-Zk3vT9qLxW7bN2mC8rY5';
const messageOf = (text: string) => ({ id: 'b'.repeat(64) as EventId, sender, text });
const hide = (text: string) => concealer.hide(messageOf(text));

test('the key that connects a provider is sealed, the provider can still be read', () => {
  const text = `!provider connect anthropic ${key}`;
  const stored = hide(text);
  expect(stored).not.toContain(key);
  expect(stored.startsWith('!provider connect anthropic sealed1.')).toBe(true);
  expect(concealer.reveal(messageOf(stored), stored)).toBe(text);
  expect(withoutSealed(stored)).toBe('!provider connect anthropic [key removed]');
});

test('an address that announces a provider can still be read, and is no key', () => {
  const text = '!provider connect https://corp.example:8443/';
  expect(hide(text)).toBe(text);
  expect(hide(`${text} ey.${key}`)).toStartWith(`${text} sealed1.`);
});

const link = `nostr+walletconnect://${'c'.repeat(64)}?relay=wss%3A%2F%2Frelay.example&secret=${'5d'.repeat(32)}`;
test.each([
  `!wallet autotopup ${link} 5000/day`,
  `!wallet autotopup 5000/day ${link}`,
  `! Wallet auto-topup\n${link}\n5k/day`,
  `！autotopup ${link.replace('&secret', '&\nsecret')} 5000/day`,
  `!wallet auto top up ${link.toUpperCase()}`,
  `!wallet autotopup\n\n${link}\n\n5k/day`,
  `!wallet autotopup 5000/day\n\n\`${link}\``,
  `!wallet autotopup <${link}> 5000/day`,
])('the connection to a wallet is sealed in the command that asks for it: %s', (text) => {
  const stored = hide(text);
  expect(stored).not.toMatch(/walletconnect|5d5d5d/i);
  expect(stored).not.toContain('[secret key removed]');
  expect(concealer.reveal(messageOf(stored), stored)).toBe(text);
});

test.each([
  link,
  `please use ${link}`,
  `!agent pay with ${link}`,
  `!ask wallet autotopup ${link}`,
  `!wallet send 5 ${link}`,
  `!remind 5m ${link}`,
  `!wallet topup ${link}`,
  `wallet autotopup ${link} 5000/day`,
  `my wallet: ${link.replace('secret=', 'secret=\n')}`,
  `my wallet: ${link.replace('&secret', '\n&secret')}`,
  `my wallet: ${link.slice(0, -32)}\n${link.slice(-32)} thanks`,
  `it ends in &secret=\n${link.slice(-64, -32)} ${link.slice(-32)}`,
  `!wallet autotopup\n!agent pay ${link}`,
  `it ends in &secret=${'5d'.repeat(32)} I think`,
  `!agent x\n!wallet autotopup ${link}`,
])('anywhere else it is taken out, for good: %s', (text) => {
  const stored = hide(text);
  expect(stored).not.toContain('5d5d5d');
  expect(holdsSealed(stored)).toBe(false);
  expect(stored).toContain('[secret key removed]');
});

test.each([
  `!provider connect antropic ${key}`,
  `!provider connect ${key}`,
  `!Provider  Connect\nanthropic\n${key}`,
  `！provider connect anthropic ${key}`,
  `! provider conect anthropic ${key}`,
  `!porvider connnect anthropic ${key}`,
  `!connect anthropic ${key}`,
  `!prov connect anthropic ${key}`,
  `!provider connect corp.example ${key}`,
  `!provider connect https://corp.example ${key}`,
  `!provider connect https://corp.example/${key}`,
  `!provider connect https://me:${key}@corp.example`,
  `!provider connect https://corp.example?token=${key}`,
  `provider connect https://corp.example ${key}`,
  `!anthropic ${key}`,
  `!provider set anthropic ${key}`,
  `!provider connect anthropic "${key}"`,
  `!provider connect anthropic ${key} replace`,
  `provider connect anthropic ${key}`,
  `provider connect ${key}`,
  `anthropic: ${key}`,
  `key=${key}`,
  `!provider-connect anthropic ${key}`,
  `！ PROVIDER Connect Anthropic ${key}`,
  `!!provider connect anthropic ${key}`,
  `/provider connect anthropic ${key}`,
  `\u200b!provider connect anthropic ${key}`,
  `${key.slice(0, 30)}\n${key.slice(30)}`,
  `!anthropic ${key.slice(0, 30)}\n${key.slice(30)}`,
  key,
  `  ${key}\n`,
])('however it is written, the key is not stored: %s', (text) => {
  const stored = hide(text);
  expect(stored).not.toContain(key.slice(8));
  expect(holdsSealed(stored)).toBe(true);
  expect(concealer.reveal(messageOf(stored), stored).trim()).toBe(text.trim());
});

test('a key of no known form is sealed too where it connects', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9+/=_.-]{8,60}$/), (secret) => {
      fc.pre(catalogue.get(secret.toLowerCase()) === undefined);
      for (const before of ['groq ', '', 'grok ']) {
        const stored = hide(`!provider connect ${before}${secret}`);
        expect(stored.replace(/sealed1\.\S+/, '')).not.toContain(secret);
        expect(holdsSealed(stored)).toBe(true);
      }
    }),
  );
});

test.each([
  '!provider set mistral',
  '!provider mistral',
  '!provider add mistral',
  '!provider_connect mistral',
  '!providerconnect Mistral',
  '!key mistral',
  '!login mistral',
  'provider connect mistral',
  '/provider connect mistral',
])('a key of no known form is sealed behind its provider: %s', (before) => {
  const secret = 'Zk3vT9qLxW7bN2mC8rY5Zk3vT9qLxW7b';
  for (const text of [`${before} ${secret}`, `${before} ${secret.slice(0, 20)}\n${secret.slice(20)}`]) {
    const stored = hide(text);
    expect(stored.startsWith(`${before} sealed1.`)).toBe(true);
    expect(stored).not.toContain(secret.slice(20));
    expect(concealer.reveal(messageOf(stored), stored)).toBe(text);
  }
});

test.each([
  'fix the failing test',
  '!models openai gpt-4.1-mini-2025-04-14',
  '!provider models openai gpt-4.1-mini-2025-04-14',
  '!model anthropic/claude-sonnet-4-5-20250929',
  '!new anthropic workspace-of-2025-april',
  'provider connect mistral does not work, why?',
  'what does openai gpt-4.1-mini-2025-04-14 cost?',
  'connect openai to the login form',
  `!ask why does the client send ${key} twice?`,
  'rename .sk-chasing-dot-before-2 in a.css',
  `!agent put ${key} into the .env of the demo`,
  '!provider connect',
  '!provider connect anthropic',
  '!provider connect anthropic replace',
  '!provider disconnect anthropic',
  '!wallet receive cashuBo2F0gaJhaUgA2sUSCjH8FWFwgaNhYQFhc3hA',
  '!status',
  '',
])('everything else is stored as it was sent: %s', (text) => {
  expect(hide(text)).toBe(text);
});

test('nobody asked for a key in a sentence: it is taken out, and the words stay', () => {
  expect(hide(`please put ${key} into the .env of the demo`)).toBe(
    'please put [access key removed] into the .env of the demo',
  );
});

test('what was sealed in one message does not open in another', () => {
  const stored = hide(`!provider connect anthropic ${key}`);
  const other = { id: 'c'.repeat(64) as EventId, sender };
  expect(() => concealer.reveal(other, stored)).toThrow(SealError);
});

test('a token is stored as it came, whatever its letters happen to spell', () => {
  const body = `o2FteBtodHRwczovL21pbnQ-${key.slice(0, 30)}_gsk_Zk3vT9qLxW7bN2mC8rY5abcd-hf_Zk3vT9qLxW7bN2mC8rY5`;
  const token = `cashuB${body}`;
  const broken = `cashuB${body.slice(0, 60)}\n${body.slice(60)}`;
  const around = [token, `!wallet receive ${token}`, `take this ${token} please`, `cashu:${token}`, broken];
  for (const text of [...around, `https://wallet.example/#token=${token}`]) expect(hide(text)).toBe(text);
  // Beside one, a key is a key.
  expect(hide(`${token} and my key is ${key}, use it`)).not.toContain(key);
});

test('the words of a wallet are taken out whole, of every length, and words that are none stay', () => {
  for (const bits of [128, 160, 192, 224, 256])
    for (let time = 0; time < 20; time++) {
      const words = generateMnemonic(wordlist, bits);
      const left = hide(`!ask the ${words.replaceAll(' ', time % 2 ? ', ' : ' ')} -`);
      expect(left).toBe('!ask the [secret key removed] -');
    }
  const none = `${'zoo '.repeat(11)}zoo`;
  expect(hide(`!ask the ${none} -`)).toBe(`!ask the ${none} -`);
});

test('a message as long as one can be is looked through while others wait for it', () => {
  for (const part of ['secret=', 'zoo ', '\n', ' ', 'secret= a '])
    expect(hide(`!wallet autotopup${part.repeat(128_000 / part.length)}${link}`)).not.toContain('5d5d');
});
