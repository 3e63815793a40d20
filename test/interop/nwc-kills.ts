/*
 * Automatic top-ups against a wallet service that is not ours: Alby's `NWCWalletService`. The bot, as `start` runs it, dies by
 * SIGKILL at every step of a top-up, with a wallet that answers and with one whose answers are lost; it comes back, and then
 * everything is counted: what the owner's wallet has paid, what the bot has, what its words alone find, the mint's own books.
 *
 * `bun run test:nwc`. NWC_SDK_DIR: a folder where the SDK stays for later runs.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import { codeIn, startWalletBot, type WalletBot } from '../support/wallet-bot.ts';

const sdk = '@getalby/sdk@8.0.3';
const kept = process.env.NWC_SDK_DIR;
const folder = kept ?? mkdtempSync(join(tmpdir(), 'nostr-dm-agent-nwc-'));
const killFolder = mkdtempSync(join(tmpdir(), 'nostr-dm-agent-kill-'));
const killFile = join(killFolder, 'at');

/** The part of the SDK that is used here. */
type Said = Promise<{
  readonly result: unknown;
  readonly error: { code: string; message: string } | undefined;
}>;
type Sdk = {
  readonly NWCWalletService: new (options: {
    relayUrls: string[];
  }) => {
    readonly publishWalletServiceInfoEvent: (
      secret: string,
      methods: string[],
      notes: string[],
    ) => Promise<void>;
    readonly subscribe: (
      pair: unknown,
      handler: { getInfo: () => Said; payInvoice: (request: { invoice: string }) => Said },
    ) => Promise<() => void>;
    readonly close: () => void;
  };
  readonly NWCWalletServiceKeyPair: new (secret: string, client: string) => unknown;
};

/** Of an invoice of the sandbox's mint: so many nano-bitcoin. */
const satsOf = (invoice: string): number => {
  const [, digits = '', unit = ''] = /^lnbc(?:rt)?(\d+)([munp])1/.exec(invoice) ?? [];
  return (Number(digits) * 1e8) / { m: 1e3, u: 1e6, n: 1e9, p: 1e12 }[unit as 'n'];
};
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const walletKey = generateSecretKey();
const clientKey = generateSecretKey();

/** What the owner's wallet does with a request to pay. */
let behaviour: 'pays' | 'pays, its answer is lost' | 'says QUOTA_EXCEEDED' | 'sleeps' = 'pays';
/** Each payment that left the owner's wallet, in sat. */
const payments: { readonly invoice: string; readonly sats: number }[] = [];
let asked = 0;
let world: WalletBot;
let stopService: () => void = () => undefined;

beforeAll(async () => {
  if (!existsSync(join(folder, 'node_modules/@getalby/sdk'))) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{"private":true}');
    const done = Bun.spawnSync([process.execPath, 'add', '--exact', '--ignore-scripts', sdk], {
      cwd: folder,
    });
    if (!done.success) throw new Error(`the SDK could not be installed: ${done.stderr}`);
  }
  world = await startWalletBot({
    entry: [join(import.meta.dir, '../support/checkpoint-bot.ts')],
    env: { TEST_KILL_FILE: killFile, CASHU_MAX_BALANCE_SAT: '1000000' },
    funds: 1000,
  });
  await startService();
}, 120_000);
afterAll(async () => {
  stopService();
  await world?.cleanUp();
  rmSync(killFolder, { recursive: true, force: true });
  if (kept === undefined) rmSync(folder, { recursive: true, force: true });
});

async function startService(): Promise<void> {
  const nwc: Sdk = await import(join(folder, 'node_modules/@getalby/sdk/dist/esm/nwc.js'));
  const service = new nwc.NWCWalletService({ relayUrls: [world.bot.relay.url] });
  await service.publishWalletServiceInfoEvent(hex(walletKey), ['get_info', 'pay_invoice'], []);
  const pair = new nwc.NWCWalletServiceKeyPair(hex(walletKey), publicKeyOf(clientKey));
  const unsubscribe = await service.subscribe(pair, {
    getInfo: async () => ({
      result: { alias: 'Alby', methods: ['get_info', 'pay_invoice'] },
      error: undefined,
    }),
    payInvoice: async ({ invoice }) => {
      asked += 1;
      if (behaviour === 'sleeps') return new Promise(() => undefined);
      if (behaviour === 'says QUOTA_EXCEEDED')
        return { result: undefined, error: { code: 'QUOTA_EXCEEDED', message: 'budget' } };
      if (payments.some((paid) => paid.invoice === invoice))
        return { result: undefined, error: { code: 'OTHER', message: 'this invoice has already been paid' } };
      payments.push({ invoice, sats: satsOf(invoice) });
      world.mint.pay(world.mint.quoteOf(invoice));
      if (behaviour === 'pays, its answer is lost') return new Promise(() => undefined);
      return { result: { preimage: '00'.repeat(32) }, error: undefined };
    },
  });
  stopService = () => {
    unsubscribe();
    service.close();
  };
}

