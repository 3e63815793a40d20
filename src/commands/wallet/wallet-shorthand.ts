import { soleToken } from '@nostr-dm-agent/kit/token-text';
import type { PublicKey } from '@nostr-dm-agent/nostr';
import type { Confirmations } from '../../store/confirmations-table.ts';

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
  const token = soleToken(text);
  if (token !== undefined) return `!wallet receive ${token}`;
  const code = codeAlone.exec(text)?.[1];
  return code !== undefined && confirmations.knows(owner, code) ? `!wallet confirm ${code}` : undefined;
}
