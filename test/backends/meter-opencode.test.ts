import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { type NodeUrl, parseNodeUrl, usableModels } from '@nostr-dm-agent/routstr';
import { createAbilitySource, opencodeModel } from '@nostr-dm-agent/routstr/open';
import { startMetered } from '@nostr-dm-agent/routstr/testing/metered';
import {
  bill,
  chunk,
  done,
  type Scenario,
  stream,
  text,
  tool,
} from '@nostr-dm-agent/routstr/testing/model-upstream';
import { entry, listOf } from '@nostr-dm-agent/routstr/testing/node-models';
import { createRealOpencode } from '../support/real-opencode.ts';

const world = startMetered();
type RunLimits = NonNullable<Parameters<typeof world.open>[0]>;
const opencode = createRealOpencode();
afterAll(async () => {
  await world.close();
  opencode.close();
});

const refusal = (
  status: number,
  message: string,
  code = 'x',
  headers: Record<string, string> = {},
): Response => Response.json({ error: { message, type: 't', code } }, { status, headers });

/**
 * Each of these makes opencode 1.18.33 go on for ever, or pay for the same request six times
 * (docs/design.md#what-opencode-does), when it speaks to a node directly.
 */
describe('opencode behind the meter ends once and fast', () => {
  const rows: readonly {
    readonly name: string;
    readonly scenario: Scenario;
    readonly limits?: RunLimits;
    readonly model?: object;
    /** Instead of the one that plays the scenario. */
    readonly node?: NodeUrl;
    readonly exit: number;
    readonly requests: number;
    readonly says: string;
  }[] = [
    {
      name: 'a stream without a finish reason',
      scenario: () =>
        stream([chunk({ role: 'assistant', content: 'This ends ' }), chunk({ content: 'here.' })]),
      exit: 0,
      requests: 1,
      says: 'This ends here.',
    },
    {
      name: 'a finish reason that promises tool calls and brings none',
      scenario: () => stream([chunk({ role: 'assistant', content: 'Hi.' }, 'tool_calls'), done]),
      exit: 0,
      requests: 1,
      says: 'Hi.',
    },
    {
      name: 'a page of HTML with status 200',
      scenario: () => new Response('<html>captive</html>', { headers: { 'content-type': 'text/html' } }),
      exit: 1,
      requests: 1,
      says: 'not a model',
    },
    {
      name: 'a 413 whatever is sent',
      scenario: () => refusal(413, 'too large'),
      exit: 1,
      requests: 3,
      says: 'no longer fits',
    },
    {
      name: 'a context that overflows again after each compaction',
      scenario: ({ tools }) =>
        tools && tools.length > 0
          ? refusal(400, 'This model’s maximum context length is 128000 tokens', 'context_length_exceeded')
          : stream([...text('A summary.'), bill(5), done]),
      exit: 1,
      requests: 5,
      says: 'no longer fits',
    },
    {
      name: 'a context configured smaller than the prompt',
      scenario: () =>
        stream([...text('So be it.'), bill(5, { prompt_tokens: 9000, total_tokens: 9050 }), done]),
      limits: { requests: 8 },
      model: { limit: { context: 4000, output: 500 } },
      exit: 1,
      requests: 8,
      says: 'as many model calls as it may',
    },
    {
      name: 'the same tool call over and over',
      scenario: () => stream([...tool('bash', { command: 'echo same', description: 'same' }), done]),
      limits: { sameAnswers: 3 },
      exit: 1,
      requests: 3,
      says: 'over and over',
    },
    {
      name: 'a 402 with digits that opencode takes for a 500',
      scenario: () => refusal(402, 'Insufficient balance: 1500 mSats required.', 'insufficient_balance'),
      limits: { holdMs: 300 },
      exit: 1,
      requests: 1,
      says: 'used up',
    },
    {
      name: 'a node that fails always',
      scenario: () => refusal(500, 'Internal server error'),
      limits: { retries: 1 },
      exit: 1,
      requests: 2,
      says: 'does not answer',
    },
    {
      name: 'a pause of an hour',
      scenario: () => refusal(429, 'Rate limit exceeded', 'rate_limited', { 'retry-after': '3600' }),
      exit: 1,
      requests: 1,
      says: 'longer pause',
    },
    {
      name: 'a stream that is cut',
      scenario: () => stream([chunk({ role: 'assistant', content: 'This ' }), 100], 'cut'),
      limits: { retries: 1 },
      exit: 1,
      requests: 2,
      says: 'does not answer',
    },
    {
      name: 'a node that is away',
      scenario: () => refusal(500, 'nobody is asked'),
      node: parseNodeUrl('http://127.0.0.1:1'),
      limits: { retries: 1 },
      exit: 1,
      requests: 0,
      says: 'does not answer',
    },
    {
      name: 'a node that takes the request and says nothing',
      scenario: () => new Promise<Response>(() => undefined),
      limits: { retries: 0, silenceMs: 300 },
      exit: 1,
      requests: 1,
      says: 'does not answer',
    },
    {
      name: 'a stream that falls silent',
      scenario: () => stream([chunk({ role: 'assistant', content: 'This ' })], 'hang'),
      limits: { retries: 0, silenceMs: 300 },
      exit: 1,
      requests: 1,
      says: 'does not answer',
    },
    {
      name: 'an error object inside the stream',
      scenario: () =>
        stream([
          chunk({ role: 'assistant', content: 'This ' }),
          `data: ${JSON.stringify({ error: { message: 'Insufficient balance 1500', code: 'insufficient_balance' } })}\n\n`,
        ]),
      exit: 1,
      requests: 1,
      says: 'used up',
    },
  ];

  let runs: readonly ReturnType<typeof world.open>[];
  let ask: Awaited<ReturnType<typeof opencode.serve>>;
  beforeAll(async () => {
    runs = rows.map(({ limits, node }) => world.open(limits, node && { node }));
    ask = await opencode.serve(
      runs.map(({ run, agentKey }, i) => ({
        ...{ baseUrl: run.baseUrl, key: agentKey },
        model: rows[i]?.model ?? {},
      })),
    );
  }, 60_000);

  test.each(rows.map((row, i) => [row.name, row, i] as const))(
    '%s',
    async (_name, { scenario, exit, requests, says }, i) => {
      world.upstream.play(scenario);
      const result = await ask(i);
      await runs[i]?.run.close();
      expect(result.exitCode).toBe(exit);
      expect(world.upstream.bodies.length).toBeLessThanOrEqual(requests);
      expect(JSON.stringify(result.events)).toMatch(new RegExp(says));
      // Nothing is said twice.
      const messages = result.events.filter((event) => event.type === 'error');
      expect(messages.length).toBeLessThanOrEqual(exit === 0 ? 0 : Math.max(1, requests));
    },
    120_000,
  );
});

