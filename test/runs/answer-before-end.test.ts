import { expect, test } from 'bun:test';
import { systemClock } from '@nostr-dm-agent/kit/clock';
import { openDatabase } from '@nostr-dm-agent/kit/sqlite';
import type { EventId, PublicKey } from '@nostr-dm-agent/nostr';
import type { ModelAnswer } from '@nostr-dm-agent/routstr';
import type { AgentRequest, AgentResult, Backend } from '../../src/backends/backend.ts';
import { createEarlyAnswer } from '../../src/backends/warm/early-answer.ts';
import { noResults } from '../../src/files/result-files.ts';
import { executeRun } from '../../src/runs/execute-run.ts';
import { createLocalProvider } from '../../src/runs/local-provider.ts';
import type { Provider } from '../../src/runs/provider.ts';
import { createRunBoard } from '../../src/runs/run-board.ts';
import { botMigrations } from '../../src/store/bot-schema.ts';
import { storesIn } from '../../src/store/open-stores.ts';
import { ownPayment, silent } from '../support/backend.ts';
import { noAsks } from '../support/commands.ts';

const owner = 'a'.repeat(64) as PublicKey;
const message = 'b'.repeat(64) as EventId;
const plain: AgentResult = {
  ...{ outcome: 'answered', answer: 'Forty-two.', failure: undefined, backendSession: 'ses_1', steps: 1 },
  ...{ tools: {}, tokens: { input: 1, output: 1, reasoning: 0, cacheRead: 0, cacheWrite: 0 } },
  ...{ model: undefined, unknownEvents: 0, limits: [], newGit: [], prompt: 'msg_1' },
};
const counted = { spent: 3, budget: 100 };

/** One run of a backend that says its last word, and is done later, or never is as it said. */
function oneRun(
  work: Backend['run'],
  bill: Provider['bill'] | null = () => counted,
  finalizeRun: Provider['finalizeRun'] = async () => counted,
) {
  const clock = systemClock;
  const stores = storesIn(openDatabase(':memory:', botMigrations), [], { clock, random: Math.random });
  const session = {
    ...{ id: 's', owner, workspace: 'app', directory: '/app', backend: 'opencode', mode: 'agent' as const },
    ...{ model: undefined, approvals: undefined, provider: undefined, backendSession: undefined },
    ...{ title: '', createdAt: 0, usedAt: 0, worktree: undefined },
  };
  stores.sessions.insert(session);
  const order = {
    ...{ owner, session: 's', message, messageKind: 14, protocol: 'nip17' as const, fallbackRelays: [] },
    ...{ task: 'the answer?', mode: 'agent' as const, model: undefined, budget: undefined },
  };
  const run = stores.runs.enqueue('run', order, 0);
  const said: string[] = [];
  const provider: Provider = { ...createLocalProvider(), ...(bill && { bill }), finalizeRun };
  const none = async (): Promise<undefined> => undefined;
  const backend: Backend = {
    ...{ name: 'opencode', run: work, endLeftovers: async () => 0, models: async () => [] },
    health: async () => ({ state: 'missing', looked: [], problem: '' }),
  };
  const done = executeRun(
    run,
    {
      stores,
      backends: new Map([['opencode', backend]]),
      places: { waits: () => false, enter: (session) => ({ session, leave: () => undefined }) },
      providers: { providers: new Map(), providerFor: () => ({ provider, note: undefined }) },
      messenger: {
        send: (_, text, { foot = '' } = {}) => {
          said.push([text, foot].filter((part) => part !== '').join('\n'));
          return [message];
        },
        react: (_to, _target, reaction) => void said.push(reaction),
      },
      ...{
        asks: noAsks,
        approvalsFor: async () => 'off',
        refuseRun: none,
        scheduled: () => undefined,
        results: () => {
          if (!canLook) throw new Error('the disk fails');
          return noResults;
        },
        lookAgain: () => undefined,
      },
      board: createRunBoard(),
      limits: { timeoutMs: 10_000, idleMs: 10_000, holdMs: 1, progressMs: 0, settleMs: 1_000 },
      ...{ reached: () => {}, clock, log: silent },
    },
    new AbortController().signal,
  );
  return { said, done, state: () => stores.runs.get('run') };
}
let canLook = true;
const answered = /^Forty-two\.\n[\s\S]*— agent · .* · 1 step · 3 of 100 sat$/;

test('an answer is sent when its agent has said its last word, once, and what is known later is kept', async () => {
  const end = Promise.withResolvers<AgentResult>();
  const spoken = Promise.withResolvers<void>();
  const { said, done, state } = oneRun(async (_, observer) => {
    observer.onAnswer?.(plain);
    observer.onAnswer?.(plain);
    observer.onEvent?.({ type: 'delta', part: 'p', text: 'Forty-two.' });
    spoken.resolve();
    return end.promise;
  });
  await spoken.promise;
  expect(said).toEqual(['👀', expect.stringMatching(answered), '✅']);
  expect(state()).toMatchObject({ state: 'done', outcome: 'answered', answer: 'Forty-two.' });
  end.resolve({ ...plain, answer: 'Forty-two. ', tokens: { ...plain.tokens, input: 1_000 } });
  await done;
  expect(said).toHaveLength(3);
  expect(state()?.result?.tokens.input).toBe(1_000);
  expect(state()?.endedAt).toBeGreaterThan(0);
});

