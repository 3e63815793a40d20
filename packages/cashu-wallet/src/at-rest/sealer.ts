import { createHmac, hkdfSync } from 'node:crypto';
import type { Seed } from '../crypto/seed.ts';
import { openOnce, sealOnce } from './aead.ts';

/** A value in the database is sealed and can't be opened with these words. */
export class SealedValueError extends Error {
  override readonly name = 'SealedValueError';
  /** Table and column. */
  readonly place: string;
  constructor(place: string) {
    super(`what is sealed in ${place} does not open with these words`);
    this.place = place;
  }
}

/**
 * How secret values are written to the database and read back (docs/security.md#at-rest). Whether new ones are sealed is
 * the database's own setting; what is there is read in either form. `place` names table and column, and the row where that
 * is known before it is written: a value opens nowhere else.
 */
export type Sealer = {
  /** The same text at the same place is the same value, so that UNIQUE goes on to mean what it says. */
  readonly seal: (place: string, text: string) => string;
  /** @throws SealedValueError */
  readonly open: (place: string, value: string) => string;
  /** Stays JSON. `clear`: what SQL has to see of it; nothing that can be spent. */
  readonly sealJson: (place: string, value: object, clear?: object) => string;
  /** The JSON that was sealed, or what is there in clear. @throws SealedValueError, SyntaxError */
  readonly openJson: (place: string, value: string) => unknown;
};

const prefix = 'sealed1:';
const member = 'sealed1';
const nameLength = 16;

/** @param isOn whether what is written from now on is sealed */
export function createSealer(seed: Seed, isOn: () => boolean): Sealer {
  const bytes = Buffer.from(
    hkdfSync('sha256', seed.bytes, '', 'nostr-dm-agent: cashu wallet at rest, version 1', 64),
  );
  const [keyOfKeys, nameKey] = [bytes.subarray(0, 32), bytes.subarray(32)];
  const keyFor = (name: Uint8Array): Buffer => createHmac('sha256', keyOfKeys).update(name).digest();
  const encrypt = (place: string, text: string): string => {
    // Made of what it names (as in RFC 8452): no two texts have one key, also after a copy was put back.
    const name = createHmac('sha256', nameKey).update(`${place}\0${text}`).digest().subarray(0, nameLength);
    return Buffer.concat([name, sealOnce(keyFor(name), place, text)]).toString('base64url');
  };
  const decrypt = (place: string, value: string): string | undefined => {
    const sealed = Buffer.from(value, 'base64url');
    return openOnce(keyFor(sealed.subarray(0, nameLength)), place, sealed.subarray(nameLength));
  };
  return {
    seal: (place, text) => (isOn() ? `${prefix}${encrypt(place, text)}` : text),
    open: (place, value) =>
      // What does not open was not sealed: a node may answer whatever it likes, this prefix too.
      value.startsWith(prefix) ? (decrypt(place, value.slice(prefix.length)) ?? value) : value,
    sealJson: (place, value, clear = {}) => {
      const text = JSON.stringify(value);
      return isOn() ? JSON.stringify({ ...clear, [member]: encrypt(place, text) }) : text;
    },
    openJson: (place, value) => {
      const found: unknown = JSON.parse(value);
      if (typeof found !== 'object' || found === null || !(member in found)) return found;
      const { [member]: sealed } = found;
      const opened = typeof sealed === 'string' ? decrypt(place, sealed) : undefined;
      if (opened === undefined) throw new SealedValueError(place);
      return JSON.parse(opened);
    },
  };
}
