import { getSecretKind, getTokenMetadata, type Token, type TokenMetadata } from '@cashu/cashu-ts';
import type { Core } from '../core.ts';
import { TokenRefusedError } from '../errors.ts';
import { type StoredProof, storeProof } from '../store/codec.ts';
import type { MintUrl, TokenPreview } from '../types.ts';
import type { Mints, Session } from './mints.ts';

/** A token that may be received, as far as that can be said without any connection. */
export type AcceptableToken = {
  readonly text: string;
  readonly mint: MintUrl;
  readonly amount: number;
};

/** Says what a token is, without any connection. @throws TokenRefusedError `malformed`, `too-large` */
export function previewToken(core: Pick<Core, 'mints' | 'policy'>, text: string): TokenPreview {
  const { metadata, trimmed } = parse(core, text);
  const lock = metadata.incompleteProofs
    .map(({ secret }) => lockOf(secret))
    .find((kind) => kind !== undefined);
  return {
    mint: metadata.mint,
    unit: metadata.unit,
    amount: metadata.amount.toNumber(),
    proofs: metadata.incompleteProofs.length,
    memo: metadata.memo,
    lock,
    accepted: trimmed !== '' && isAccepted(core.mints, metadata.mint),
  };
}

/** The secrets of a token's proofs, without any connection. @throws TokenRefusedError `malformed`, `too-large` */
export const secretsOf = (core: Pick<Core, 'policy'>, text: string): readonly string[] =>
  parse(core, text).metadata.incompleteProofs.map(({ secret }) => secret);

/**
 * The checks that come before any connection is made to an address that a stranger chose.
 * @throws TokenRefusedError
 */
export function requireAcceptable(core: Pick<Core, 'mints' | 'policy'>, text: string): AcceptableToken {
  const { trimmed } = parse(core, text);
  const preview = previewToken(core, text);
  if (preview.unit !== 'sat') throw new TokenRefusedError({ kind: 'wrong-unit', unit: preview.unit });
  if (!preview.accepted) {
    throw new TokenRefusedError({ kind: 'wrong-mint', mint: preview.mint, accepted: core.mints.accepted() });
  }
  const max = core.policy.maxTokenProofs;
  if (preview.proofs > max)
    throw new TokenRefusedError({ kind: 'too-many-proofs', proofs: preview.proofs, max });
  if (preview.proofs === 0 || preview.amount <= 0) throw new TokenRefusedError({ kind: 'malformed' });
  if (preview.lock !== undefined) throw new TokenRefusedError({ kind: 'locked', lock: preview.lock });
  return { text: trimmed, mint: core.mints.require(preview.mint), amount: preview.amount };
}

/** The token's proofs with full keyset ids; asks the mint for its keysets once when one is unknown. */
export async function readProofs(
  core: Core,
  token: AcceptableToken,
  signal: AbortSignal,
): Promise<{ readonly session: Session; readonly proofs: readonly StoredProof[] }> {
  const known = await core.mints.open(token.mint, signal);
  const first = decodeWith(known, token.text);
  const session = first ? known : await core.mints.refresh(token.mint, signal);
  const decoded = first ?? decodeWith(session, token.text);
  if (!decoded) throw new TokenRefusedError({ kind: 'unknown-keyset' });
  await core.mints.ensureKeys(
    session,
    decoded.proofs.map((proof) => proof.id),
  );
  return { session, proofs: decoded.proofs.map(storeProof) };
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

function parse(
  { policy }: Pick<Core, 'policy'>,
  text: string,
): { readonly metadata: TokenMetadata; readonly trimmed: string } {
  const trimmed = text.trim();
  if (trimmed.length > policy.maxTokenLength) {
    throw new TokenRefusedError({ kind: 'too-large', length: trimmed.length, max: policy.maxTokenLength });
  }
  try {
    const metadata = getTokenMetadata(trimmed);
    metadata.amount.toNumber();
    return { metadata, trimmed };
  } catch {
    // No cause: what the decoder says may quote the token.
    throw new TokenRefusedError({ kind: 'malformed' });
  }
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

function isAccepted(mints: Mints, url: string): boolean {
  try {
    mints.require(url);
    return true;
  } catch {
    return false;
  }
}
