import { afterEach, describe, expect, test } from 'bun:test';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { generateSecretKey, publicKeyOf } from '@nostr-dm-agent/nostr';
import { isIn, type PaidRun } from '@nostr-dm-agent/routstr';
import {
  call,
  costly,
  lastEntry,
  type PaidWorld,
  startPaidWorld,
} from '@nostr-dm-agent/routstr/testing/paid-world';
import fc from 'fast-check';
import type { AgentFailureKind } from '../../src/backends/backend.ts';
import { splitBudget } from '../../src/commands/budget-suffix.ts';
import type { Owner } from '../../src/config/config.ts';
import { holdNotice, openRunLine, owedLines, troubleText } from '../../src/replies/provider-replies.ts';
import { news } from '../../src/replies/routstr/paid-run-replies.ts';
import { finalReply } from '../../src/replies/run-replies.ts';
import { ledgerLine } from '../../src/replies/wallet-replies.ts';
import type { Settlement } from '../../src/runs/provider.ts';
import type { Run } from '../../src/runs/run.ts';

const publicKey = publicKeyOf(generateSecretKey());
const admin: Owner = { publicKey, role: 'admin' };
const member: Owner = { publicKey, role: 'member' };

describe('the budget at the end of a task', () => {
  test('is read as amounts are written, after white space, at the very end', () => {
    for (const [text, task, budget] of [
      ['fix it !!500', 'fix it', 500],
      ['fix it\n!!2k', 'fix it', 2000],
      ['fix it ！！1.5k  ', 'fix it', 1500],
      ['fix it !!2,000', 'fix it', 2000],
      ['fix it !!500sats', 'fix it', 500],
      ['a !!100 !!20', 'a !!100', 20],
      ['!!500', '', 500],
    ] as const) {
      expect(splitBudget(text)).toMatchObject({ state: 'budgeted', task, budget });
    }
  });

  test('is not what only looks a little like it', () => {
    for (const text of [
      'great !!',
      'what !!?',
      'wow!!500',
      '!!500 fix it',
      'say !! twice',
      'a !!500 b',
      '',
      '!!!',
    ]) {
      expect(splitBudget(text)).toEqual({ state: 'plain', task: text, budget: undefined });
    }
    for (const text of [
      'fix it !!abc',
      'fix it !!0',
      'Great job !!1',
      'fix it !!-5',
      'fix it !!1.5',
      'fix it !!2kk',
      `x !!${'9'.repeat(30)}`,
    ]) {
      expect(splitBudget(text).state).toBe('malformed');
    }
  });

  test('a task keeps every character of its own', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 10, max: 1e9 }), (task, budget) => {
        expect(splitBudget(`${task} !!${budget}`)).toMatchObject({ task: task.trimEnd(), budget });
      }),
    );
  });
});

