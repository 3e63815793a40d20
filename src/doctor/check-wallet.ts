import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BadMnemonicError, type WalletConfig, WalletInUseError } from '@nostr-dm-agent/cashu-wallet';
import { createWallet, mintsToday, walletFile } from '@nostr-dm-agent/cashu-wallet/open';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { readText } from '@nostr-dm-agent/kit/http';
import { parseJson } from '@nostr-dm-agent/kit/json';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { outwardFetch } from '@nostr-dm-agent/kit/net';
import { z } from 'zod';
import type { Config } from '../config/config.ts';
import { formatDuration, messageOf } from '../replies/format.ts';
import { balanceText, mintName } from '../replies/wallet-replies.ts';
import type { Finding } from './finding.ts';

const timeoutMs = 10_000;
const largestAnswer = 1024 * 1024;

/** The words, the database, and the mints. */
export async function checkWallet(
  { wallet }: Pick<Config, 'wallet'>,
  log: Logger,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  if (wallet === undefined) {
    return [
      {
        subject: 'wallet',
        state: 'ok',
        fact: 'none: CASHU_MNEMONIC is not set, so only free providers work',
      },
    ];
  }
  let file: string;
  try {
    file = walletFile(wallet);
  } catch (cause) {
    if (!(cause instanceof BadMnemonicError)) throw cause;
    return [
      {
        subject: 'wallet',
        state: 'broken',
        fact: 'the words of CASHU_MNEMONIC are not valid',
        remedy: 'correct them; doctor and start say which word',
      },
    ];
  }
  return [...(await checkDatabase(wallet, file, log)), ...(await checkMints(wallet, signal))];
}

/** Those of the configuration, the default one above all. */
export async function checkMints(wallet: WalletConfig, signal: AbortSignal): Promise<readonly Finding[]> {
  const today = mintsToday(wallet);
  const named = [...new Set([wallet.mintUrl, ...wallet.mints])];
  const mints = [...new Set(named.map(today))];
  return [
    ...named.filter((url) => today(url) !== url).map((url) => movedFinding(url, today(url))),
    ...(await Promise.all(mints.map((url) => checkMint(url, url === today(wallet.mintUrl), signal)))),
  ];
}

const movedFinding = (before: string, today: string): Finding => ({
  subject: `mint ${mintName(before)}`,
  state: 'warning',
  fact: `it has moved to ${mintName(today)}; the old address in CASHU_MINT_URL or CASHU_MINTS works on as a name of it`,
  remedy: `name ${today} there`,
});

/** Whether others can look into its file. @throws the system's error when it can't be looked at */
export async function openToOthers(file: string): Promise<Finding | undefined> {
  for (const path of [file, dirname(file)]) {
    if (((await stat(path)).mode & 0o077) === 0) continue;
    return {
      subject: 'wallet',
      state: 'warning',
      fact: `others on this host can look into ${path}. It holds money.`,
      remedy: path === file ? `chmod 600 ${path}` : `chmod 700 ${path}`,
    };
  }
  return undefined;
}

async function checkDatabase(wallet: WalletConfig, file: string, log: Logger): Promise<readonly Finding[]> {
  const subject = 'wallet';
  try {
    const open = await openToOthers(file);
    if (open !== undefined) return [open];
  } catch (cause) {
    const missing = errorCode(cause) === 'ENOENT';
    return [
      missing
        ? {
            subject,
            state: 'ok',
            fact: `the words are valid; ${file} is made at the first start`,
          }
        : { subject, state: 'broken', fact: messageOf(cause), remedy: `make ${file} readable for this user` },
    ];
  }
  try {
    const open = createWallet(wallet, { log });
    try {
      return [{ subject, state: 'ok', fact: `${file}: ${balanceText(open.balance()).split('\n')[0]}` }];
    } finally {
      open.close();
    }
  } catch (cause) {
    if (cause instanceof WalletInUseError) {
      const { holder } = cause;
      const who = holder
        ? `process ${holder.pid} on ${holder.host} for ${formatDuration(Date.now() - holder.since)}`
        : 'another process';
      return [{ subject, state: 'ok', fact: `in use by ${who}: ${file}` }];
    }
    return [
      {
        subject,
        state: 'broken',
        fact: messageOf(cause),
        remedy: `see that ${file} is this bot's and writable; with the words alone, bun run wallet restore finds the money`,
      },
    ];
  }
}

/** NUT-02, as much of it as says whether we can use the mint. */
const keysetsSchema = z.object({
  keysets: z.array(z.object({ id: z.string(), unit: z.string(), active: z.boolean() })),
});
/** Kinds of keyset ids that cashu-ts 4.8 knows. */
const supportedId = /^0[01][0-9a-f]+$/;

async function checkMint(url: string, isDefault: boolean, signal: AbortSignal): Promise<Finding> {
  const subject = `mint ${mintName(url)}`;
  const state = isDefault ? 'broken' : 'warning';
  const startedAt = performance.now();
  try {
    const response = await outwardFetch(`${url.replace(/\/+$/, '')}/v1/keysets`, {
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    if (!response.ok) throw new Error(`it answers with status ${response.status}`);
    const body = await readText(response, largestAnswer);
    if (body === undefined) throw new Error('its answer is too large');
    const { keysets } = keysetsSchema.parse(parseJson(body));
    const active = keysets.filter((keyset) => keyset.unit === 'sat' && keyset.active);
    if (!active.some(({ id }) => supportedId.test(id))) {
      return {
        subject,
        state,
        fact:
          active.length === 0
            ? 'it signs nothing in sat'
            : 'it has only keysets of a kind that is not known here',
        remedy: 'take another mint (CASHU_MINT_URL), or a newer version of the bot',
      };
    }
    return { subject, state: 'ok', fact: `answers in ${formatDuration(performance.now() - startedAt)}` };
  } catch (cause) {
    return {
      subject,
      state,
      fact: cause instanceof z.ZodError ? 'it does not answer like a mint' : messageOf(cause),
      remedy: 'see if the address is right and the mint is up; what is there is not lost',
    };
  }
}
