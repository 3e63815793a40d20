import { expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findWallet, wallet } from '../src/wallet-place.ts';

function userHome() {
  const path = mkdtempSync(join(tmpdir(), 'opencode-place-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

test('a user without a bot gets a wallet with the first money, and the same one from then on', () => {
  using user = userHome();
  const env = { HOME: user.path };
  // A checkout that has a bot's .env is the other story.
  expect(findWallet(env, { env: '/nowhere/.env' }).place).toBeUndefined();
  const made = wallet(env, { env: '/nowhere/.env' });
  expect(made.isNew).toBe(true);
  expect(made.wordsIn).toBe(join(user.path, '.nostr-dm-agent/wallet.env'));
  expect(statSync(made.wordsIn).mode & 0o777).toBe(0o600);
  expect(statSync(made.home).mode & 0o777).toBe(0o700);
  expect(made.wallet.mnemonic.split(' ')).toHaveLength(12);
  expect(wallet(env, { env: '/nowhere/.env' })).toEqual({ ...made, isNew: false });
  // The bot takes the line as it is.
  expect(readFileSync(made.wordsIn, 'utf8')).toContain(`CASHU_MNEMONIC="${made.wallet.mnemonic}"`);
});

test('the bot’s wallet is the plugin’s: its .env is read, and the environment wins', () => {
  using user = userHome();
  const file = join(user.path, 'bot/.env');
  mkdirSync(join(user.path, 'bot'));
  writeFileSync(
    file,
    'BOT_KEY=x\nBOT_HOME=~/other\nCASHU_MNEMONIC="a b c"\nCASHU_MINT_URL=https://m.example\nCASHU_MINTS=https://n.example, https://o.example\nCASHU_WALLET_DIR=~/w\nCASHU_MAX_BALANCE_SAT=5k\n',
  );
  const found = findWallet(
    { HOME: user.path, CASHU_MINT_URL: 'https://mine.example' },
    { env: '~/bot/.env' },
  );
  expect(found).toMatchObject({
    home: join(user.path, 'other'),
    place: {
      wordsIn: file,
      wallet: {
        mnemonic: 'a b c',
        mintUrl: 'https://mine.example',
        mints: ['https://n.example', 'https://o.example'],
        directory: join(user.path, 'w'),
        maxBalance: 5_000,
      },
    },
  });
});
