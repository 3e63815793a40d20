/** A fenced code block (CommonMark) that is open. */
export type Fence = {
  /** Backticks or tildes: what closes it. */
  readonly marker: string;
  /** The line that opens it again in another message. */
  readonly opener: string;
};

/** The longest `opener` and `marker`; a longer info string is left out, a longer run is no fence here. */
const MAX_OPENER = 30;
export const MAX_MARKER = 10;

/** The fence that is open after `line`, given the one that was open before it. */
export function fenceAfter(line: string, open: Fence | undefined): Fence | undefined {
  const [, marker = '', info = ''] = /^ {0,3}(`{3,10}(?!`)|~{3,10}(?!~))(.*)$/.exec(line) ?? [];
  if (marker === '') return open;
  if (open !== undefined) {
    const closes = marker[0] === open.marker[0] && marker.length >= open.marker.length && info.trim() === '';
    return closes ? undefined : open;
  }
  // ```like this``` is inline code.
  if (marker.startsWith('`') && info.includes('`')) return undefined;
  const opener = `${marker}${info.trimEnd()}`;
  return { marker, opener: opener.length <= MAX_OPENER ? opener : marker };
}
