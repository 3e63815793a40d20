import type { Database } from 'bun:sqlite';
import type { CashuWallet } from '@nostr-dm-agent/cashu-wallet';
import { createBench } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import { seededRandom } from '@nostr-dm-agent/kit/testing/seeded-random';
import { createRelays, generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import { type FakeAnswer, startFakeWallet, type WalletCall } from '@nostr-dm-agent/nostr/testing/fake-wallet';
import { quickTimings, signAsBot } from '@nostr-dm-agent/nostr/testing/relay-client';
import type { SandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { createSealer } from '../../src/keys/seal.ts';
import { type AutoTopUpDeps, type AutoTopUpNews, createAutoTopUp } from '../../src/money/auto-top-up.ts';
import { createAutoTopUpStore } from '../../src/store/auto-top-up-table.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { actsSince, beginAsSuccessor } from '../../src/store/instance-facts.ts';
import { createMeta } from '../../src/store/meta-table.ts';
import { silent } from './backend.ts';

export const owner = publicKeyOf(generateSecretKey());
const botKey = generateSecretKey();

/** Dies at a checkpoint, as far as one process can: nothing of the step that was at work goes on. */
export class Killed extends Error {}

/** A mint and a relay for many stories; each story has a wallet of the bot's, an owner's wallet and a bot.db of its own. */
export function createAutoTopUpBench() {
  const bench = createBench();
  const relay = startSandboxRelay();
  const mint: SandboxMint = bench.mint({ incoming: 'on-demand' });
  const ends: (() => unknown)[] = [];
  const relays = createRelays({
    ...{ own: [], sign: signAsBot, random: seededRandom(1), log: silent, timings: quickTimings, idleMs: 50 },
    clock: { now: Date.now },
    locate: async (url) => [{ url, headers: {}, tls: undefined }],
  });
  return {
    mint,
    relay,
    async story(options: {
      /** What the owner's wallet does; `pay` has an invoice paid, once, as Lightning does. */
      readonly wallet: (
        call: WalletCall,
        pay: () => void,
      ) => Promise<readonly FakeAnswer[]> | readonly FakeAnswer[];
      readonly cap?: number;
      readonly threshold?: number;
      readonly purse?: Partial<CashuWallet> | ((own: CashuWallet) => Partial<CashuWallet>);
      readonly at?: string;
    }) {
      let aheadMs = 0;
      const clock = { now: () => Date.now() + aheadMs };
      const own = bench.wallet(mint, { clock });
      const purse = { ...own, ...(typeof options.purse === 'function' ? options.purse(own) : options.purse) };
      const db: Database = openDatabase(':memory:', botMigrations);
      const store = createAutoTopUpStore(db);
      const meta = createMeta(db);
      const news: AutoTopUpNews[] = [];
      const payments: string[] = [];
      const fake = startFakeWallet({
        relays: [relay.url],
        speaks: ['nip44_v2'],
        onCall: async (call) => {
          const { invoice = '' } = call.params;
          return options.wallet(call, () => {
            if (payments.includes(invoice)) return;
            payments.push(invoice);
            mint.pay(mint.quoteOf(invoice));
          });
        },
      });
      await fake.ready();
      let isAdmin = true;
      const threshold: Sat = sat(options.threshold ?? 500);
      const open = (killAt?: string) => {
        const deps: AutoTopUpDeps = {
          ...{ store, relays, allowLoopback: true, sealer: createSealer(botKey) },
          wallet: { opened: () => purse, threshold: () => threshold },
          isAdmin: () => isAdmin,
          actsSince: () => actsSince(meta),
          atomically: (change) => db.transaction(change).immediate(),
          tell: (_, what) => void news.push(what),
          around: {
            reached: (checkpoint) => {
              if (checkpoint === killAt) throw new Killed(checkpoint);
            },
            ...{ clock, log: silent, protect: () => undefined },
            waits: { requestMs: 2_000, infoMs: 2_000, arrivalMs: 100 },
          },
        };
        const made = createAutoTopUp(deps);
        ends.push(made.close);
        return made;
      };
      const first = open(options.at);
      first.set(owner, first.read(fake.uri), sat(options.cap ?? 5_000));
      first.start();
      ends.push(fake.stop);
      return {
        ...{ first, open, store, news, payments, fake, own },
        kinds: () => news.map((each) => ('code' in each ? `${each.kind} ${each.code}` : each.kind)),
        later: (ms: number) => {
          aheadMs += ms;
        },
        takeOver: () => beginAsSuccessor(db, meta, clock.now()),
        demote: () => {
          isAdmin = false;
        },
      };
    },
    async end() {
      for (const each of ends.splice(0).reverse()) await each();
      relays.close();
      await relay.stop();
      await bench.end();
    },
  };
}
