/** A payload that does not decrypt: not of the format, not meant for this key, or altered. Names no part of it. */
export class DecryptionError extends Error {
  override readonly name = 'DecryptionError';
  readonly problem: 'version' | 'format' | 'mac' | 'padding' | 'utf8';
  constructor(problem: DecryptionError['problem'], options?: ErrorOptions) {
    super(`payload does not decrypt: ${problem}`, options);
    this.problem = problem;
  }
}

// `ignoreBOM` keeps a leading U+FEFF: what was encrypted comes back unchanged.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws DecryptionError the bytes are no UTF-8 */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new DecryptionError('utf8', { cause });
  }
}
