/* The wallet at rest: what somebody finds who takes the files, at every step of sealing and opening them. */
import { Database } from 'bun:sqlite';
import { afterEach, expect, test } from 'bun:test';
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createWallet,
  openWords,
  type SealedWordsError,
  type WordsKey,
  walletFile,
} from '@nostr-dm-agent/cashu-wallet/open';
import { restoreFrom } from '@nostr-dm-agent/cashu-wallet/remote';
import { createBench, fund, newWords, quiet, soon } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { sat } from '@nostr-dm-agent/kit/sat';
import { parseNodeUrl } from '@nostr-dm-agent/routstr';
import { createPaidRunStore, paidRunTables } from '@nostr-dm-agent/routstr/books';
import { type AtRestParts, decryptWallet, encryptWallet } from '../../src/cli/wallet/encrypt.ts';
import { EnvLineError, withVariable } from '../../src/cli/wallet/env-line.ts';
import { areSealed, unsealWords } from '../../src/config/sealed-words.ts';
import type { AtRestOrder } from '../support/at-rest-child.ts';
import { memoryKeyring } from '../support/memory-keyring.ts';

const bench = createBench();
afterEach(() => bench.end());

const passphrase = 'correct horse battery';
const byPassphrase: WordsKey = { kind: 'passphrase', passphrase };
const root = join(import.meta.dir, '../..');

