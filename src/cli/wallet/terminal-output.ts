import type { FoundMoney } from '@nostr-dm-agent/cashu-wallet';
import type {
  RestoredFrom,
  WalletAnswer,
  WalletCommand,
  WalletRequest,
} from '@nostr-dm-agent/cashu-wallet/remote';
import { toJson } from '@nostr-dm-agent/cashu-wallet/remote';
import type { KeysOfSession } from '@nostr-dm-agent/routstr/remote';
import type { AtRestParts } from './encrypt.ts';

/** Of every command of the wallet. */
export type WalletOptions = { readonly json?: true; readonly envFile?: string };

/** What a command of the wallet works with. */
export type WalletOutput = {
  /** Asks the wallet. @throws CommandFailure */
  readonly ask: <C extends WalletCommand>(
    command: C,
    args: WalletRequest<C>['args'],
    timeoutMs?: number,
  ) => Promise<WalletAnswer<C>>;
  /** Asks about persistent keys. @throws CommandFailure */
  readonly askKeys: <T>(work: (keys: KeysOfSession, signal: AbortSignal) => Promise<T>) => Promise<T>;
  /** Puts a copy of the database in its place. @throws CommandFailure */
  readonly restoreFrom: (path: string) => Promise<RestoredFrom>;
  /** Words and files for `encrypt` and `decrypt`. @throws ConfigError */
  readonly atRest: () => Promise<AtRestParts>;
  /** Ends with an interrupt. */
  readonly signal: AbortSignal;
  readonly json: boolean;
  /** Somebody sees stdout and can answer. */
  readonly interactive: boolean;
  /** The answer: `document` with `--json`, else `text`. Once for each command. */
  readonly answer: (document: object, text: string) => void;
  /** How a wait goes on, in one line that the next one replaces; where somebody looks on. Empty: it is over. */
  readonly progress: (text: string) => void;
  /** Beside the answer, on stderr. */
  readonly remark: (text: string) => void;
};

/**
 * Answers on stdout, everything else on stderr.
 *
 * @param found older money that was told of on the way: also in the document, for scripts
 */
export function terminalOutput(
  json: boolean,
  found: () => readonly FoundMoney[],
): Pick<WalletOutput, 'json' | 'interactive' | 'answer' | 'progress' | 'remark'> {
  return {
    json,
    interactive: process.stdin.isTTY === true && process.stdout.isTTY === true,
    answer: (document, text) => {
      const older = found();
      const whole = older.length === 0 ? document : { ...document, found: older };
      process.stdout.write(`${json ? toJson(whole, 2) : text}\n`);
    },
    progress: (text) => {
      if (process.stderr.isTTY === true) process.stderr.write(`\r\x1b[K${text}`);
    },
    remark: (text) => void process.stderr.write(`${text}\n`),
  };
}