describe('the end of a paid run says the truth about its money', () => {
  const run = (change: Partial<Run> & { failure?: AgentFailureKind; agentBegan?: boolean }): Run => {
    const { failure, agentBegan = true, ...rest } = change;
    return {
      ...{
        seq: 1,
        id: 'r1',
        owner: publicKey,
        session: 's',
        message: 'm' as Run['message'],
        messageKind: 14,
      },
      ...{
        protocol: 'nip17',
        fallbackRelays: [],
        task: 'fix it',
        mode: 'agent',
        model: 'routstr/claude-sonnet-4.5',
      },
      ...{
        provider: 'routstr',
        budget: undefined,
        state: 'done',
        outcome: 'failed',
        pid: undefined,
        answer: '',
      },
      ...{
        queuedAt: 0,
        startedAt: 0,
        endedAt: 42_000,
        job: 'task',
        undoneAt: undefined,
        told: undefined,
        parts: 0,
        schedule: undefined,
        dueAt: undefined,
        pictures: [],
      },
      result: {
        failure: failure && { kind: failure, detail: undefined, status: undefined },
        backendSession: agentBegan ? 'ses_1' : undefined,
        steps: agentBegan ? 5 : 0,
        tools: {},
        tokens: { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 },
        model: undefined,
        unknownEvents: 0,
        limits: [],
        newGit: [],
      },
      ...rest,
    };
  };
  const said = (of: Parameters<typeof run>[0], settlement: Settlement) => {
    const { text, foot } = finalReply(run(of), 42_000, settlement);
    return [text, foot].filter((part) => part !== '').join('\n\n');
  };

  test('answered: the facts alone, with what is owed', () => {
    const done = { outcome: 'answered', answer: 'Done.' } as const;
    expect(said(done, { spent: 138, budget: 2000 })).toBe(
      'Done.\n\n— agent · 42 s · 5 steps · 138 of 2000 sat · claude-sonnet-4.5',
    );
    expect(said(done, { spent: 138, budget: 2000, owed: 1862 })).toBe(
      'Done.\n\n— agent · 42 s · 5 steps · 138 of 2000 sat (1,862 sat still owed by the node; it is asked for) · claude-sonnet-4.5',
    );
    expect(said({ ...done, provider: 'local' }, undefined)).toBe(
      'Done.\n\n— agent · 42 s · 5 steps · claude-sonnet-4.5',
    );
  });

  test('used up: the answer so far, what it cost, and !continue', () => {
    expect(said({ failure: 'budget_exhausted', answer: 'So far.' }, { spent: 1990, budget: 2000 })).toBe(
      'So far.\n\nThe budget is used up (1,990 sat of 2,000 sat). !continue goes on where it was, with a new budget; !continue 4000 with a bigger one.\n' +
        'What was not spent is back.\n\n— agent · 42 s · 5 steps · 1990 of 2000 sat · claude-sonnet-4.5',
    );
    // With the owner's own login there is no budget of ours.
    expect(said({ failure: 'budget_exhausted', provider: 'local' }, undefined)).toContain(
      'Top up, then send !retry.',
    );
  });

  test('a node that contradicts its own bills: once, with both numbers, and no more money is asked for', () => {
    const text = said(
      { failure: 'bad_request' },
      { spent: 5, budget: 2500, contradiction: { said: 3, least: 2470 }, unexplained: 12 },
    );
    expect(
      text.match(/3 sat were left of this run’s budget; by its own bills it had to be 2,470 sat or more/g),
    ).toHaveLength(1);
    expect(text).toContain('The node kept 12 sat more than its own bills say.');
    expect(text).not.toMatch(/!more|!wallet topup/);
  });

  test('other failures: of a node, not of a login; nothing is promised that is not known', () => {
    const nothing = { spent: 0, budget: 2000 };
    expect(said({ failure: 'provider_down' }, nothing)).toContain(
      'The node could not be reached or dropped the connection, even after several tries. !continue goes on where it was, when it is back.\nIt cost nothing: the whole budget is back.',
    );
    // Nothing is said only of nothing: the mint may have taken something.
    expect(said({ failure: 'provider_down' }, { ...nothing, fee: 11 })).toContain(
      '\nIt cost 11 sat in fees: the rest of the budget is back.',
    );
    expect(said({ failure: 'provider_down' }, { ...nothing, owed: 1989, fee: 11 })).toContain(
      '\nIt cost 11 sat in fees so far.',
    );
    expect(said({ failure: 'provider_down' }, { ...nothing, owed: 2000 })).toMatch(
      /It cost nothing so far\.\n\n.+2,000 sat still owed/,
    );
    expect(said({ failure: 'provider_down' }, undefined)).toContain(
      'What it cost is not known yet: the node is asked',
    );
    expect(said({ failure: 'unauthorized' }, nothing)).not.toContain('Log in');
    expect(said({ failure: 'unauthorized', provider: 'local' }, undefined)).toContain('Log in');
    expect(said({ failure: 'model_unknown' }, nothing)).toContain('!provider models');
  });

  test('cut off: !continue only where there is something to go on with', () => {
    const money = { spent: 10, budget: 2000 };
    expect(said({ outcome: 'stopped' }, money)).toStartWith(
      'Stopped. It had done 5 steps. !continue goes on where it was, !retry runs the task again. What was not spent is back.',
    );
    expect(said({ outcome: 'stopped', agentBegan: false }, money)).toStartWith(
      'Stopped. !retry runs the task again.',
    );
    expect(said({ outcome: 'interrupted', result: undefined }, undefined)).toMatch(
      /“fix it”\. !continue .+ What it cost is not known yet/,
    );
    expect(said({ outcome: 'interrupted', result: undefined, provider: 'local' }, undefined)).not.toContain(
      'cost',
    );
  });

  test('refused: the reason alone', () => {
    expect(said({ outcome: 'refused', answer: 'Too little.' }, undefined)).toBe('Too little.');
  });
});

