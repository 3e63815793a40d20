import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CashuWallet, FoundMoney, OperationId } from '@nostr-dm-agent/cashu-wallet';
import {
  callerOver,
  createWalletLine,
  RemoteError,
  restoreFrom as restoreDatabase,
  toJson,
  type WalletAnswer,
  type WalletLine,
} from '@nostr-dm-agent/cashu-wallet/remote';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { createLogger, createRedactor } from '@nostr-dm-agent/kit/log';
import { addSat, formatSat, type Sat, subtractSat, zeroSat } from '@nostr-dm-agent/kit/sat';
import { createPaidRunStore, paidRunTables, runsLeftIn } from '@nostr-dm-agent/routstr/books';
import { keysOver, withKeys } from '@nostr-dm-agent/routstr/remote';
import { ConfigError } from '../../config/config-error.ts';
import { describeConfigError } from '../../config/describe-config-error.ts';
import { checkText } from '../../replies/check-replies.ts';
import { lines as asLines, formatDuration, plural } from '../../replies/format.ts';
import { keysLine } from '../../replies/key-replies.ts';
import { renamedText } from '../../replies/mint-replies.ts';
import { openRequestLine } from '../../replies/request-replies.ts';
import { describeTrouble } from '../../replies/wallet-error-replies.ts';
import { foundText } from '../../replies/wallet-news.ts';
import {
  balanceLine,
  balanceText,
  costText,
  feeText,
  ledgerLine,
  mintName,
  operationLine,
  previewText,
  receivedText,
  sentText,
} from '../../replies/wallet-replies.ts';
import { standardOutput, terminalQr } from '../terminal-qr.ts';
import { CommandFailure, failureOf, replacingFailureOf, terminal } from './command-failure.ts';
import { restoredFromText } from './restore-text.ts';
import { terminalOutput, type WalletOptions, type WalletOutput } from './terminal-output.ts';
import { loadWalletCliConfig, wordsOf } from './wallet-cli-config.ts';

export { exportBooks, refund } from './key-commands.ts';

/** What every command is: it says its answer and gives the exit code, if that is not 0. */
type Work = (output: WalletOutput) => Promise<number | undefined>;

/** How often an invoice is asked about, and for how long one request may take. */
const pollMs = 2_000;
const requestTimeoutMs = 5 * 60_000;
/** For how long the wallet is held after it was used: not while a person thinks, or an invoice waits. */
const lingerMs = 300;
/** All keysets of all mints, with gaps, at mints that want pauses. */
const restoreTimeoutMs = 24 * 3_600_000;