const uri = () =>
  `nostr+walletconnect://${publicKeyOf(walletKey)}?relay=${encodeURIComponent(world.bot.relay.url)}&secret=${hex(clientKey)}`;
const filled = () => world.owner.texts().filter((said) => said.startsWith('⚡ ')).length;
/** In tokens that nobody claims: the words alone find these, too. */
let spent = 0;
/** So much that less than the alert is left: a top-up is due at once. */
const spend = async (): Promise<void> => {
  const code = codeIn(await world.ask('!wallet send 1000'));
  await world.ask(code, /cashuB/);
  spent += 1000;
};

test('the bot asks Alby’s service for what it needs, once', async () => {
  expect(await world.ask(`!wallet autotopup ${uri()} 1000000/day`)).toContain('Your wallet answered.');
  await world.ask('!wallet alert 500');
  await spend();
  await until(() => filled() === 1, 'the wallet is filled', 60_000);
  expect(await world.balance()).toBe(1000);
  expect(payments.map(({ sats }) => sats)).toEqual([1000]);
}, 120_000);

const steps = [
  ...[
    'autotopup:quoted',
    'autotopup:journalled',
    'autotopup:asking',
    'autotopup:answered',
    'autotopup:taken',
  ],
  ...['autotopup:ended', 'mint:reserved', 'mint:prepared', 'mint:answered', 'mint:done'],
];
const cases = (['pays', 'pays, its answer is lost'] as const).flatMap((does) =>
  steps
    .filter((step) => does === 'pays' || step !== 'autotopup:answered')
    .map((step) => [step, does] as const),
);
let killed = 0;
for (const [step, does] of cases) {
  test(`killed at ${step}, a wallet that ${does}: paid once, to the sat, told once`, async () => {
    behaviour = does;
    const [before, told] = [payments.length, filled()];
    writeFileSync(killFile, step);
    await spend();
    await until(world.bot.hasEnded, `the bot dies at ${step}`, 60_000);
    killed += 1;
    writeFileSync(killFile, '');
    await world.bot.start();
    await until(() => filled() > told, 'it is told that the wallet was filled', 100_000);
    expect([payments.length, filled(), await world.balance()]).toEqual([before + 1, told + 1, 1000]);
    expect(await world.fromWords()).toBe(1000 + spent);
    expect(world.mint.audit().balanced).toBe(true);
  }, 240_000);
}

test('its budget used up: told once; asked for the same invoice again, paid once', async () => {
  behaviour = 'says QUOTA_EXCEEDED';
  const [before, told] = [payments.length, asked];
  await spend();
  const isRefused = () =>
    world.owner.texts().filter((said) => said.includes('budget of the connection')).length;
  await until(() => isRefused() === 1, 'it is told', 60_000);
  await world.bot.end('SIGKILL');
  await world.bot.start();
  expect(await world.ask('!wallet autotopup')).toContain('QUOTA_EXCEEDED');
  expect([payments.length, asked, isRefused()]).toEqual([before, told + 1, 1]);
  // Set anew, it is asked at once: for the same invoice.
  behaviour = 'pays';
  const fills = filled();
  await world.ask(`!wallet autotopup ${uri()} 1000000/day`);
  await until(() => filled() > fills, 'it is paid', 60_000);
  expect([payments.length, await world.balance()]).toEqual([before + 1, 1000]);
}, 240_000);

test('what is counted in the end: every sat that left the owner’s wallet, no invoice twice, no secret in the log', async () => {
  expect(new Set(payments.map(({ invoice }) => invoice)).size).toBe(payments.length);
  expect(await world.ask('!wallet check')).toStartWith('The books add up');
  const log = world.bot.log();
  expect(log).not.toContain(hex(clientKey));
  expect(readFileSync(join(world.bot.home, 'bot.db')).includes(hex(clientKey))).toBe(false);
  process.stdout.write(
    `${killed} kills; ${asked} requests; ${payments.length} payments, ${payments.reduce((sum, { sats }) => sum + sats, 0)} sat\n`,
  );
}, 60_000);
