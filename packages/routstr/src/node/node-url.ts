import type { Brand } from '@nostr-dm-agent/kit/brand';

/** A node's API root, normalised: no credentials, query, fragment or slash at the end; the path ends in `/v1`. */
export type NodeUrl = Brand<string, 'NodeUrl'>;

/** Something that is no address of a node. The text is not repeated here: it may hold credentials. */
export class NodeUrlError extends Error {
  override readonly name = 'NodeUrlError';
  readonly problem: 'not_a_url' | 'not_http' | 'has_credentials';
  constructor(problem: NodeUrlError['problem']) {
    super(`not a node's address: ${problem}`);
    this.problem = problem;
  }
}

/**
 * Reads a node's address as people write it: with or without `/v1`, with slashes at the end.
 *
 * @throws NodeUrlError
 */
export function parseNodeUrl(text: string): NodeUrl {
  const url = URL.parse(text.trim());
  if (!url) throw new NodeUrlError('not_a_url');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new NodeUrlError('not_http');
  if (url.username !== '' || url.password !== '') throw new NodeUrlError('has_credentials');
  // Also `/v1/v1`: "Path '/v1/v1/…' not found" is the classic mistake.
  const path = url.pathname.replace(/\/+$/, '').replace(/(?:\/v1)+$/, '');
  return `${url.origin}${path}/v1` as NodeUrl;
}
