import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { OperationId, TopUpState } from '@nostr-dm-agent/cashu-wallet';
import {
  createWalletCaller,
  RemoteError,
  toJson,
  type WalletCaller,
} from '@nostr-dm-agent/cashu-wallet/remote';
import { createLogger, createRedactor } from '@nostr-dm-agent/kit/log';
import { formatSat, type Sat } from '@nostr-dm-agent/kit/sat';
import { ConfigError } from '../../config/config-error.ts';
import { describeConfigError } from '../../config/describe-config-error.ts';
import { plural } from '../../replies/format.ts';
import { describeTrouble } from '../../replies/wallet-error-replies.ts';
import { qrText } from '../../replies/wallet-qr.ts';
import {
  balanceLine,
  balanceText,
  checkText,
  costText,
  feeText,
  ledgerLine,
  mintName,
  operationLine,
  previewText,
  receivedText,
  sentText,
} from '../../replies/wallet-replies.ts';
import { CommandFailure, failureOf, terminal } from './command-failure.ts';
import { terminalOutput, type WalletOptions, type WalletOutput } from './terminal-output.ts';
import { loadWalletCliConfig } from './wallet-cli-config.ts';

/** What every command is: it says its answer and gives the exit code. */
type Work = (output: WalletOutput) => Promise<number>;

/** How often an invoice is asked about, and for how long one request may take. */
const pollMs = 2_000;
const requestTimeoutMs = 5 * 60_000;

/** Reads the configuration, does the work, says what went wrong. Returns the exit code: 0, 1 or 2. */
export async function runWalletCommand(options: WalletOptions, work: Work): Promise<number> {
  const json = options.json === true;
  const interrupted = new AbortController();
  const onInterrupt = (): void => interrupted.abort(new CommandFailure('Interrupted', 'Interrupted.'));
  process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt);
  try {
    const config = loadWalletCliConfig(process.env, process.cwd(), options.envFile);
    const log = await createLogger({ level: 'silent', format: 'json', redactor: createRedactor() });
    const output = terminalOutput(json);
    const ask = createWalletCaller(config, log);
    const call: WalletCaller = (request, signal) =>
      ask(request, signal).catch((error: unknown) => {
        throw error instanceof RemoteError ? failureOf(error, config.home, Date.now()) : error;
      });
    return await work({ ...output, call, signal: interrupted.signal });
  } catch (error) {
    if (error instanceof ConfigError) {
      process.stderr.write(`${describeConfigError(error)}\n`);
      return 2;
    }
    if (!(error instanceof CommandFailure)) throw error;
    process.stderr.write(`${error.message}\n`);
    if (json) process.stdout.write(`${toJson({ error: { kind: error.kind, message: error.message } }, 2)}\n`);
    return error.kind === 'WalletUsageError' ? 2 : 1;
  } finally {
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
  }
}

const within = (signal: AbortSignal): AbortSignal =>
  AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]);

export const balance = (): Work => async (output) => {
  const answer = await output.call({ command: 'balance', args: {} }, within(output.signal));
  output.answer(answer, balanceText(answer));
  return 0;
};

export const receive =
  (given: string | undefined): Work =>
  async (output) => {
    const token = await tokenOf(given);
    const answer = await output.call({ command: 'receive', args: { token } }, within(output.signal));
    output.answer(answer, receivedText(answer, answer.balance));
    return 0;
  };

export const send =
  (amount: Sat | 'all', mint: string | undefined): Work =>
  async (output) => {
    const answer = await output.call({ command: 'send', args: { amount, mint } }, within(output.signal));
    output.remark(sentText(answer.amount, answer.fee, answer.balance));
    output.answer(answer, answer.token);
    return 0;
  };

export const topup =
  (amount: Sat, mint: string | undefined, wait: boolean): Work =>
  async (output) => {
    const invoice = await output.call({ command: 'topup', args: { amount, mint } }, within(output.signal));
    const lines = [
      `Pay this invoice for ${formatSat(invoice.amount)} (${mintName(invoice.mint)}):`,
      invoice.invoice,
      `lightning:${invoice.invoice}`,
    ].join('\n');
    if (!wait) {
      output.answer({ ...invoice, state: 'unpaid' }, lines);
      return 0;
    }
    // With --json the one document comes at the end, so the invoice is said beside it.
    if (output.json) output.remark(lines);
    else process.stdout.write(`${lines}\n${output.interactive ? `${await qrText(invoice.invoice)}\n` : ''}`);
    const paid = await waitForPayment(output, invoice.operation);
    output.answer(
      { ...invoice, ...paid },
      paid.state === 'paid'
        ? `Paid. ${balanceLine(paid.balance)}`
        : 'The invoice expired. A payment that comes late is taken all the same, at the next command or by the bot.',
    );
    return paid.state === 'paid' ? 0 : 1;
  };