/** A wallet with 1,000 sat: ready ones, an unclaimed token, a kept one, and a paid run that holds a token. */
async function startWorld() {
  const home = bench.folder();
  const directory = bench.folder();
  const mint = bench.mint({ incoming: 'at-once', feePpk: 0 });
  const words = newWords();
  const wallet = { mnemonic: words, mintUrl: mint.url, mints: [], directory, maxBalance: sat(100_000) };
  const envFile = join(home, '.env');
  const others = `BOT_HOME=${home}\nCASHU_WALLET_DIR=${directory}\nCASHU_MINT_URL=${mint.url}\n`;
  writeFileSync(envFile, `# mine\nexport CASHU_MNEMONIC="${words}" # words\n${others}`, { mode: 0o600 });
  const passphraseFile = join(home, 'passphrase');
  writeFileSync(passphraseFile, `${passphrase}\n`, { mode: 0o600 });

  const first = createWallet(wallet, { log: quiet });
  await fund(first, 1000);
  const { operation } = await first.send({ amount: sat(100) }, soon());
  const token = first.handOver(operation, 'a friend');
  first.keep(token, 'a friend');
  const runs = createPaidRunStore(first, systemClock);
  const run = runs.create('run-1', parseNodeUrl('https://node.example/v1'), {
    ...{
      owner: 'ab'.repeat(32),
      prompt: 'do it',
      model: 'm',
      budget: sat(100),
      sessionId: 's',
      purpose: 'run',
    },
  });
  runs.move(run.id, ['created'], { state: 'token_issued', operation, token, out: sat(100), face: sat(100) });
  runs.keepAnswer(run.id, `{"token":"${token}"}`);
  first.close();

  const parts: AtRestParts = {
    ...{ holder: { home, wallet }, envFile, keyring: memoryKeyring(), log: quiet, signal: soon() },
  };
  const readEnv = () =>
    /CASHU_MNEMONIC=(['"]?)(.*?)\1(?: #.*)?$/m.exec(readFileSync(envFile, 'utf8'))?.[2] ?? '';
  return {
    ...{ home, directory, mint, words, wallet, envFile, passphraseFile, parts, token },
    file: walletFile(wallet),
    readEnv,
    /** As a bot would open it by what .env says now. */
    open: async () => {
      const given = readEnv();
      const unsealed = areSealed(given)
        ? await unsealWords({ reference: given, directory, passphraseFile, ask: undefined })
        : { words: given };
      if (!('words' in unsealed)) throw new Error(unsealed.problem);
      expect(unsealed.words).toBe(words);
      return createWallet(
        { ...wallet, mnemonic: unsealed.words, sealed: areSealed(given) || undefined },
        { log: quiet },
      );
    },
    run: async (...args: string[]) => {
      const child = Bun.spawn([process.execPath, join(root, 'src/index.ts'), 'wallet', ...args], {
        ...{ cwd: home, env: { PATH: process.env.PATH ?? '', HOME: home }, stdout: 'pipe', stderr: 'pipe' },
        stdin: Buffer.from(`${passphrase}\n`),
      });
      const [stdout, stderr] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      return { code: await child.exited, stdout, stderr };
    },
  };
}
type World = Awaited<ReturnType<typeof startWorld>>;

/** Everything in the database that is worth money, with the words. */
function secretsOf({ file, words }: World): readonly string[] {
  const db = new Database(file, { readonly: true });
  try {
    const texts = [
      ...db.query<{ t: string }, []>('SELECT proof AS t FROM proofs').all(),
      ...db.query<{ t: string }, []>('SELECT data AS t FROM operations').all(),
      ...db.query<{ t: string }, []>('SELECT token AS t FROM kept_tokens').all(),
      ...db.query<{ t: string }, []>('SELECT data AS t FROM paid_runs').all(),
      ...db.query<{ t: string }, []>('SELECT raw AS t FROM paid_run_answers').all(),
    ].map(({ t }) => t);
    const found = texts.flatMap((text) => [
      ...(text.match(/(?<="(?:secret|blindingFactor|C|quote)":")[^"]{16,}/g) ?? []),
      ...(text.match(/cashuB[\w-]{40}/g) ?? []),
    ]);
    return [...new Set([...found, words, words.split(' ').slice(3, 7).join(' ')])];
  } finally {
    db.close();
  }
}

/** Files below these folders that have one of the texts in them. */
const holding = (folders: readonly string[], secrets: readonly string[]): readonly string[] =>
  folders
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((path) => statSync(path).isFile())
    .filter((path) => {
      const bytes = readFileSync(path);
      return secrets.some((secret) => bytes.includes(secret));
    });

const expectUsable = async (world: World): Promise<void> => {
  const wallet = await world.open();
  try {
    const runs = createPaidRunStore(wallet, systemClock);
    // The check redeems the kept token, which is ours.
    const { ready, sent } = wallet.balance();
    expect(ready + sent).toBe(1000);
    expect(runs.get('run-1').body).toMatchObject({ token: world.token, out: sat(100) });
    expect(runs.answers('run-1')).toEqual([`{"token":"${world.token}"}`]);
    expect((await wallet.check(soon())).problems).toEqual([]);
  } finally {
    wallet.close();
  }
};

test('sealed: nobody finds a secret in database, log or .env; it works as before; and there is a way back', async () => {
  const world = await startWorld();
  const { home, directory, words, file, run, envFile, mint } = world;
  copyFileSync(file, `${file}.before-v3`);
  writeFileSync(join(home, '.env.backup-2026'), `CASHU_MNEMONIC='${words}'\n`);
  const clear = readFileSync(file);
  const secrets = secretsOf(world);
  expect(secrets.length).toBeGreaterThan(20);
  expect(holding([home, directory], secrets).length).toBeGreaterThanOrEqual(3);

  const encrypted = await run('encrypt', '--delete-copies');
  expect([encrypted.code, encrypted.stderr]).toEqual([0, '']);
  expect(encrypted.stdout).toContain(
    `Deleted, with the words or the money in clear: ${file}.before-v3, ${home}/.env.backup-2026`,
  );
  expect(holding([home, directory], secrets)).toEqual([]);
  expect(world.readEnv()).toMatch(/^sealed:[0-9a-f]{16}$/);
  expect(readFileSync(envFile, 'utf8')).toContain('# mine\n');
  expect(statSync(envFile).mode & 0o777).toBe(0o600);
  for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o077).toBe(0);

  // Without the passphrase, or with a wrong one, it says so and harms nothing.
  const none = await run('balance');
  expect([none.code, none.stdout]).toEqual([2, '']);
  expect(none.stderr).toContain('CASHU_MNEMONIC  is sealed with a passphrase: start it on a terminal');
  const before = readFileSync(file);
  writeFileSync(join(home, 'wrong'), 'another one entirely');
  const ways = { reference: world.readEnv(), directory, ask: undefined };
  expect(await unsealWords({ ...ways, passphraseFile: join(home, 'wrong') })).toEqual({
    variable: 'CASHU_PASSPHRASE_FILE',
    problem: 'is not opened by that passphrase; nothing was changed',
  });
  expect(readFileSync(file)).toEqual(before);

  // With it everything is as it was, also what is written from now on.
  writeFileSync(envFile, `${readFileSync(envFile, 'utf8')}CASHU_PASSPHRASE_FILE=passphrase\n`);
  expect((await run('balance', '--json')).stdout).toContain('"ready": 900');
  await expectUsable(world);
  const wallet = await world.open();
  await fund(wallet, 64);
  const fresh = wallet.handOver((await wallet.send({ amount: sat(10) }, soon())).operation, 'somebody');
  wallet.keep(fresh, 'again');
  wallet.keep(fresh, 'again');
  wallet.backup(join(home, 'backup.db'));
  wallet.close();
  expect(holding([home, directory], [...secrets, fresh.slice(20, 60)])).toEqual([]);

  // A backup of before, and one of now, are put in its place: sealed, with what is open.
  writeFileSync(join(home, 'clear.db'), clear);
  for (const from of ['clear.db', 'backup.db']) {
    const restored = await restoreFrom(
      world.parts.holder,
      join(home, from),
      { paid_runs: paidRunTables.length },
      { log: quiet, opened: (wallet) => void createPaidRunStore(wallet, systemClock) },
      soon(),
    );
    expect(restored.check.problems).toEqual([]);
    expect(restored.carried.unread).toBe(false);
    expect(holding([directory], [...secrets, fresh.slice(20, 60)])).toEqual([]);
  }
  expect(mint.audit().totalOutstanding).toBe(1064);

  const decrypted = await run('decrypt');
  expect([decrypted.code, decrypted.stderr]).toEqual([0, '']);
  expect(world.readEnv()).toBe(words);
  expect(readdirSync(directory).filter((name) => name.endsWith('.words'))).toEqual([]);
  expect(secretsOf(world).length).toBeGreaterThan(20);
  const again = await world.open();
  expect(again.balance().ready + again.balance().sent).toBeGreaterThanOrEqual(954);
  again.close();
});

test.each([
  ...(['words', 'rewritten', 'database', 'env'] as const).map((step) => ['encrypt', step] as const),
  ...(['env', 'rewritten', 'database'] as const).map((step) => ['decrypt', step] as const),
])(
  'killed in %s after “%s”: it opens by what .env says, and the same command finishes it',
  async (work, step) => {
    const world = await startWorld();
    const { parts, wallet, home, directory, envFile } = world;
    const secrets = secretsOf(world);
    if (work === 'decrypt') await encryptWallet(parts, byPassphrase);
    const order: AtRestOrder = { work, step, passphrase, home, wallet, envFile };
    const child = Bun.spawn([process.execPath, join(root, 'test/support/at-rest-child.ts')], {
      ...{ cwd: root, stdin: Buffer.from(JSON.stringify(order)), stdout: 'ignore', stderr: 'pipe' },
    });
    expect([await child.exited, await new Response(child.stderr).text()]).toEqual([137, '']);
    await expectUsable(world);

    if (work === 'encrypt') {
      await encryptWallet(parts, byPassphrase);
      expect(holding([home, directory], secrets)).toEqual([]);
    } else {
      await decryptWallet(parts);
      expect(world.readEnv()).toBe(world.words);
      expect(holding([directory], secrets)).not.toEqual([]);
    }
    await expectUsable(world);
  },
);

test('the keyring opens it without a question; one that is not there is said, and nothing is changed', async () => {
  const world = await startWorld();
  const { parts, words, wallet, directory, readEnv } = world;
  const away = () => Promise.reject(new Error('libsecret not available'));
  const before = readFileSync(parts.envFile, 'utf8');
  const failed = await encryptWallet(
    { ...parts, keyring: { read: away, write: away, remove: away } },
    { kind: 'keyring' },
  ).catch((error: unknown) => error);
  expect(failed).toMatchObject({ problem: 'no_keyring' } satisfies Partial<SealedWordsError>);
  expect([readFileSync(parts.envFile, 'utf8'), existsSync(join(directory, `${readEnv()}.words`))]).toEqual([
    before,
    false,
  ]);

  const entries = new Map<string, string>();
  const unlocked = { ...parts, keyring: memoryKeyring(entries) };
  await encryptWallet(unlocked, { kind: 'keyring' });
  await encryptWallet(unlocked, { kind: 'keyring' });
  expect(entries.size).toBe(1);
  const fingerprint = readEnv().replace('sealed:', '');
  const nobody = { passphrase: async () => undefined };
  expect(await openWords(directory, fingerprint, { ...nobody, keyring: unlocked.keyring })).toBe(words);
  const emptied = openWords(directory, fingerprint, { ...nobody, keyring: memoryKeyring() });
  expect(await emptied.catch((error: unknown) => error)).toMatchObject({ problem: 'not_in_keyring' });
  // From there to a passphrase, and the entry is gone.
  await encryptWallet(unlocked, byPassphrase);
  expect(entries.size).toBe(0);
  // Whoever has the words needs nothing else.
  const byWords = createWallet(wallet, { log: quiet });
  expect([byWords.atRest.isSealed(), byWords.balance().ready]).toEqual([true, sat(900)]);
  byWords.close();
});

test('where .env does not say the words, nothing is changed', async () => {
  const world = await startWorld();
  writeFileSync(world.envFile, `CASHU_MNEMONIC='${newWords()}'\n`);
  for (const [text, problem] of [
    [`CASHU_MNEMONIC='${newWords()}'\n`, 'other'],
    ['BOT_HOME=/x\n', 'not_there'],
  ] as const) {
    writeFileSync(world.envFile, text);
    expect(await encryptWallet(world.parts, byPassphrase).catch((error: unknown) => error)).toMatchObject({
      problem,
    });
    expect(readFileSync(world.envFile, 'utf8')).toBe(text);
  }
  expect(readdirSync(world.directory).filter((name) => name.endsWith('.words'))).toEqual([]);
});

test('a damaged file of words is said, and the words themselves are the way round it', async () => {
  const world = await startWorld();
  const { wordsFile } = await encryptWallet(world.parts, byPassphrase);
  const whole = readFileSync(wordsFile, 'utf8');
  for (const text of ['', '{}', whole.slice(0, -20), whole.replace('"n":65536', '"n":999999999')]) {
    writeFileSync(wordsFile, text);
    expect(await world.open().catch((error: unknown) => String(error))).toContain('is damaged');
  }
});

test.each([
  ['A=1\nW=one two # x\nB=2\n', "A=1\nW='3 4'\nB=2\n"],
  ['W="one two"', "W='3 4'"],
  ['  export W=one   TWO\n#W=old\n', "W='3 4'\n#W=old\n"],
])('a variable is changed in its place: %j', (text, changed) => {
  expect(withVariable(text, 'W', ['one two'], '3 4')).toBe(changed);
});

test.each(['W="one\ntwo"\n', 'W=one two\nW=one two\n'])(
  'one that can’t be changed safely is left: %j',
  (text) => {
    expect(() => withVariable(text, 'W', ['one two'], '3 4')).toThrow(EnvLineError);
  },
);
