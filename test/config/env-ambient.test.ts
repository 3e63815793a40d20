import { afterAll, expect, test } from 'bun:test';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import { generateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { npubEncode, nsecEncode } from 'nostr-tools/nip19';
import { loadConfig } from '../../src/config/load-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'nostr-dm-agent-ambient-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const repository = resolve(import.meta.dir, '../..');

const key = nsecEncode(generateSecretKey());
const owner = npubEncode(publicKeyOf(generateSecretKey()));
writeFileSync(
  join(folder, '.env'),
  `BOT_KEY=${key}\nBOT_OWNERS=${owner}\nANTHROPIC_API_KEY=from-dot-env\nPLAIN='pa$$word'\n`,
  { mode: 0o600 },
);
writeFileSync(join(folder, '.env.local'), 'FROM_LOCAL=1\n');

test("what the agent may inherit has neither the bot's variables nor anything that .env defines", async () => {
  const { ambient } = await loadConfig(
    {
      PATH: '/usr/bin',
      LANG: 'C.UTF-8',
      OPENAI_API_KEY: 'of the shell',
      // As if Bun had loaded the files before we ran.
      ANTHROPIC_API_KEY: 'from-dot-env',
      FROM_LOCAL: '1',
      BOT_KEY: key,
      BOT_KEY_PASSWORD: 'x',
      BOT_SOMETHING: 'x',
      CASHU_MNEMONIC: generateMnemonic(wordlist),
      ROUTSTR_BASE_URL: 'https://node.example',
      LOG_LEVEL: 'info',
      OPENCODE_BIN: '/bin/opencode',
      UNSET: undefined,
    },
    folder,
  );
  expect(ambient).toEqual({ PATH: '/usr/bin', LANG: 'C.UTF-8', OPENAI_API_KEY: 'of the shell' });
});

test("Bun itself keeps the project's .env out of the process environment", async () => {
  cpSync(join(repository, 'bunfig.toml'), join(folder, 'bunfig.toml'));
  writeFileSync(join(folder, 'show.ts'), 'process.stdout.write(String(process.env.PLAIN));');
  const child = Bun.spawn([process.execPath, 'show.ts'], {
    cwd: folder,
    stdout: 'pipe',
    env: { HOME: folder },
  });
  expect(await new Response(child.stdout).text()).toBe('undefined');
  expect(await child.exited).toBe(0);
});

test('reading .env leaves the process environment as it is', async () => {
  const before = { ...process.env };
  await loadConfig({ PATH: '/usr/bin' }, folder);
  expect({ ...process.env }).toEqual(before);
});
