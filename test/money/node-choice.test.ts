import { afterEach, expect, test } from 'bun:test';
import { createBench, quiet } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { PrivateAddressError } from '@nostr-dm-agent/kit/net';
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
    guard: { allowLoopback: true },
    clock: { now: () => Date.now() },
    log: quiet,
  });
  expect(Object.keys(says).map((url) => choice.operatorOf(parseNodeUrl(url)))).toEqual([npub, undefined]);
  await choice.close();
});

test('a node that the operator has not configured is asked where its name leads now, and never inside', async () => {
  using server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('asked') });
  const here = `127.0.0.1:${server.port}`;
  const choice = createNodeChoice({
    config: { node: parseNodeUrl(`http://${here}`), fallbacks: [], home: bench.folder() },
    board: { read: () => Promise.reject(new Error('no relay is asked')) },
    meta: { get: () => `https://localhost.example:${server.port}/v1`, set: () => undefined },
    wallet: { opened: () => undefined },
    // As a name does whose owner has changed their mind since it was looked at.
    guard: { resolve: async () => ['127.0.0.1'] },
    clock: { now: () => Date.now() },
    log: quiet,
  });
  expect(await (await choice.fetch(`http://${here}/v1/info`)).text()).toBe('asked');
  for (const url of [
    `${choice.current()}/chat/completions`,
    `https://${here}/v1/info`,
    `http://${here}/v10/info`,
  ]) {
    await expect(choice.fetch(url, { method: 'POST', body: '{}' })).rejects.toBeInstanceOf(
      PrivateAddressError,
    );
  }
  await choice.close();
});