/** Asks again and again; nothing is held in between, so a bot can be started meanwhile. */
async function waitForPayment({ call, signal, remark }: WalletOutput, operation: OperationId) {
  for (let failures = 0; ; ) {
    try {
      const answer = await call({ command: 'claim', args: { operation } }, within(signal));
      if (isOver(answer.state)) return answer;
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

const isOver = (state: TopUpState): boolean => state !== 'unpaid';

export const withdraw =
  (to: string, amount: Sat | 'all' | undefined, mint: string | undefined, yes: boolean): Work =>
  async (output) => {
    if (!yes && !output.interactive) {
      throw new CommandFailure('WalletUsageError', 'Nobody can be asked here: say --yes to pay.');
    }
    const { call, signal } = output;
    const quote = await call({ command: 'quote', args: { to: to.trim(), amount, mint } }, within(signal));
    output.remark(`${formatSat(quote.amount)} from ${mintName(quote.mint)}. ${costText(quote)}`);
    if (!yes && !(await confirmed())) {
      throw new CommandFailure('Declined', 'Nothing was paid.');
    }
    const { withdrawal, balance: left } = await call(
      { command: 'pay', args: { operation: quote.operation } },
      within(signal),
    );
    output.answer(
      { quote, withdrawal, balance: left },
      withdrawal.state === 'paid'
        ? `Paid ${formatSat(withdrawal.amount)} (${feeText(withdrawal.fee)}). ${balanceLine(left)}`
        : `The payment is under way; its money is reserved until the mint says what became of it. wallet pending shows it.`,
    );
    return 0;
  };

async function confirmed(): Promise<boolean> {
  const { confirm } = await import('@clack/prompts');
  return (await confirm({ message: 'Pay this?', initialValue: false })) === true;
}

export const history =
  (limit: number): Work =>
  async (output) => {
    const answer = await output.call({ command: 'history', args: { limit } }, within(output.signal));
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
    return 0;
  };

export const pending = (): Work => async (output) => {
  const answer = await output.call({ command: 'pending', args: {} }, within(output.signal));
  const lines = answer.operations.map((operation) => {
    const line = operationLine(operation, Date.now());
    return operation.trouble === undefined ? line : `${line} · ${describeTrouble(operation.trouble)}`;
  });
  output.answer(answer, lines.length === 0 ? 'Nothing is open.' : lines.join('\n'));
  return 0;
};

export const reclaim =
  (id: string): Work =>
  async (output) => {
    const { call, signal } = output;
    const operation = id.trim().toLowerCase() as OperationId;
    const answer = await call({ command: 'reclaim', args: { operation } }, within(signal));
    const { outcome } = answer;
    output.answer(
      answer,
      outcome.state === 'claimed'
        ? 'Too late: the token has been claimed by its receiver.'
        : `Taken back: ${formatSat(outcome.amount)} (${feeText(outcome.fee)}). ${balanceLine(answer.balance)}`,
    );
    return outcome.state === 'claimed' ? 1 : 0;
  };

export const decode =
  (given: string | undefined): Work =>
  async (output) => {
    const token = await tokenOf(given);
    const answer = await output.call({ command: 'decode', args: { token } }, within(output.signal));
    output.answer(answer, previewText(answer, terminal));
    return 0;
  };

export const mints =
  (add: string | undefined, remove: string | undefined): Work =>
  async (output) => {
    const answer = await output.call({ command: 'mints', args: { add, remove } }, within(output.signal));
    output.answer(
      answer,
      answer.mints.map((mint) => (mint === answer.default ? `${mint} (default)` : mint)).join('\n'),
    );
    return 0;
  };

export const check = (): Work => async (output) => {
  const answer = await output.call({ command: 'check', args: {} }, within(output.signal));
  output.answer(answer, checkText(answer));
  return answer.consistent && answer.spentElsewhere === 0 && answer.unreachable.length === 0 ? 0 : 1;
};

export const backup =
  (path: string): Work =>
  async (output) => {
    const request = { command: 'backup', args: { path: resolve(path) } } as const;
    const answer = await output.call(request, within(output.signal));
    output.answer(
      answer,
      `Written: ${answer.path}. It holds money, like the wallet itself; it does not hold the words.`,
    );
    return 0;
  };

export const restore = (): Work => async (output) => {
  const answer = await output.call({ command: 'restore', args: {} }, output.signal);
  const away = answer.unreachable.map((mint) => `${mintName(mint)} could not be asked; try again later.`);
  output.answer(
    answer,
    [
      `Found ${formatSat(answer.recovered)} in ${plural(answer.proofs, 'proof')} that this wallet did not know. ${balanceLine(answer.balance)}`,
      ...away,
    ].join('\n'),
  );
  return away.length === 0 ? 0 : 1;
};

/** A token as it was given, or from standard input: what is on the command line can be seen by others on this host. */
async function tokenOf(given: string | undefined): Promise<string> {
  if (given !== undefined && given !== '-') return given;
  if (process.stdin.isTTY === true) process.stderr.write('Paste the token, then Ctrl-D:\n');
  const token = (await Bun.stdin.text()).trim();
  if (token === '')
    throw new CommandFailure('WalletUsageError', 'There is no token: give it, or pipe it in.');
  return token;
}