test('the question for more money suggests what is enough, in round numbers', () => {
  const ask = (needed?: number, available?: number, budget?: number) =>
    holdNotice({ needed, available, budget, holdMs: 240_000 });
  expect(ask(540, 12, 2000)).toBe(
    '⏸ The run waits for money: 12 sat of its 2,000 sat are left, and the next step may take up to 540 sat.\n!more 1000 lets it go on, !stop ends it. Without an answer it ends in 4 min.',
  );
  expect(ask(2712, 12, 2000)).toContain('!more 2700 ');
  expect(ask(540, 12, 300)).toContain('!more 600 ');
  expect(ask(83, 22, 300)).toContain('!more 300 ');
  expect(ask()).toStartWith('⏸ The run waits for money: 0 sat of its budget are left.\n!more 1000 ');
});

describe('money that is not home', () => {
  let world: PaidWorld;
  afterEach(() => world.end());
  const open = (): PaidRun => {
    const [run] = world.provider().paidRuns.open();
    if (run === undefined) throw new Error('nothing is open');
    return run;
  };
  const spent = async (): Promise<void> => {
    world = await startPaidWorld();
    const prepared = await world.prepare('r1', { owner: publicKey });
    world.upstream.reply({ usage: costly });
    await call(prepared);
    await until(() => world.node.audit().reservedMsat === 0, 'the node has booked the answer');
  };
  const crash = { kind: 'crash', memory: 'lost', stayDown: true } as const;

  test('is shown with who is asked, since when and when again; a task to its owner and to admins alone', async () => {
    await spent();
    world.node.crash();
    await world.finalize('r1');
    const now = open().nextAt - 5000;
    expect(openRunLine(open(), now, member)).toMatch(
      /^up to 1,864 sat from 127\.0\.0\.1:\d+, asked for .+, again in 5 s · “write hello\.txt with the text hi”$/,
    );
    const stranger: Owner = { publicKey: publicKeyOf(generateSecretKey()), role: 'member' };
    expect(openRunLine(open(), now, stranger)).not.toContain('hello');
    expect(openRunLine(open(), now, { ...stranger, role: 'admin' })).toContain('hello');
    expect(owedLines(world.provider().owed())).toEqual(['Owed by nodes: up to 1,864 sat, 1 run']);
    expect(ledgerLine(lastEntry(world), now)).toEndWith(' sat, change asked for');
    world.node.comeUp();
  });

  test('and needs a person: what is wrong, whom to ask, and by which request ids', async () => {
    await spent();
    world.node.faults.add({ endpoint: 'refund', when: 'after', effect: crash });
    await world.finalize('r1');
    world.node.sweep();
    world.node.comeUp();
    await world.later(60_000);
    const evidence = world.provider().paidRuns.evidence('r1');
    const run = open();
    if (!isIn(run, 'needs_operator')) throw new Error(`it is ${run.body.state}`);
    const text = troubleText(run, evidence, world.clock.now(), admin);
    expect(text).toStartWith(
      '❗ 1,864 sat of the run “write hello.txt with the text hi” are in doubt: the node took the change back',
    );
    expect(text).toContain(`Node: ${open().node}, run r1.`);
    expect(text.match(/Refund has been swept/g)).toHaveLength(1);
    const last = evidence.findLast(({ requestId }) => requestId !== undefined)?.requestId ?? 'none';
    expect(text).toMatch(new RegExp(`Request ids for its operator: .*${last}\\.$`));
    const stranger: Owner = { publicKey: publicKeyOf(generateSecretKey()), role: 'member' };
    expect(troubleText(run, evidence, 0, stranger)).not.toContain('hello');
    // What the owner is told when it happens leads there.
    expect(news(run)).toEndWith('!provider status shows what its operator needs to know.');
    expect(text).not.toContain('!provider status');
    expect(troubleText(run, evidence, 0, admin, 'npub1operator')).toEndWith(' On Nostr: npub1operator');
    expect(owedLines(world.provider().owed())).toEqual([
      'Owed by nodes: up to 1,864 sat, 1 run, 1 of them in doubt',
    ]);
    expect(openRunLine(open(), world.clock.now(), admin)).toContain('in doubt at 127.0.0.1');
  });
});
