import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { LogDestination, Logger } from '@nostr-dm-agent/kit/log';
import { createLogger, createRedactor, keepLog } from '@nostr-dm-agent/kit/log';
import type { App } from '../app/app.ts';
import { type ConfiguredOptions, configuredOrSetUp } from '../config/configured.ts';
import { registerSecrets } from '../config/register-secrets.ts';
import { FencedError } from '../store/fenced-error.ts';
import { logsIn } from '../store/logs-folder.ts';
import { operatorHint } from './start-failure.ts';

/**
 * How long an orderly stop may take: agents are ended, runs settled as far as that goes, answers delivered. Whatever is
 * open after that is finished by the next start.
 */
const stopWithinMs = 15_000;

export type StartOptions = ConfiguredOptions & { readonly takeOver?: boolean | undefined };

/**
 * `start`: reads the configuration, runs the bot until SIGINT, SIGTERM or SIGHUP, stops it.
 * @returns the exit code: 0 after an orderly stop, 1 when it failed, 2 when the configuration can't be used or another bot has
 *   taken over
 */
export async function start(options: StartOptions): Promise<number> {
  const result = await configuredOrSetUp(options);
  if (result === undefined) return 2;
  const { config, notices } = result;

  const redactor = createRedactor();
  registerSecrets(redactor, config, process.env);
  const { kept, problem } = openKept(config.home);
  const log = await createLogger({ level: config.logLevel, format: config.logFormat, redactor, kept });
  for (const notice of notices) log.warn({}, notice);
  if (problem !== undefined) log.warn({ problem }, 'the log can’t be kept in the bot’s home');

  const { home } = config;
  const ending = endOfProcess(log, home);
  try {
    const { startApp } = await import('../app/app.ts');
    const envFile = options.envFile ?? join(process.cwd(), '.env');
    const untilStarted = new AbortController();
    const starting = startApp(config, {
      log,
      redact: redactor.text,
      protect: redactor.add,
      hiddenPaths: [envFile],
      ...(process.stdout.isTTY === true && { onPage: (link: string) => process.stdout.write(`${link}\n`) }),
      signal: untilStarted.signal,
      takeOver: options.takeOver === true,
      onFenced: ending.fenced,
    });
    const first = await Promise.race([starting, ending.reason]);
    if (!('name' in first)) return await untilEnd(first, ending.reason, log);
    log.info({ reason: first.name }, 'stopping before the start was complete');
    untilStarted.abort();
    const ended = starting.then(
      (app) => app.stop(),
      () => undefined,
    );
    return await codeOf(first, ended, log);
  } catch (error) {
    tellFault(log, error, home, 'the bot could not be started');
    // A service manager does not try that again.
    return error instanceof FencedError ? 2 : 1;
  } finally {
    ending.release();
  }
}

/** What can't be kept is still said. */
function openKept(home: string): { readonly kept?: LogDestination; readonly problem?: unknown } {
  try {
    return { kept: keepLog(logsIn(home)) };
  } catch (problem) {
    return { problem };
  }
}

async function untilEnd(app: App, reason: Promise<Ending>, log: Logger): Promise<number> {
  const ending = await reason;
  log.info({ reason: ending.name }, 'stopping');
  return codeOf(ending, app.stop(), log);
}

/** What an operator can put right is one line; a fault of the program comes with its stack. */
function tellFault(log: Logger, error: unknown, home: string, message: string): void {
  const hint = operatorHint(error, home);
  if (hint === undefined) log.error({ error }, message);
  else log.error({}, `${message}: ${hint}`);
}

/** The exit code, once everything has ended or the time for it is over. */
async function codeOf(ending: Ending, ended: Promise<void>, log: Logger): Promise<number> {
  const inTime = await Promise.race([ended.then(() => true), Bun.sleep(stopWithinMs).then(() => false)]);
  if (inTime) log.info({}, 'stopped');
  else log.warn({}, 'not everything came to its end in time; the next start settles what is open');
  if (ending.name === 'fenced') return 2;
  return ending.name === 'crash' ? 1 : 0;
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Ending = { readonly name: (typeof signals)[number] | 'crash' | 'fenced' };

/**
 * Resolves with the first reason to end. A second signal ends the process at once, for whoever does not want to wait.
 * A rejection or exception that nobody handled is a defect: it is logged and ends the process, rather than leaving a
 * bot that is half alive.
 */
function endOfProcess(
  log: Logger,
  home: string,
): { readonly reason: Promise<Ending>; readonly fenced: () => void; readonly release: () => void } {
  const { promise, resolve } = Promise.withResolvers<Ending>();
  let received = 0;
  // The terminal may send a SIGHUP of its own after another signal: it is nobody's wish to hurry.
  const handlers = signals
    .filter((name) => name !== 'SIGHUP' || !isIgnored(name))
    .map((name) => {
      const handle = (): void => {
        if (name !== 'SIGHUP') received += 1;
        if (received > 1) process.exit(130);
        resolve({ name });
      };
      return { name, handle };
    });
  const onDefect = (error: unknown): void => {
    tellFault(log, error, home, 'the bot ends after something failed');
    resolve({ name: 'crash' });
  };
  for (const { name, handle } of handlers) process.on(name, handle);
  process.on('unhandledRejection', onDefect).on('uncaughtException', onDefect);
  return {
    reason: promise,
    fenced: () => resolve({ name: 'fenced' }),
    release: () => {
      for (const { name, handle } of handlers) process.off(name, handle);
      process.off('unhandledRejection', onDefect).off('uncaughtException', onDefect);
    },
  };
}

/** Whoever starts the bot with `nohup` wants it to outlive the terminal: it inherits that SIGHUP is ignored. */
function isIgnored(signal: 'SIGHUP'): boolean {
  const status = existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : '';
  const mask = /^SigIgn:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0';
  return ((BigInt(`0x${mask}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
}
