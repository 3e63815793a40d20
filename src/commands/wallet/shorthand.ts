import type { Confirmations } from '../../db/confirmations.ts';
import type { PublicKey } from '../../nostr/types.ts';

/** A Cashu token as wallets share it: V3 or V4, with or without a URI scheme. */
export const tokenPattern = /(?:(?:web\+)?cashu:(?:\/\/)?)?cashu[AB][A-Za-z0-9_+/=-]{6,}/i;

const tokenAlone = new RegExp(`^\\s*${tokenPattern.source}\\s*$`, 'i');
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
