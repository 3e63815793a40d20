import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { Confirmations } from '../../store/confirmations-table.ts';

/** A Cashu token as wallets share it: V3 or V4, with or without a URI scheme. */
export const tokenPattern = /(?:(?:web\+)?[cC]ashu:(?:\/\/)?)?cashu[AB][A-Za-z0-9_+/=-]{20,}/;

const tokenAlone = new RegExp(`^\\s*${tokenPattern.source}\\s*$`);
const codeAlone = /^\s*(\d{4})\s*$/;

/**
 * The command that a plain message stands for: a token alone is received, a code alone confirms what was given that code.
 * undefined: it is a task.
 */
export function walletShorthand(
  confirmations: Pick<Confirmations, 'knows'>,
  owner: PublicKey,
  text: string,
): string | undefined {
  if (tokenAlone.test(text)) return `!wallet receive ${text.trim()}`;
  const code = codeAlone.exec(text)?.[1];
  return code !== undefined && confirmations.knows(owner, code) ? `!wallet confirm ${code}` : undefined;
}

/** Long enough not to be a name like cashubtc, in any case: a command may have lowered it. */
const anyToken = /cashu[AB][A-Za-z0-9_+=-]{40,}/gi;

/** A text without the tokens in it: whoever reads it may not be who sent them. */
export const withoutTokens = (text: string): string => text.replace(anyToken, '[token]');