/** Reads the configuration, does the work, says what went wrong. Returns the exit code: 0, 1 or 2. */
export async function runWalletCommand(options: WalletOptions, work: Work): Promise<number> {
  const json = options.json === true;
  const found: FoundMoney[] = [];
  let line: WalletLine | undefined;
  const interrupted = new AbortController();
  const onInterrupt = (): void => interrupted.abort(new CommandFailure('Interrupted', 'Interrupted.'));
  process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt);
  try {
    const config = loadWalletCliConfig(process.env, process.cwd(), options.envFile);
    const log = await createLogger({ level: 'silent', format: 'json', redactor: createRedactor() });
    const output = terminalOutput(json, () => found);
    const onFound = (more: readonly FoundMoney[]): void => {
      found.push(...more);
      output.remark(more.map(foundText).join('\n'));
    };
    const wallet = createWalletLine({ ...config, onFound, extend: withKeys({ log }), lingerMs }, log);
    line = wallet;
    const call = callerOver(wallet);
    const failWith =
      (explain: typeof failureOf) =>
      (error: unknown): never => {
        if (!(error instanceof RemoteError)) throw error;
        // The words could not be had.
        throw error.cause instanceof ConfigError ? error.cause : explain(error, config.home, Date.now());
      };
    const askKeys: WalletOutput['askKeys'] = async (work) => {
      const signal = AbortSignal.any([interrupted.signal, AbortSignal.timeout(requestTimeoutMs)]);
      try {
        return await work(keysOver(wallet), signal);
      } catch (error) {
        return failWith(failureOf)(error);
      }
    };
    const ask: WalletOutput['ask'] = (command, args, timeoutMs = requestTimeoutMs) => {
      const signal = AbortSignal.any([interrupted.signal, AbortSignal.timeout(timeoutMs)]);
      return call({ command, args }, signal).catch(failWith(failureOf));
    };
    const holder = async () => ({ ...config, wallet: { ...config.wallet, mnemonic: await wordsOf(config) } });
    const restoreFrom: WalletOutput['restoreFrom'] = async (path) => {
      const signal = AbortSignal.any([interrupted.signal, AbortSignal.timeout(restoreTimeoutMs)]);
      const known = { paid_runs: paidRunTables.length };
      const opened = (wallet: CashuWallet): void => void createPaidRunStore(wallet, systemClock);
      return restoreDatabase(await holder(), path, known, { log, opened }, signal).catch(
        failWith(replacingFailureOf),
      );
    };
    const atRest: WalletOutput['atRest'] = async () => ({
      holder: await holder(),
      envFile: options.envFile ?? join(process.cwd(), '.env'),
      keyring: (await import('@nostr-dm-agent/cashu-wallet/open')).systemKeyring,
      log,
      signal: interrupted.signal,
    });
    return (await work({ ...output, ask, askKeys, restoreFrom, atRest, signal: interrupted.signal })) ?? 0;
  } catch (error) {
    const isConfig = error instanceof ConfigError;
    if (!isConfig && !(error instanceof CommandFailure)) throw error;
    const message = isConfig ? describeConfigError(error) : error.message;
    const kind = isConfig ? error.name : error.kind;
    process.stderr.write(`${message}\n`);
    if (json) {
      const older = found.length === 0 ? {} : { found };
      process.stdout.write(`${toJson({ error: { kind, message }, ...older }, 2)}\n`);
    }
    return isConfig || kind === 'WalletUsageError' ? 2 : 1;
  } finally {
    // Who asked this process meanwhile is answered before it ends.
    await line?.close();
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
  }
}

export async function balance(output: WalletOutput): Promise<undefined> {
  const answer = await output.ask('balance', {});
  const keys = await output.askKeys((session, signal) => session.keys('open', signal));
  output.answer({ ...answer, keys }, asLines(balanceText(answer), keysLine(keys)));
}

export async function receive(output: WalletOutput, given: string | undefined): Promise<undefined> {
  const token = await tokenOf(given);
  const answer = await output.ask('receive', { token });
  output.answer(answer, receivedText(answer, answer.balance));
}

export async function send(
  output: WalletOutput,
  amount: Sat | 'all',
  mint: string | undefined,
  yes: boolean,
): Promise<undefined> {
  const sure = amount === 'all' ? await agreeToAll(output, mint, yes) : { amount, mint };
  const answer = await output.ask('send', sure);
  output.remark(sentText(answer.amount, answer.fee, answer.balance));
  output.answer(answer, answer.token);
}

/**
 * What `all` comes to, and what it costs, before it is sent: exactly this is sent then. Somebody at a terminal is asked;
 * where nobody is, or a script reads (`--json`), it is said beside the answer.
 */
async function agreeToAll(output: WalletOutput, mint: string | undefined, yes: boolean) {
  const quote = await output.ask('quoteSend', { amount: 'all', mint });
  const fees = addSat(subtractSat(quote.face, quote.amount), quote.fee);
  output.remark(
    `All that is ready at ${mintName(quote.mint)}: a token worth ${formatSat(quote.amount)}. ${fees === 0 ? 'The mint takes no fee.' : `The mint takes about ${formatSat(fees)}.`}`,
  );
  if (output.interactive && !output.json && !yes && !(await confirmed('Make this token?'))) {
    throw new CommandFailure('Declined', 'No token was made.');
  }
  return { amount: quote.amount, mint: quote.mint };
}

export async function topup(
  output: WalletOutput,
  amount: Sat,
  mint: string | undefined,
  wait: boolean,
): Promise<number> {
  const invoice = await output.ask('topup', { amount, mint });
  const { request } = invoice;
  const lines = [
    `Pay this invoice for ${formatSat(invoice.amount)} (${mintName(invoice.mint)}):`,
    invoice.invoice,
    `lightning:${invoice.invoice}`,
    ...(request === undefined ? [] : ['or this request from a Cashu wallet:', request.text]),
  ].join('\n');
  if (!wait) {
    output.answer({ ...invoice, state: 'unpaid' }, lines);
    return 0;
  }
  // With --json the one document comes at the end, so the invoice is said beside it.
  if (output.json) output.remark(lines);
  else process.stdout.write(`${lines}\n${output.interactive ? await qrCodes(invoice) : ''}`);
  const paid = await waitForPayment(output, invoice.operation);
  output.answer(
    { ...invoice, ...paid },
    paid.state === 'paid'
      ? `Paid. ${balanceLine(paid.balance)}`
      : 'The invoice expired. A payment that comes late is taken all the same, at the next command or by the bot.',
  );
  return paid.state === 'paid' ? 0 : 1;
}

