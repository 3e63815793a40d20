/**
 * A QR code as a PNG that a camera reads off another screen.
 *
 * @param text in upper case where that means the same: it makes the code smaller (QR's alphanumeric mode)
 * @returns undefined: it is more than a QR code holds
 */
export async function qrPicture(text: string): Promise<Uint8Array | undefined> {
  // 2,953 bytes are the most that one holds.
  if (text.length > 2_900) return undefined;
  // Loaded with the first code: nothing is to start slower for it.
  const { toBuffer } = await import('qrcode');
  return toBuffer(text, { type: 'png', errorCorrectionLevel: 'L', margin: 4, scale: 6 });
}
