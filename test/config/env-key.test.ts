import { describe, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import { npubEncode, nsecEncode } from 'nostr-tools/nip19';
import { decrypt, encrypt } from 'nostr-tools/nip49';
import { ConfigError } from '../../src/config/config-error.ts';
import { type LoadConfigOptions, loadConfig } from '../../src/config/load-config.ts';

const secretKey = generateSecretKey();
const owner = npubEncode(publicKeyOf(generateSecretKey()));
/** A light scrypt (2^4 rounds): the tests are not about its cost. */
const encrypted = encrypt(secretKey, 'Å correct horse', 4);

const load = (environment: Record<string, string>, options: LoadConfigOptions = {}) =>
  loadConfig({ BOT_OWNERS: owner, ...environment }, tmpdir(), options);
const problemsOf = async (environment: Record<string, string>, options: LoadConfigOptions = {}) => {
  const error = await load(environment, options).catch((reason: unknown) => reason);
  return error instanceof ConfigError ? error.problems : [];
};

describe("the bot's key", () => {
  test.each([
    ['hex', Buffer.from(secretKey).toString('hex')],
    ['upper-case hex', Buffer.from(secretKey).toString('hex').toUpperCase()],
    ['nsec', nsecEncode(secretKey)],
    ['nsec with spaces around it', `  ${nsecEncode(secretKey)} `],
  ])('may be %s', async (_, BOT_KEY) => {
    const { identity } = await load({ BOT_KEY });
    expect(identity.publicKey).toBe(publicKeyOf(secretKey));
    expect(Buffer.from(identity.secretKey)).toEqual(Buffer.from(secretKey));
  });

  test('may be an ncryptsec with its password beside it', async () => {
    const { identity } = await load({ BOT_KEY: encrypted, BOT_KEY_PASSWORD: 'Å correct horse' });
    expect(identity.publicKey).toBe(publicKeyOf(secretKey));
  });

  test('may be an ncryptsec whose password is asked for, once', async () => {
    let asked = 0;
    const askPassword = async () => {
      asked += 1;
      return 'Å correct horse';
    };
    const { identity } = await load({ BOT_KEY: encrypted }, { askPassword });
    expect(identity.publicKey).toBe(publicKeyOf(secretKey));
    expect(asked).toBe(1);
    await load({ BOT_KEY: nsecEncode(secretKey) }, { askPassword });
    expect(asked).toBe(1);
  });

  test('may be a credential of systemd, which wins over .env and not over the environment', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'nostr-dm-agent-credentials-'));
    const at = join(folder, 'BOT_KEY');
    writeFileSync(at, `${nsecEncode(secretKey)}\n`, { mode: 0o400 });
    const envFile = join(folder, '.env');
    writeFileSync(envFile, `BOT_KEY=${nsecEncode(generateSecretKey())}\n`, { mode: 0o600 });
    const given = { CREDENTIALS_DIRECTORY: folder };
    const notices: string[] = [];
    const onNotice = (notice: string) => void notices.push(notice);
    const { identity, ambient } = await load(given, { envFile, onNotice });
    expect(identity.publicKey).toBe(publicKeyOf(secretKey));
    expect(Object.keys(ambient)).not.toContain('CREDENTIALS_DIRECTORY');
    expect(notices).toEqual([expect.stringContaining('BOT_KEY is a credential, too')]);
    const other = generateSecretKey();
    const wins = await load({ ...given, BOT_KEY: nsecEncode(other) }, { envFile });
    expect(wins.identity.publicKey).toBe(publicKeyOf(other));

    const spoilt: readonly (readonly [string, () => unknown])[] = [
      ['others may write', () => chmodSync(at, 0o620)],
      ['is too large', () => [chmodSync(at, 0o600), writeFileSync(at, 'n'.repeat(5000))]],
      ['is no file', () => [rmSync(at), mkdirSync(at)]],
    ];
    for (const [problem, spoil] of spoilt) {
      spoil();
      expect(await problemsOf(given, { envFile: null })).toEqual([
        expect.objectContaining({ variable: 'BOT_KEY', problem: expect.stringContaining(problem) }),
      ]);
    }
    rmSync(folder, { recursive: true });
  });

  test('opens the published vector of NIP-49', () => {
    // NIP-49, "Test data": password "nostr".
    const vector =
      'ncryptsec1qgg9947rlpvqu76pj5ecreduf9jxhselq2nae2kghhvd5g7dgjtcxfqtd67p9m0w57lspw8gsq6yphnm8623nsl8xn9j4jdzz84zm3frztj3z7s35vpzmqf6ksu8r89qk5z2zxfmu5gv8th8wclt0h4p';
    expect(Buffer.from(decrypt(vector, 'nostr')).toString('hex')).toBe(
      '3501454135014541350145413501453fefb02227e449e57cf4d3a3ce05378683',
    );
  });

  test.each([
    ['no password', { BOT_KEY: encrypted }, 'BOT_KEY_PASSWORD', /is not set/],
    ['a wrong password', { BOT_KEY: encrypted, BOT_KEY_PASSWORD: 'x' }, 'BOT_KEY_PASSWORD', /does not open/],
    ['a public key', { BOT_KEY: owner }, 'BOT_KEY', /public key/],
    ['a truncated nsec', { BOT_KEY: nsecEncode(secretKey).slice(0, -2) }, 'BOT_KEY', /mistyped/],
    ['zero', { BOT_KEY: '0'.repeat(64) }, 'BOT_KEY', /not a key/],
    ['more than the order of the curve', { BOT_KEY: 'f'.repeat(64) }, 'BOT_KEY', /not a key/],
  ])('%s is explained', async (_, environment, variable, problem) => {
    expect(await problemsOf(environment)).toMatchObject([
      { variable, problem: expect.stringMatching(problem) },
    ]);
  });

  test('a cancelled prompt counts as no password', async () => {
    const problems = await problemsOf({ BOT_KEY: encrypted }, { askPassword: async () => undefined });
    expect(problems).toMatchObject([
      { variable: 'BOT_KEY_PASSWORD', problem: expect.stringMatching(/is not set/) },
    ]);
  });
});