/** To be scanned: the invoice, and the request where there is one. What is too wide for the terminal is left out. */
async function qrCodes({
  invoice,
  request,
}: Pick<WalletAnswer<'topup'>, 'invoice' | 'request'>): Promise<string> {
  const surface = standardOutput();
  const titled = async (title: string, text: string): Promise<string> => {
    const code = await terminalQr(text, surface);
    return code === undefined ? '' : `\n${title}\n${code}\n`;
  };
  const ofInvoice = await titled('Lightning:', invoice.toUpperCase());
  return request === undefined ? ofInvoice : ofInvoice + (await titled('Cashu:', request.qr));
}

/** Asks again and again; nothing is held in between, so a bot can be started meanwhile. */
async function waitForPayment({ ask, signal, remark, progress }: WalletOutput, operation: OperationId) {
  const begun = performance.now();
  for (let failures = 0; ; ) {
    try {
      const answer = await ask('claim', { operation });
      if (answer.state !== 'unpaid') {
        progress('');
        return answer;
      }
      progress(
        `Not paid yet (${formatDuration(performance.now() - begun)}). Ctrl-C ends the waiting, not the invoice.`,
      );
      failures = 0;
    } catch (error) {
      // A mint that is away for a moment, or a bot that is just starting, is no reason to give up.
      if (signal.aborted || failures > 30 || !(error instanceof CommandFailure)) throw error;
      if (failures === 0) remark(`${error.message} Waiting goes on.`);
      failures += 1;
    }
    await delay(pollMs, undefined, { signal }).catch(() => {
      throw new CommandFailure(
        'Interrupted',
        'Not waited for any longer. A payment is taken all the same, at the next command or by the bot.',
      );
    });
  }
}

export async function withdraw(
  output: WalletOutput,
  to: string,
  amount: Sat | 'all' | undefined,
  mint: string | undefined,
  yes: boolean,
): Promise<undefined> {
  if (!yes && !output.interactive) {
    throw new CommandFailure('WalletUsageError', 'Nobody can be asked here: say --yes to pay.');
  }
  const quote = await output.ask('quote', { to: to.trim(), amount, mint });
  output.remark(`${formatSat(quote.amount)} from ${mintName(quote.mint)}. ${costText(quote)}`);
  if (!yes && !(await confirmed('Pay this?'))) {
    throw new CommandFailure('Declined', 'Nothing was paid.');
  }
  const { withdrawal, balance: left } = await output.ask('pay', { operation: quote.operation });
  output.answer(
    { quote, withdrawal, balance: left },
    withdrawal.state === 'paid'
      ? `Paid ${formatSat(withdrawal.amount)} (${feeText(withdrawal.fee)}). ${balanceLine(left)}`
      : `The payment is under way; its money is reserved until the mint says what became of it. wallet pending shows it.`,
  );
}

async function confirmed(message: string): Promise<boolean> {
  const { confirm } = await import('@clack/prompts');
  return (await confirm({ message, initialValue: false })) === true;
}

export async function history(output: WalletOutput, limit: number): Promise<undefined> {
  const answer = await output.ask('history', { limit });
  const now = Date.now();
  const part = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [`${title}: none yet`] : [`${title}:`, ...lines.map((line) => `  ${line}`)];
  output.answer(
    answer,
    [
      ...part(
        'Paid runs',
        answer.runs.map((run) => ledgerLine(run, now)),
      ),
      ...part(
        'Operations',
        answer.operations.map((operation) => operationLine(operation, now)),
      ),
    ].join('\n'),
  );
}

export async function pending(output: WalletOutput): Promise<undefined> {
  const answer = await output.ask('pending', {});
  const lines = answer.operations.map((operation) => {
    const line = operationLine(operation, Date.now());
    return operation.trouble === undefined ? line : `${line} · ${describeTrouble(operation.trouble)}`;
  });
  const requests = answer.requests.map((request) => openRequestLine(request, Date.now()));
  output.answer(answer, [...requests, ...lines].join('\n') || 'Nothing is open.');
}