test('an answer is not lost for the files that it names', async () => {
  canLook = false;
  const { said, done, state } = oneRun(async () => plain);
  await done;
  canLook = true;
  expect(said).toEqual(['👀', expect.stringMatching(answered), '✅']);
  expect(state()).toMatchObject({ state: 'done', outcome: 'answered' });
});

test('an agent that goes on after it is heard to its end', async () => {
  const { said, done, state } = oneRun(async (_, observer) => {
    observer.onAnswer?.(plain);
    return { ...plain, answer: 'Forty-three, after all.', steps: 2 };
  });
  await done;
  expect(said.slice(3)).toEqual(['The agent went on after its answer:\n\nForty-three, after all.']);
  expect(state()?.answer).toBe('Forty-three, after all.');
});

test('what becomes of its agent after its answer takes nothing back', async () => {
  for (const end of [
    {
      ...plain,
      outcome: 'failed',
      answer: '',
      failure: { kind: 'crashed', detail: undefined, status: undefined },
    },
    { ...plain, outcome: 'stopped', answer: '' },
  ] as const) {
    const { said, done, state } = oneRun(async (_, observer) => {
      observer.onAnswer?.(plain);
      return end;
    });
    await done;
    expect(said).toHaveLength(3);
    expect(state()).toMatchObject({ state: 'done', outcome: 'answered', answer: 'Forty-two.' });
  }
});

test('where no bill says what it cost, the answer waits for its agent and for the books', async () => {
  const { said, done } = oneRun(
    async (_, observer) => {
      observer.onAnswer?.(plain);
      expect(said).toEqual(['👀']);
      return plain;
    },
    () => undefined,
  );
  await done;
  expect(said).toEqual(['👀', expect.stringMatching(answered), '✅']);
});

test('where nobody counts what a run costs, its answer waits for nothing', async () => {
  const { said, done } = oneRun(
    async (_, observer) => {
      observer.onAnswer?.(plain);
      expect(said).toHaveLength(3);
      return plain;
    },
    null,
    async () => undefined,
  );
  await done;
  expect(said).toEqual(['👀', expect.stringMatching(/^Forty-two\.\n[\s\S]*· 1 step$/), '✅']);
});

const request: AgentRequest = {
  ...{ runId: 'run', owner, task: 'hm', mode: 'agent', model: 'm', workspace: '/app', title: 't' },
  ...{ backendSession: 'ses', payment: ownPayment },
};
const step: ModelAnswer = {
  ...{ session: 'ses', isStep: true, text: 'Yes.', promptTokens: 900, completionTokens: 10 },
};
const title: ModelAnswer = { ...step, isStep: false, text: 'A title' };
const used: ModelAnswer = { ...step, text: undefined };

test.each<[string, readonly ModelAnswer[], Partial<Parameters<typeof createEarlyAnswer>[0]>, number]>([
  ['one step and a text', [step], {}, 1],
  [
    'the title of a new session before it',
    [title, step],
    { request: { ...request, backendSession: undefined } },
    1,
  ],
  ['a title after it', [step, title], { request: { ...request, backendSession: undefined } }, 2],
  ['no title is due', [title, step], {}, 0],
  ['a tool was used before', [used, step], {}, 0],
  ['a tool is called', [used], {}, 0],
  ['a sub-agent', [{ ...step, session: 'other' }, step], {}, 0],
  ['nothing said', [{ ...step, text: ' \n' }], {}, 0],
  ['the conversation may be shortened next', [{ ...step, promptTokens: 101_000 }], {}, 0],
  ['a small context', [step], { contextLimit: 32_000 }, 0],
  ['a context of which nothing is known', [step], { contextLimit: undefined }, 1],
  ['how full it is was not said', [{ ...step, promptTokens: undefined, completionTokens: undefined }], {}, 0],
  ['something else was heard of the run', [step], { isPlain: () => false }, 0],
  ['a shortening', [step], { request: { ...request, job: 'compact' } }, 0],
])('the last word of an agent is known before it is done: %s', (_, answers, changed, offered) => {
  const results: AgentResult[] = [];
  const hear = createEarlyAnswer({
    ...{ request, session: 'ses', prompt: 'msg_1', model: 'm', contextLimit: 200_000 },
    ...{ isPlain: () => true, changes: () => ({ state: 'known', files: [] }), cutInstructions: undefined },
    offer: (result) => void results.push(result),
    ...changed,
  });
  for (const answer of answers) hear(answer);
  expect(results.map(({ answer, steps }) => [answer, steps])).toEqual(Array(offered).fill(['Yes.', 1]));
});
