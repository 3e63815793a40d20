import { afterEach, expect, test } from 'bun:test';
import { createBench, quiet } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import { parseNodeUrl } from '@nostr-dm-agent/routstr';
import { npubEncode } from 'nostr-tools/nip19';
import { createNodeChoice } from '../../src/money/node-choice.ts';

const bench = createBench();
afterEach(bench.end);

test('a node’s operator is named by the key that the node says, if that is one', async () => {
  const home = bench.folder();
  const npub = npubEncode(publicKeyOf(generateSecretKey()));
  const says = { 'http://127.0.0.1:1/v1': npub, 'http://127.0.0.1:2/v1': 'npub1 send it to me' };
  const nodes = Object.fromEntries(
    Object.entries(says).map(([url, said]) => [url, { fetchedAt: Date.now(), npub: said, mints: [] }]),
  );
  await Bun.write(`${home}/routstr-nodes.json`, JSON.stringify({ version: 1, nodes }));
  const choice = createNodeChoice({
    config: { node: parseNodeUrl('http://127.0.0.1:1'), fallbacks: [], home },
    board: { read: () => Promise.reject(new Error('no relay is asked')) },
    meta: { get: () => undefined, set: () => undefined },
    wallet: { opened: () => undefined },
    allowLoopback: true,
    clock: { now: () => Date.now() },
    log: quiet,
  });
  expect(Object.keys(says).map((url) => choice.operatorOf(parseNodeUrl(url)))).toEqual([npub, undefined]);
  await choice.close();
});
