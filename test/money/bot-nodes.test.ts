/** Three nodes, two mints, one bot: an admin reads what is announced, chooses a node by DM, and it stays chosen. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { newWords } from '@nostr-dm-agent/cashu-wallet/testing/wallet-kit';
import { createSandboxNetwork, type SandboxMint, startSandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { type SandboxModel, startModel } from '@nostr-dm-agent/sandbox/model';
import { type SandboxNode, sandboxModels, startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import { type SandboxRelay, startSandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { finalizeEvent, generateSecretKey } from 'nostr-tools/pure';
import { startTestBot } from '../support/bot.ts';
import { writePayingOpencode } from '../support/paying-opencode.ts';
import { codeIn, invoiceIn } from '../support/wallet-bot.ts';

setDefaultTimeout(60_000);

let relay: SandboxRelay;
let mints: readonly [SandboxMint, SandboxMint];
let upstream: SandboxModel;
/** The first is the configured one; the second takes the other mint alone and is cheaper; the third is a fallback. */
let nodes: readonly [SandboxNode, SandboxNode, SandboxNode];
let bot: Awaited<ReturnType<typeof startTestBot>>;

const cheaper = sandboxModels.map((model) => ({
  ...model,
  price: { prompt: model.price.prompt / 9, completion: model.price.completion / 9 },
}));
const host = ({ url }: { readonly url: string }): string => new URL(url).host;
const ask = async (text: string, pattern = /./): Promise<string> =>
  (await bot.owner.answer(await bot.owner.send(text), pattern)).text;

beforeAll(async () => {
  relay = startSandboxRelay();
  const network = createSandboxNetwork();
  const incoming = 'on-demand' as const;
  mints = [startSandboxMint({ network, incoming }), startSandboxMint({ network, incoming })];
  upstream = startModel();
  const behind = { baseUrl: upstream.url, model: 'tiny' };
  const [first, second] = mints;
  nodes = [
    startSandboxNode({ mints: [first.url], upstream: behind }),
    startSandboxNode({ mints: [second.url], upstream: behind, models: cheaper }),
    startSandboxNode({ mints: [first.url], upstream: behind }),
  ];
  const announced = (tags: string[][], name: string) =>
    relay.inject(
      finalizeEvent(
        { kind: 38421, created_at: Math.floor(Date.now() / 1000), tags, content: JSON.stringify({ name }) },
        generateSecretKey(),
      ),
    );
  announced(
    [
      ['d', 'a'],
      ['u', nodes[1].url],
      ['version', '0.4.5'],
    ],
    'Cheap node',
  );
  announced(
    [
      ['d', 'a'],
      ['u', 'http://127.0.0.1:1'],
      ['version', '9'],
    ],
    'Dead node',
  );
  announced(
    [
      ['d', 'a'],
      ['u', 'http://hidden.onion'],
    ],
    'Hidden node',
  );
  announced([['d', 'lnproxy']], 'Something else');
  bot = await startTestBot({
    relay,
    opencode: writePayingOpencode,
    env: {
      CASHU_MNEMONIC: newWords(),
      CASHU_MINT_URL: first.url,
      CASHU_MINTS: second.url,
      ROUTSTR_BASE_URL: nodes[0].url,
      ROUTSTR_FALLBACKS: nodes[2].url,
      BOT_MODEL: 'routstr/claude-sonnet-4.5',
    },
  });
  const id = await bot.owner.send('!wallet topup 6000');
  first.pay(first.quoteOf(invoiceIn((await bot.owner.answer(id, /lightning:/)).text)));
  await bot.owner.answer(id, /^Paid:/);
  await ask('!provider set routstr', /routstr/i);
  await ask('!provider sync-models', /model/i);
});
afterAll(async () => {
  await bot.cleanUp();
  for (const node of nodes) await node.stop();
  await upstream.stop();
  for (const mint of mints) await mint.stop();
  await relay.stop();
});

test('the list shows who answers, at what price, for whose money, and who reviewed it', async () => {
  const lines = (await ask('!provider nodes')).split('\n');
  expect(lines[0]).toBe('Nodes, with the price of claude-sonnet-4.5:');
  expect(lines[1]).toMatch(
    new RegExp(`^1\\. ${host(nodes[0])} · .*about [\\d,]+ sat a task · takes your mint · .*in use$`),
  );
  expect(lines[2]).toMatch(
    new RegExp(
      `^2\\. ${host(nodes[1])} · “Cheap node” · .*about [\\d,]+ sat a task · takes your mint · ⚠ not reviewed$`,
    ),
  );
  expect(lines[3]).toBe('3. 127.0.0.1:1 · “Dead node” · 9 · does not answer · ⚠ not reviewed');
  expect(lines).toHaveLength(5);
  const prices = [1, 2].map((n) =>
    Number(/about ([\d,]+) sat/.exec(lines[n] ?? '')?.[1]?.replaceAll(',', '')),
  );
  expect(prices[1]).toBeLessThan(prices[0] ?? 0);
});

test('a node is not chosen by mistake', async () => {
  expect(await ask('!provider node 9')).toContain('numbers 1 to 3');
  expect(await ask('!provider node 3')).toContain('does not answer as a Routstr node. Nothing was changed');
  expect(await ask('!provider node http://node.example')).toContain('begins with https://');
  const asked = await ask('!provider node 2');
  expect(asked).toContain('Nobody at Routstr has reviewed this node.');
  expect(asked).toContain(`!provider node ${nodes[1].url}/v1 yes`);
  const shown = await ask('!provider node');
  expect(shown).toContain(`${host(nodes[0])} (as configured)`);
  expect(shown).toContain(`When it is down, by the cheapest of ${host(nodes[2])} that can.`);
});

test('the chosen one serves the runs to come, paid at the mint that it takes', async () => {
  const chosen = await ask('!provider node 2 yes');
  expect(chosen).toContain(`served by ${host(nodes[1])}`);
  expect(chosen).toContain('models for agents');
  const refused = await ask('say hello');
  const move = /!wallet move \d+ \S+/.exec(refused)?.[0] ?? '';
  expect(move).toContain(host(mints[1]));
  const code = codeIn(await ask(move));
  expect(await ask(code)).toStartWith('Moved');
  await ask('!retry', /of 2,?000 sat/);
  expect(nodes[1].requests.filter((line) => line.endsWith('/create'))).toHaveLength(1);
  expect(nodes[0].requests.filter((line) => line.endsWith('/create'))).toHaveLength(0);
});

test('it stays chosen over a restart, until it is reset', async () => {
  await bot.end('SIGTERM');
  await bot.start();
  expect(await ask('!provider node')).toContain(`${host(nodes[1])} (chosen by !provider node)`);
  expect(await ask('!provider node reset')).toContain(`served by ${host(nodes[0])}`);
  expect(await ask('!provider node')).toContain('as configured');
});

test('a run whose node is down is served by the fallback, and the reply says so', async () => {
  nodes[0].crash();
  const reply = await ask('say hello once more', /sat/);
  expect(reply).toContain(`${host(nodes[2])} served this run, because ${host(nodes[0])} is down.`);
  expect(nodes[2].requests.filter((line) => line.endsWith('/create'))).toHaveLength(1);
  expect(await ask('!wallet check')).toStartWith('The books add up');
});
