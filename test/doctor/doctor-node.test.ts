/* What doctor says of the Routstr node: one that is there, one that takes none of our mints, none at all. */
import { afterEach, expect, test } from 'bun:test';
import { sat } from '@nostr-dm-agent/kit/sat';
import { parseNodeUrl } from '@nostr-dm-agent/routstr';
import { sandboxModels, startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import { checkNode } from '../../src/doctor/check-node.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const mint = 'http://127.0.0.1:3338';
const wallet = { mnemonic: '', mintUrl: `${mint}/`, mints: [], directory: '', maxBalance: sat(1000) };

function startNode(options: Partial<Parameters<typeof startSandboxNode>[0]> = {}) {
  const node = startSandboxNode({
    mints: [mint],
    upstream: { baseUrl: 'http://127.0.0.1:1/v1' },
    ...options,
  });
  ends.push(() => node.stop());
  return node;
}
const look = (url: string, with_ = wallet) =>
  checkNode({ wallet: with_, node: parseNodeUrl(url) }, AbortSignal.timeout(20_000));

test('a node that takes our mint and has models is well', async () => {
  const findings = await look(startNode().url);
  expect(findings.map(({ state }) => state)).toEqual(['ok', 'ok']);
  expect(findings[0]?.fact).toMatch(/0\.4\.5.*answers in/);
  expect(findings[1]?.fact).toMatch(/^sells \d+ models that/);
});

test('a node that names other mints, or sells no model for agents, is to be known about', async () => {
  const node = startNode({ models: sandboxModels.filter(({ id }) => id.includes('embedding')) });
  const findings = await look(node.url, { ...wallet, mintUrl: 'https://mint.example/Bitcoin' });
  expect(findings).toMatchObject([
    { state: 'ok' },
    { state: 'warning', remedy: expect.stringContaining(`CASHU_MINT_URL`) },
    { state: 'warning', fact: 'it sells no model that an agent can work with' },
  ]);
});

test('a node that is away, or is no node, is broken, with what works meanwhile', async () => {
  const node = startNode();
  await node.stop();
  const [away] = await look(node.url);
  expect(away).toMatchObject({ state: 'broken', remedy: expect.stringContaining('!provider set local') });
  const page = Bun.serve({ port: 0, fetch: () => new Response('<html>hello</html>') });
  ends.push(() => page.stop(true));
  expect(await look(`http://127.0.0.1:${page.port}`)).toMatchObject([{ state: 'broken' }]);
});

test('without a wallet nobody could pay a node, so none is looked at', async () => {
  expect(await checkNode({ wallet: undefined, node: parseNodeUrl(mint) }, AbortSignal.timeout(1000))).toEqual(
    [],
  );
});
