import type { Logger } from '@nostr-dm-agent/kit/log';
import type { Config } from '../config/config.ts';
import { checkAutoTopUp } from './check-auto-top-up.ts';
import { checkBackends } from './check-backends.ts';
import { checkClock } from './check-clock.ts';
import { checkFiles } from './check-files.ts';
import { checkHosts } from './check-hosts.ts';
import { checkInbox } from './check-inbox.ts';
import { checkNode } from './check-node.ts';
import { checkProxy } from './check-proxy.ts';
import { checkRelays } from './check-relays.ts';
import { checkSpeech } from './check-speech.ts';
import { checkWallet } from './check-wallet.ts';
import type { Finding } from './finding.ts';

/**
 * Checks everything that the bot depends on and prints what is wrong and how to fix it.
 * Returns the exit code: 1 when something is broken.
 */
export async function runDoctor(
  config: Config,
  options: {
    readonly envFile: string;
    readonly log: Logger;
    readonly print: (line: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<0 | 1> {
  const { log, print, signal } = options;
  const checks = [
    checkFiles(config, options.envFile),
    checkProxy(config, signal),
    checkRelays(config, log, signal),
    checkInbox(config),
    checkClock(config, signal),
    checkBackends(config, options.envFile, log, signal),
    checkHosts(config, signal),
    checkWallet(config, log, signal),
    checkNode(config, signal),
    checkSpeech(config, signal),
    checkAutoTopUp(config, log, signal),
  ];
  const findings: Finding[] = [];
  for (const check of checks) {
    for (const finding of await check) {
      findings.push(finding);
      for (const line of describe(finding)) print(line);
    }
  }
  const count = (state: Finding['state']) => findings.filter((finding) => finding.state === state).length;
  print('');
  print(
    count('broken') > 0
      ? `${count('broken')} broken. Fix that, then run doctor again.`
      : `All is well${count('warning') > 0 ? `, ${count('warning')} to know about` : ''}.`,
  );
  return count('broken') > 0 ? 1 : 0;
}

const marks: Readonly<Record<Finding['state'], string>> = { ok: '✓', warning: '!', broken: '✗' };

function describe({ subject, state, fact, remedy }: Finding): readonly string[] {
  return [`${marks[state]} ${subject}: ${fact}`, ...(remedy === undefined ? [] : [`    → ${remedy}`])];
}
