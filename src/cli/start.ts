import { join } from 'node:path';
import type { Logger } from '@nostr-dm-agent/kit/log';
import { createLogger, createRedactor } from '@nostr-dm-agent/kit/log';
import type { App } from '../app/app.ts';
import { type ConfiguredOptions, configuredOrSetUp } from '../config/configured.ts';
import { registerSecrets } from '../config/register-secrets.ts';

/** How long an orderly stop may take after something has gone wrong inside. */
const stopAfterCrashMs = 10_000;

/**
 * `start`: reads the configuration, runs the bot until SIGINT or SIGTERM, stops it.
 * @returns the exit code: 0 after an orderly stop, 1 when it failed, 2 when the configuration can't be used
 */
export async function start(options: ConfiguredOptions): Promise<number> {
  const result = await configuredOrSetUp(options);
  if (result === undefined) return 2;
  const { config, notices } = result;

  const redactor = createRedactor();
  registerSecrets(redactor, config, process.env);
  const log = await createLogger({ level: config.logLevel, format: config.logFormat, redactor });
  for (const notice of notices) log.warn({}, notice);

  const ending = endOfProcess(log);
  try {
    const { startApp } = await import('../app/app.ts');
    const envFile = options.envFile ?? join(process.cwd(), '.env');
    const app = await startApp(config, {
      log,
      redact: redactor.text,
      protect: redactor.add,
      hiddenPaths: [envFile],
    });
    return await untilEnd(app, ending.reason, log);
  } catch (error) {
    log.error({ error }, 'the bot could not be started');
    return 1;
  } finally {
    ending.release();
  }
}

async function untilEnd(app: App, reason: Promise<Ending>, log: Logger): Promise<number> {
  const ending = await reason;
  log.info({ reason: ending.name }, 'stopping');
  if (ending.name !== 'crash') {
    await app.stop();
    log.info({}, 'stopped');
    return 0;
  }
  // What is inside may be broken: give its subprocesses and sockets a chance to end, but no more than that.
  await Promise.race([app.stop(), Bun.sleep(stopAfterCrashMs)]);
  return 1;
}

type Ending = { readonly name: 'SIGINT' | 'SIGTERM' | 'crash' };

/**
 * Resolves with the first reason to end. A second signal ends the process at once, for whoever does not want to wait.
 * A rejection or exception that nobody handled is a defect: it is logged and ends the process, rather than leaving a
 * bot that is half alive.
 */
function endOfProcess(log: Logger): { readonly reason: Promise<Ending>; readonly release: () => void } {
  const { promise, resolve } = Promise.withResolvers<Ending>();
  let signals = 0;
  const onSignal = (name: 'SIGINT' | 'SIGTERM') => (): void => {
    signals += 1;
    if (signals > 1) process.exit(130);
    resolve({ name });
  };
  const onDefect = (error: unknown): void => {
    log.error({ error }, 'something failed that nobody handled');
    resolve({ name: 'crash' });
  };
  const handlers = { SIGINT: onSignal('SIGINT'), SIGTERM: onSignal('SIGTERM') };
  process.on('SIGINT', handlers.SIGINT).on('SIGTERM', handlers.SIGTERM);
  process.on('unhandledRejection', onDefect).on('uncaughtException', onDefect);
  return {
    reason: promise,
    release: () => {
      process.off('SIGINT', handlers.SIGINT).off('SIGTERM', handlers.SIGTERM);
      process.off('unhandledRejection', onDefect).off('uncaughtException', onDefect);
    },
  };
}
