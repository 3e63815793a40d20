import { getSecretKind, getTokenMetadata, type Token } from '@cashu/cashu-ts';
import { type Sat, sat } from '@nostr-dm-agent/kit/sat';
import { tokensIn } from '@nostr-dm-agent/kit/token-text';
import { type StoredProof, storeProof } from '../store/stored-proof.ts';
import type { Core } from '../wallet-core.ts';
import { TokenRefusedError } from '../wallet-errors.ts';
import type { MintUrl, TokenPreview } from '../wallet-types.ts';
import type { Session } from './mint-sessions.ts';

/** A token as it can be read without any connection: keyset ids may be short. */
export type ReadToken = {
  readonly text: string;
  readonly mint: string;
  readonly unit: string;
  readonly amount: number;
  readonly memo: string | undefined;
  readonly proofs: readonly { readonly secret: string; readonly amount: number }[];
  /** The kind of a NUT-10 secret among its proofs. */
  readonly lock: string | undefined;
};

/**
 * Reads the token in a text, without any connection: alone, with a scheme, in a URL or in prose.
 * @throws TokenRefusedError `malformed` (also: there are two), `too-large`
 */
export function readToken({ policy }: Pick<Core, 'policy'>, given: string): ReadToken {
  const [text = given.trim(), another] = tokensIn(given);
  if (another !== undefined) throw new TokenRefusedError({ kind: 'malformed' });
  if (text.length > policy.maxTokenLength) {
    throw new TokenRefusedError({ kind: 'too-large', length: text.length, max: policy.maxTokenLength });
  }
  try {
    const { mint, unit, amount, memo, incompleteProofs } = getTokenMetadata(text);
    const proofs = incompleteProofs.map((proof) => ({
      secret: proof.secret,
      amount: proof.amount.toNumber(),
    }));
    const lock = proofs.map(({ secret }) => lockOf(secret)).find((kind) => kind !== undefined);
    return { text, mint, unit, amount: amount.toNumber(), memo, proofs, lock };
  } catch {
    // No cause: what the decoder says may quote the token.
    throw new TokenRefusedError({ kind: 'malformed' });
  }
}

/** Says what a token is, without any connection. @throws TokenRefusedError `malformed`, `too-large` */
export function previewToken(core: Pick<Core, 'mints' | 'policy'>, text: string): TokenPreview {
  const { mint, unit, amount, memo, lock, proofs } = readToken(core, text);
  const accepted = core.mints.find(mint) !== undefined;
  return { mint, unit, amount, proofs: proofs.length, memo, lock, accepted };
}

/** What a kept token is worth at most, as far as it can be read; else 0. */
export function faceOf(core: Pick<Core, 'policy'>, text: string): Sat {
  try {
    const { amount, unit } = readToken(core, text);
    return sat(unit === 'sat' ? amount : 0);
  } catch (error) {
    if (error instanceof TokenRefusedError) return sat(0);
    throw error;
  }
}

/**
 * The checks that come before any connection is made to an address that a stranger chose.
 * @throws TokenRefusedError
 */
export function requireAcceptable(core: Pick<Core, 'mints' | 'policy'>, token: ReadToken): MintUrl {
  const { unit, proofs, amount, lock } = token;
  if (unit !== 'sat') throw new TokenRefusedError({ kind: 'wrong-unit', unit });
  const mint = core.mints.find(token.mint);
  if (mint === undefined) {
    throw new TokenRefusedError({ kind: 'wrong-mint', mint: token.mint, accepted: core.mints.accepted() });
  }
  const max = core.policy.maxTokenProofs;
  if (proofs.length > max)
    throw new TokenRefusedError({ kind: 'too-many-proofs', proofs: proofs.length, max });
  if (proofs.length === 0 || amount <= 0) throw new TokenRefusedError({ kind: 'malformed' });
  if (lock !== undefined) throw new TokenRefusedError({ kind: 'locked', lock });
  return mint;
}

/** The token's proofs, each once, with full keyset ids; asks the mint for its keysets once when one is unknown. */
export async function readProofs(
  core: Core,
  mint: MintUrl,
  { text }: ReadToken,
  signal: AbortSignal,
): Promise<{ readonly session: Session; readonly proofs: readonly StoredProof[] }> {
  const known = await core.mints.open(mint, signal);
  const first = decodeWith(known, text);
  const session = first ? known : await core.mints.refresh(mint, signal);
  const decoded = first ?? decodeWith(session, text);
  if (!decoded) throw new TokenRefusedError({ kind: 'unknown-keyset' });
  await core.mints.ensureKeys(
    session,
    decoded.proofs.map((proof) => proof.id),
  );
  const proofs = new Map(decoded.proofs.map((proof) => [proof.secret, storeProof(proof)]));
  return { session, proofs: [...proofs.values()] };
}

function decodeWith(session: Session, text: string): Token | undefined {
  let token: Token;
  try {
    token = session.decodeToken(text);
  } catch {
    // The text was read before: what is left to go wrong is a short keyset id that nothing known begins with.
    return undefined;
  }
  return token.proofs.every((proof) => session.keyChain.isUnitKeyset(proof.id)) ? token : undefined;
}

/** The kind of a NUT-10 secret; undefined for a plain one. */
function lockOf(secret: string): string | undefined {
  if (!secret.trimStart().startsWith('[')) return undefined;
  try {
    return getSecretKind(secret);
  } catch {
    return undefined;
  }
}
