/**
 * `!wallet balance` and `!wallet history` of a wallet with 10,000 proofs and 100,000 paid runs: the commands themselves,
 * without the message that asks and the one that answers.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createWallet } from '@nostr-dm-agent/cashu-wallet/open';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { sat, zeroSat } from '@nostr-dm-agent/kit/sat';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { EventId, RelayUrl } from '@nostr-dm-agent/nostr';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import { createPaidRunStore } from '@nostr-dm-agent/routstr/books';
import { generateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import type { Call } from '../src/commands/command.ts';
import { walletCommands } from '../src/commands/wallet/wallet-commands.ts';
import { botMigrations } from '../src/store/bot-schema.ts';
import { createConfirmations } from '../src/store/confirmations-table.ts';

const [proofs, runs, rounds] = [10_000, 100_000, 50];
const limitMs = 20;
const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

const directory = mkdtempSync(join(tmpdir(), 'bench-wallet-'));
const mint = 'https://mint.example';
const wallet = createWallet(
  { mnemonic: generateMnemonic(wordlist), mintUrl: mint, mints: [], directory, maxBalance: sat(1e9) },
  { log: quiet },
);
try {
  const tables = wallet.extension('bench', []);
  wallet.transaction(() => {
    const insert = `INSERT INTO proofs (y, mint, keyset, amount, proof, state, created_at)
      VALUES (?, ?, '00aa', ?, ?, 'ready', 0)`;
    // As long as a real one with its DLEQ.
    const proof = JSON.stringify({
      id: '00'.repeat(8),
      secret: 'a'.repeat(64),
      C: 'b'.repeat(66),
      dleq: 'c'.repeat(200),
    });
    for (let i = 0; i < proofs; i += 1) tables.run(insert, `y${i}`, mint, 2 ** (i % 12), proof);
    const now = Date.now();
    for (let i = 0; i < runs; i += 1) {
      wallet.ledger.append({
        ts: now - (runs - i) * 60_000,
        provider: 'routstr',
        budget: sat(2000),
        refund: sat(1861),
        spent: sat(138),
        fee: sat(1),
        model: 'anthropic/claude-sonnet-4',
        sessionId: 'abcde',
        promptPrefix: 'Fix the parser so that it reads empty lines, and add a test for it please, thanks',
        state: 'settled',
        nodeUrl: 'https://node.example',
      });
    }
  });

  const owner = { publicKey: publicKeyOf(generateSecretKey()), role: 'admin' } as const;
  const confirmations = createConfirmations(openDatabase(':memory:', botMigrations), systemClock, () => 0.5);
  const commands = walletCommands({
    money: {
      wallet: {
        opened: () => wallet,
        wallet: () => wallet,
        settled: async () => wallet,
        announceEnd: () => {},
        warmUp: () => {},
        threshold: () => zeroSat,
        setThreshold: () => {},
      },
      routstr: {
        freeBudgets: async () => {},
        madeAhead: () => new Map(),
        settled: async () => {},
        provider: () => ({
          paidRuns: createPaidRunStore(wallet, systemClock),
          owed: () => ({ running: zeroSat, runs: 0, due: zeroSat, dueRuns: 0, doubtful: 0, kept: zeroSat }),
        }),
      },
      shares: { of: () => undefined },
      exchange: () => undefined,
    },
    stores: { confirmations },
    clock: systemClock,
  });
  const call: Call = {
    owner,
    argument: '',
    resumed: false,
    message: {
      id: '0'.repeat(64) as EventId,
      sender: owner.publicKey,
      protocol: 'nip17',
      kind: 14,
      text: '',
      references: [],
      createdAt: 0,
      relay: 'ws://127.0.0.1' as RelayUrl,
    },
  };

  let slow = false;
  for (const path of ['wallet balance', 'wallet history', 'wallet pending', 'wallet']) {
    const command = commands.find((each) => each.path === path);
    if (command?.kind !== 'immediate') throw new Error(`no ${path}`);
    const times = Array.from({ length: rounds }, () => {
      const begun = performance.now();
      command.run(call);
      return performance.now() - begun;
    }).toSorted((a, b) => a - b);
    const [median = 0, worst = 0] = [times[Math.floor(rounds / 2)], times.at(-1)];
    slow ||= median > limitMs;
    console.log(
      `!${path.padEnd(15)} median ${median.toFixed(1)} ms, worst ${worst.toFixed(1)} ms (limit ${limitMs} ms)`,
    );
  }
  if (slow) process.exitCode = 1;
} finally {
  wallet.close();
  rmSync(directory, { recursive: true, force: true });
}