test('a request that waits for money is answered when there is more, and opencode never notices', async () => {
  let paid = false;
  const { run, agentKey } = world.open();
  world.upstream.play(() =>
    paid
      ? stream([...text('All paid.'), bill(5), done])
      : refusal(402, 'Insufficient balance', 'insufficient_balance'),
  );
  // With a model's entry as sync-models writes it: opencode refuses a configuration with any word it does not know.
  const model = usableModels(listOf(entry('claude-sonnet-4.5')).models, createAbilitySource()).usable.map(
    opencodeModel,
  )[0];
  if (!model) throw new Error('not usable');
  const running = opencode.run({ baseUrl: run.baseUrl, key: agentKey, model });
  await until(() => run.usage().held === 1, 'the request is held', 60_000);
  paid = true;
  run.more(1000);
  const { exitCode, events } = await running;
  expect(exitCode).toBe(0);
  expect(events.map(({ type }) => type)).toEqual(['step_start', 'text', 'step_finish']);
  expect((await run.close()).spentMsat).toBe(5);
}, 120_000);

test('comments keep opencode waiting, and the error comes inside the stream', async () => {
  const patient = startMetered({ commitMs: 100 });
  patient.upstream.play(() => refusal(402, 'Insufficient balance', 'insufficient_balance'));
  const { run, agentKey } = patient.open({ holdMs: 1500 });
  const { exitCode, events } = await opencode.run({ baseUrl: run.baseUrl, key: agentKey });
  expect(exitCode).toBe(1);
  expect(JSON.stringify(events.at(-1))).toContain('used up');
  expect(patient.upstream.bodies).toHaveLength(1);
  await patient.close();
}, 120_000);
