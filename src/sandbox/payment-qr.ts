import { qrOfRequest } from '@nostr-dm-agent/cashu-wallet/open';
import { type QrSurface, terminalQr } from '../cli/terminal-qr.ts';

/**
 * The QR code under a message that is an invoice or a payment request and nothing else; undefined: it is neither, or the
 * terminal is too narrow. Messengers make such messages tappable, a terminal does not.
 */
export async function paymentQr(message: string, surface: QrSurface): Promise<string | undefined> {
  const invoice = /^lightning:(ln\w+)$/i.exec(message)?.[1];
  const text = invoice?.toUpperCase() ?? (message.startsWith('creqA') ? qrOfRequest(message) : undefined);
  return text === undefined ? undefined : terminalQr(text, surface);
}
