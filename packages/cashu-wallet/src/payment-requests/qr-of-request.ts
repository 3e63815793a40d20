import { decodePaymentRequest } from '@cashu/cashu-ts';

/** A payment request (`creqA…`) as a QR code wants it: NUT-26, upper case. undefined: it is none. */
export function qrOfRequest(text: string): string | undefined {
  try {
    return decodePaymentRequest(text).toEncodedCreqB().toUpperCase();
  } catch {
    return undefined;
  }
}
