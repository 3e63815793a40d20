import { afterAll, describe, expect, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { startSandboxMint } from '@nostr-dm-agent/sandbox/mint';
import { type Profile, startSandboxNode } from '@nostr-dm-agent/sandbox/node';
import { openFilledWallet } from '@nostr-dm-agent/sandbox/testing/filled-wallet';
import { createMeter } from '../src/meter/meter.ts';
import { defaultLimits } from '../src/meter/metered-run.ts';
import { createAbilitySource } from '../src/models/ability.ts';
import { minimumBudget, usableModels } from '../src/models/usable-models.ts';
import { apiKeyOf } from '../src/node/api-key.ts';
import { createNodeClient } from '../src/node/node-client.ts';
import { parseNodeUrl } from '../src/node/node-url.ts';
import { ask, recordingLog } from './support/metered.ts';
import { chunk, done, startModelUpstream, stream, text } from './support/model-upstream.ts';

const signal = new AbortController().signal;
const upstream = startModelUpstream();
const mint = startSandboxMint();
afterAll(async () => {
  await upstream.close();
  await mint.stop();
});

/** A node that redeems for real, in each of the versions that are out there. */
describe.each<[Profile]>([['legacy'], ['0.4.5'], ['main']])('With a node of the version %s', (profile) => {
  const node = startSandboxNode({
    mints: [mint.url],
    profile,
    upstream: { baseUrl: upstream.url, apiKey: 'k' },
  });
  const url = parseNodeUrl(node.url);
  const client = () => createNodeClient(url);
  const payer = openFilledWallet(mint.url, 20_000);
  afterAll(node.stop);

  test('a budget is deposited, known, filled up, asked back and asked back again', async () => {
    const token = await (await payer).token(100);
    const key = apiKeyOf(token);
    const kept: string[] = [];
    const refund = () => client().refund(key, (raw) => kept.push(raw), signal);

    expect((await refund()).state).toBe('unknown_key');
    expect((await client().info(key, signal)).state).toBe('unknown_key');
    const created = await client().create(token, signal);
    expect(created).toMatchObject({ state: 'credited', apiKey: key, balanceMsat: 100_000 });
    expect(await client().create(token, signal)).toMatchObject({ state: 'credited', balanceMsat: 100_000 });
    const more = await client().topup(key, await (await payer).token(50), signal);
    expect(more).toMatchObject({ state: 'credited', addedMsat: 50_000 });
    expect(await client().info(key, signal)).toMatchObject({
      state: 'known',
      balance: { availableMsat: 150_000, reservedMsat: 0, totalSpentMsat: 0 },
    });

    const change = await refund();
    expect(change).toMatchObject({ state: 'token', raw: kept[0] });
    expect(change.evidence.requestId).toBeString();
    expect(await refund()).toMatchObject({
      state: 'token',
      token: change.state === 'token' ? change.token : '',
    });
    if (change.state === 'token') expect(await (await payer).receive(change.token)).toBe(150);
  });

  test('bad tokens are told apart', async () => {
    const spent = await (await payer).token(10);
    await (await payer).receive(spent);
    expect((await client().create(spent, signal)).state).toBe('spent');
    const undecodable = await client().create('cashuBnonsense', signal);
    expect(undecodable).toMatchObject({ state: 'unspent', reason: 'undecodable' });
    node.faults.add({ endpoint: 'create', when: 'before', effect: { kind: 'drop' } });
    const dropped = await client().create(await (await payer).token(10), signal);
    expect(dropped).toMatchObject({ state: 'ambiguous', reason: 'no_answer' });
  });

  test('its models are there for an agent, with the budget they need', async () => {
    const models = await client().models(signal);
    if (models.state !== 'ok') throw new Error('no models');
    const { usable, unusable } = usableModels(models.value.models, createAbilitySource());
    expect(usable.map(({ id }) => id)).toContain('claude-sonnet-4.5');
    expect(unusable.length).toBeGreaterThan(0);
    for (const model of usable) expect(minimumBudget(model)).toBeGreaterThanOrEqual(0);
    expect(await client().nodeInfo(signal)).toMatchObject({ state: 'ok', value: { mints: [mint.url] } });
  });

  test('a run is metered to the msat, held when it is short, and goes on when it was topped up', async () => {
    const usage = { prompt_tokens: 1000, completion_tokens: 50, total_tokens: 1050 };
    upstream.play(() => stream([...text('Hello.'), chunk({}, null, { choices: [], usage }), done]));
    const token = await (await payer).token(20);
    const key = apiKeyOf(token);
    await client().create(token, signal);
    const meter = createMeter(recordingLog().log);
    const run = meter.open({
      runId: 'r',
      node: url,
      agentKey: token,
      nodeKey: key,
      price: () => undefined,
      limits: defaultLimits,
    });
    const post = () =>
      fetch(`${run.baseUrl}/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(ask({ model: 'claude-sonnet-4.5', max_tokens: 8192 })),
      });
    const answer = post();
    await until(() => run.usage().held === 1, 'the request is held');
    expect(upstream.bodies).toHaveLength(0);
    await client().topup(key, await (await payer).token(300), signal);
    run.more(300_000);
    expect(await (await answer).text()).toContain('Hello.');

    const info = await client().info(key, signal);
    const spent = info.state === 'known' ? (info.balance.totalSpentMsat ?? 0) : 0;
    expect(spent).toBeGreaterThan(0);
    expect(run.usage()).toMatchObject({ spentMsat: spent, last: { source: 'node', msat: spent } });
    await meter.close();
    const change = await client().refund(key, () => undefined, signal);
    const sats = change.state === 'token' ? Number(JSON.parse(change.raw).sats) : 0;
    expect(sats).toBe(Math.floor((320_000 - spent) / 1000));
  });
});