export async function reclaim(output: WalletOutput, id: string): Promise<number> {
  const operation = id.trim().toLowerCase() as OperationId;
  const answer = await output.ask('reclaim', { operation });
  const { outcome } = answer;
  output.answer(
    answer,
    outcome.state === 'claimed'
      ? 'Too late: the token has been claimed by its receiver.'
      : `Taken back: ${formatSat(outcome.amount)} (${feeText(outcome.fee)}). ${balanceLine(answer.balance)}`,
  );
  return outcome.state === 'claimed' ? 1 : 0;
}

export async function decode(output: WalletOutput, given: string | undefined): Promise<undefined> {
  const token = await tokenOf(given);
  const answer = await output.ask('decode', { token });
  output.answer(answer, previewText(answer, terminal));
}

export async function mints(
  output: WalletOutput,
  add: string | undefined,
  remove: string | undefined,
): Promise<undefined> {
  const answer = await output.ask('mints', { add, remove });
  output.answer(
    answer,
    answer.mints.map((mint) => (mint === answer.default ? `${mint} (default)` : mint)).join('\n'),
  );
}

export async function renameMint(output: WalletOutput, words: readonly string[]): Promise<undefined> {
  const [word, from, to, ...more] = words;
  if (word !== 'rename' || from === undefined || to === undefined || more.length > 0) {
    throw new CommandFailure('WalletUsageError', 'wallet mints takes nothing, or: rename <old> <new>.');
  }
  const answer = await output.ask('rename', { from, to });
  output.answer(answer, renamedText(answer));
}

export async function check(output: WalletOutput): Promise<number> {
  const answer = await output.ask('check', {}, restoreTimeoutMs);
  output.answer(answer, checkText(answer));
  if (!answer.consistent || answer.spentElsewhere > 0) return 1;
  return answer.notLooked.length === 0 ? 0 : 3;
}

export async function backup(output: WalletOutput, path: string): Promise<undefined> {
  const answer = await output.ask('backup', { path: resolve(path) });
  output.answer(
    answer,
    `Written: ${answer.path}. It holds money, like the wallet itself; it does not hold the words. wallet restore --from puts it back.`,
  );
}

export async function restore(output: WalletOutput, from: string | undefined): Promise<number> {
  if (from !== undefined) return restoreFromFile(output, resolve(from));
  const answer = await output.ask('restore', {}, restoreTimeoutMs);
  const away = [
    ...answer.unreachable.map((mint) => `${mintName(mint)} could not be asked; try again later.`),
    ...answer.unsearched.map(
      (keyset) =>
        `Its mint does not give the keys of keyset ${keyset} any more; what is there was not searched.`,
    ),
  ];
  output.answer(
    answer,
    [
      `Found ${formatSat(answer.recovered)} in ${plural(answer.proofs, 'proof')} that this wallet did not know. ${balanceLine(answer.balance)}`,
      // Words can't tell what is kept from what is given.
      ...(answer.recovered > 0
        ? ['If a token that you gave away is not claimed yet, its sum is among these until it is.']
        : []),
      ...away,
    ].join('\n'),
  );
  return away.length === 0 ? 0 : 1;
}

async function restoreFromFile(output: WalletOutput, path: string): Promise<number> {
  const answer = await output.restoreFrom(path);
  const { kept, file } = answer;
  const runsLeft = kept === undefined ? { runs: 0, amount: zeroSat } : runsLeftIn(kept, file);
  output.answer({ ...answer, runsLeft }, restoredFromText(answer, runsLeft, Date.now()));
  return answer.check.unreachable.length === 0 ? 0 : 1;
}

/** A token as it was given, or from standard input: what is on the command line can be seen by others on this host. */
async function tokenOf(given: string | undefined): Promise<string> {
  if (given !== undefined && given !== '-') return given;
  if (process.stdin.isTTY === true) process.stderr.write('Paste the token, then Ctrl-D:\n');
  const token = (await Bun.stdin.text()).trim();
  if (token === '')
    throw new CommandFailure('WalletUsageError', 'There is no token: give it, or pipe it in.');
  return token;
}
