/* `wallet encrypt` or `wallet decrypt`, in a process that ends itself at a step. */
import type { WalletConfig } from '@nostr-dm-agent/cashu-wallet';
import { quiet } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { type AtRestParts, decryptWallet, encryptWallet } from '../../src/cli/wallet/encrypt.ts';
import { memoryKeyring } from './memory-keyring.ts';

export type AtRestOrder = {
  readonly work: 'encrypt' | 'decrypt';
  readonly step: string;
  readonly passphrase: string;
  readonly home: string;
  readonly wallet: WalletConfig;
  readonly envFile: string;
};

const order: AtRestOrder = JSON.parse(await Bun.stdin.text());
const parts: AtRestParts = {
  holder: order,
  envFile: order.envFile,
  keyring: memoryKeyring(),
  log: quiet,
  signal: AbortSignal.timeout(20_000),
  reached: (step) => {
    if (step === order.step) process.kill(process.pid, 'SIGKILL');
  },
};
if (order.work === 'encrypt')
  await encryptWallet(parts, { kind: 'passphrase', passphrase: order.passphrase });
else await decryptWallet(parts);
