import { resolve } from 'node:path';
import { WalletInUseError } from '@nostr-dm-agent/cashu-wallet';
import { LockHeldError } from '@nostr-dm-agent/kit/lock';
import { KeepCopyError } from '@nostr-dm-agent/kit/sqlite';
import { findInstallation } from '../backup/installation.ts';
import { ConfigError } from '../config/config-error.ts';
import { describeConfigError } from '../config/describe-config-error.ts';
import { packageFolder } from '../config/workspace-rules.ts';
import { plural } from '../replies/format.ts';
import { serviceName } from '../setup/service-unit.ts';
import { CheckoutError, openCheckout, type Target } from '../upgrade/checkout.ts';
import { ServiceError } from '../upgrade/running-service.ts';
import { type Resumed, UpgradeFailedError } from '../upgrade/upgrade-install.ts';
import { type UpgradeOutcome, upgradeRunning } from '../upgrade/upgrade-running.ts';
import { operatorHint } from './start-failure.ts';

// Everything is loaded before the files of this program are replaced: nothing here is loaded when it is needed.

export type UpgradeOptions = {
  readonly to?: string;
  readonly check: boolean;
  readonly folder?: string;
  readonly envFile?: string;
};

/** A bot that can't start ends well within it. */
const steadyMs = 15_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** `upgrade`: the newest version, its databases with it, or everything as it was. @returns the exit code: 0, 1 failed, 2 wrong usage or configuration */
export async function upgrade(options: UpgradeOptions): Promise<number> {
  const interrupted = new AbortController();
  const { signal } = interrupted;
  const onInterrupt = (): void => interrupted.abort();
  process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt);
  const directory = process.cwd();
  try {
    const installation = findInstallation(process.env, directory, options.envFile);
    const checkout = await openCheckout(resolve(directory, options.folder ?? packageFolder), signal);
    if (options.check) {
      say(newsText(await checkout.findTarget(options.to)));
      return 0;
    }
    const outcome = await upgradeRunning({
      ...{ installation, checkout, signal, to: options.to, steadyMs },
      news: {
        target: (target) => say(newsText(target)),
        resumed: (resumed) => say(resumedText[resumed]),
        begins: () => say('Nobody works here: the databases are copied first.'),
        started: ({ name }, started) =>
          say(started ? `${name} runs again.` : `${name} could not be started: start it.`),
      },
    });
    return tellOutcome(outcome);
  } catch (error) {
    process.stderr.write(`${failureText(error, directory, signal)}\n`);
    return error instanceof ConfigError ? 2 : 1;
  } finally {
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
  }
}

/** @returns the exit code */
function tellOutcome(outcome: UpgradeOutcome): 0 | 1 {
  switch (outcome.kind) {
    case 'newest':
      return 0;
    case 'upgraded':
      say(
        {
          none: 'Done. Now start it.',
          up: 'Done: it stays up.',
          down: 'Done. The service does not stay up, as before: its log says why.',
        }[outcome.service ?? 'none'],
      );
      return outcome.service === 'down' ? 1 : 0;
    case 'undone':
    case 'kept': {
      const { name, kind } = outcome.service;
      const log = `journalctl ${kind === 'user' ? '--user ' : ''}-u ${name} -n 50`;
      const state =
        outcome.kind === 'undone'
          ? 'Code, packages and databases are as they were.'
          : 'But something was done in its databases meanwhile, and money is not rolled back: it stays.';
      process.stderr.write(`The new version did not stay up as a service (${log}). ${state}\n`);
      return 1;
    }
  }
}

const newsText = ({ name, commit, news }: Target): string =>
  news.length === 0
    ? `This is the newest (${name}, ${commit.slice(0, 10)}).`
    : [
        `${name} (${commit.slice(0, 10)}) has ${plural(news.length, 'change')}${news.length === 50 ? ' or more' : ''}:`,
        ...news.slice(0, 10).map((line) => `  ${line}`),
      ].join('\n');

const resumedText: Record<Exclude<Resumed, 'nothing'>, string> = {
  undone: 'An upgrade that was cut off was taken back. Once more:',
  kept: 'An upgrade that was cut off stays: something was done in its databases since, and money is not rolled back.',
};

function failureText(error: unknown, directory: string, signal: AbortSignal): string {
  if (error instanceof ConfigError) return describeConfigError(error);
  const isBack = !(error instanceof UpgradeFailedError && error.step === 'way_back');
  // What it was in the middle of has failed by that.
  if (signal.aborted && isBack) return 'Interrupted. Everything is as it was.';
  if (error instanceof CheckoutError) return checkoutText(error);
  if (error instanceof UpgradeFailedError) {
    if (error.step === 'way_back')
      return `The new version is not used, and what was there could not be put back whole. No bot starts here before it is: give this command again.\n${error.said}`;
    const step = {
      install: 'its packages could not be installed',
      rehearsal: 'it failed on copies of the databases',
      databases: 'it failed on the databases',
    }[error.step];
    return `The new version is not used: ${step}. Code, packages and databases are as they were.\n${error.said}`;
  }
  if (error instanceof LockHeldError || error instanceof WalletInUseError) {
    return 'The bot, or another command, works here. Stop it (systemctl --user stop nostr-dm-agent), then upgrade. Nothing was changed.';
  }
  if (error instanceof ServiceError) {
    const by = error.kind === 'user' ? 'systemctl --user' : 'sudo systemctl';
    return `The bot runs as a service that this user can’t stop, or that does not end. Stop it (${by} stop ${serviceName}), upgrade, and start it. Nothing was changed.`;
  }
  if (error instanceof KeepCopyError) return `${error.message}. Make room there.`;
  const hint = operatorHint(error, directory);
  if (hint === undefined) throw error;
  return hint;
}

function checkoutText({ problem }: CheckoutError): string {
  switch (problem.kind) {
    case 'no_checkout':
      return `${problem.folder} is no git checkout of this program. How it was installed it is brought up to date; databases are migrated at the next start, each copied before.`;
    case 'dirty':
      return `There are changes of yours in the checkout: ${problem.files.slice(0, 10).join(', ')}. Commit them or take them away (git stash). Nothing was changed.`;
    case 'no_upstream':
      return 'It is not known what the newest version is: the branch follows none, and there is no version tag. Name one: --to <branch, tag or commit>.';
    case 'unknown_ref':
      return `There is no ${problem.ref} at origin.`;
    case 'not_ahead':
      return `${problem.ref} does not contain what is installed: it is older, or went another way. Databases do not go back: to take an older version put a copy of then in place (docs/backup.md).`;
    case 'git':
      return `git ${problem.what} failed: ${problem.said}`;
  }
}
