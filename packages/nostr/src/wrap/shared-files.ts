import type { SharedFile } from '../nostr-types.ts';

/** Of one message; more are left out. */
const mostFiles = 10;
const longestUrl = 2_048;
const longestSecret = 256;

type Fields = ReadonlyMap<string, string>;

/**
 * Files that a rumor tells of: kind 15 (NIP-17) in its content and tags, kind 14 in `imeta` tags (NIP-92), which clients also
 * use for encrypted ones. What has no address of the web is none.
 */
export function filesIn(
  kind: number,
  content: string,
  tags: readonly (readonly string[])[],
): readonly SharedFile[] {
  if (kind === 15) {
    const fields = new Map(tags.flatMap(([name, value]) => (name && value ? [[name, value] as const] : [])));
    return fileOf(content.trim(), fields);
  }
  if (kind !== 14) return [];
  return tags
    .filter(([name]) => name === 'imeta')
    .slice(0, mostFiles)
    .flatMap(([, ...items]) => {
      const fields = new Map(items.map((item) => split(item)));
      return fileOf(fields.get('url') ?? '', fields);
    });
}

/** What is said beside them: a caption (`alt`), or the text without their addresses. */
export function textBeside(
  kind: number,
  content: string,
  tags: readonly (readonly string[])[],
  files: readonly SharedFile[],
): string {
  if (kind === 15) return tags.find(([name]) => name === 'alt')?.[1]?.trim() ?? '';
  return files.reduce((text, { url }) => text.replaceAll(url, ' '), content).trim();
}

const split = (item: string): readonly [string, string] => {
  const space = item.indexOf(' ');
  return space < 0 ? [item, ''] : [item.slice(0, space), item.slice(space + 1).trim()];
};

function fileOf(url: string, fields: Fields): readonly SharedFile[] {
  const parsed = url.length > longestUrl ? null : URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) return [];
  const key = fields.get('decryption-key');
  const nonce = fields.get('decryption-nonce');
  const isSecret = (text: string | undefined): text is string =>
    text !== undefined && text !== '' && text.length <= longestSecret;
  const hash = (name: string): string | undefined => {
    const value = fields.get(name)?.toLowerCase() ?? '';
    return /^[0-9a-f]{64}$/.test(value) ? value : undefined;
  };
  const sha256 = hash('x');
  const plainSha256 = hash('ox');
  return [
    {
      url,
      ...(isSecret(key) && isSecret(nonce) ? { encryption: { key, nonce } } : {}),
      ...(sha256 === undefined ? {} : { sha256 }),
      ...(plainSha256 === undefined ? {} : { plainSha256 }),
    },
  ];
}
