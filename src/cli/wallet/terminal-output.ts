import type { WalletAnswer, WalletCommand, WalletRequest } from '@nostr-dm-agent/cashu-wallet/remote';
import { toJson } from '@nostr-dm-agent/cashu-wallet/remote';

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
  /** Ends with an interrupt. */
  readonly signal: AbortSignal;
  readonly json: boolean;
  /** Somebody sees stdout and can answer. */
  readonly interactive: boolean;
  /** The answer: `document` with `--json`, else `text`. Once for each command. */
  readonly answer: (document: unknown, text: string) => void;
  /** Beside the answer, on stderr. */
  readonly remark: (text: string) => void;
};

/** Answers on stdout, everything else on stderr. */
export function terminalOutput(
  json: boolean,
): Pick<WalletOutput, 'json' | 'interactive' | 'answer' | 'remark'> {
  return {
    json,
    interactive: process.stdin.isTTY === true && process.stdout.isTTY === true,
    answer: (document, text) => void process.stdout.write(`${json ? toJson(document, 2) : text}\n`),
    remark: (text) => void process.stderr.write(`${text}\n`),
  };
}
