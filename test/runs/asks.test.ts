import { describe, expect, test } from 'bun:test';
import type { EventId, InboundMessage, PublicKey, RelayUrl } from '@nostr-dm-agent/nostr';
import type { AgentQuestion, Approval } from '../../src/backends/approval.ts';
import { createCommands } from '../../src/commands/all-commands.ts';
import type { OrderedTask } from '../../src/commands/command.ts';
import { createDispatcher } from '../../src/commands/dispatch.ts';
import { readMeaning } from '../../src/commands/meaning/meaning.ts';
import { createAsks } from '../../src/runs/asks.ts';
import { readAnswer } from '../../src/runs/question-answer.ts';
import type { Run } from '../../src/runs/run.ts';
import { createMessageStore } from '../../src/store/messages-table.ts';
import { depsWithoutWallet } from '../support/commands.ts';
import { silentLog } from '../support/inbox.ts';

const owner = 'a'.repeat(64) as PublicKey;
const idOf = (count: number) => count.toString(16).padStart(64, '0') as EventId;
const runOf = (id: string): Run => ({
  ...{ seq: 1, id, owner, session: 's', message: idOf(900), messageKind: 14, protocol: 'nip17' },
  ...{ fallbackRelays: [], task: 'tidy up', mode: 'agent', model: undefined, provider: 'routstr' },
  ...{ budget: undefined, state: 'running', outcome: undefined, pid: 1, answer: undefined, job: 'task' },
  ...{
    result: undefined,
    queuedAt: 0,
    startedAt: 0,
    endedAt: undefined,
    undoneAt: undefined,
    told: undefined,
    parts: 0,
    schedule: undefined,
    dueAt: undefined,
    pictures: [],
  },
});
const command = (line: string): Approval => ({
  id: `per_${line}`,
  what: { kind: 'command', command: line },
  bySubAgent: false,
});
const edit = (file: string): Approval => ({
  id: `per_${file}`,
  what: { kind: 'edit', file, diff: '--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new' },
  bySubAgent: true,
});
const colour: AgentQuestion = {
  question: 'Which colour?',
  options: [
    { label: 'Red', description: 'like fire' },
    { label: 'Blue', description: '' },
  ],
  multiple: false,
};

/** An owner on the phone, and agents that ask. */
function openPhone(deadlineMs = 60_000) {
  const base = depsWithoutWallet();
  let now = 1_000_000;
  const clock = { now: () => now };
  const said: string[] = [];
  let sent = 0;
  const messenger = {
    send: (_: unknown, text: string) => {
      said.push(text);
      sent += 1;
      return [idOf(5000 + sent)];
    },
    react: () => {},
  };
  const asks = createAsks({ messenger, deadlineMs, clock, log: silentLog });
  const deps = { ...base, asks };
  const registry = createCommands({ ...deps, meaningOf: (text) => meaningOf(text) });
  const meaningOf = (text: string) =>
    readMeaning(text, { match: registry.match, isWholeToken: (found) => found.startsWith('cashuA') });
  const messages = createMessageStore(base.stores.db, base.clock);
  base.stores.owners.put(owner, 'admin', owner);
  const tasks: OrderedTask[] = [];
  const dispatcher = createDispatcher({
    ...{ meaningOf, match: registry.match, confirmations: base.stores.confirmations, asks, messages },
    tasks: { order: (_, asked) => tasks.push(asked), callOff: () => 0, continues: () => true },
    admission: { admit: () => {}, noteOnCode: () => undefined },
    ...{ messenger, stores: base.stores, redact: (text: string) => text },
    limits: { homeMadeAt: 0, catchupMs: 1e12, gatherMs: 1, commandTimeoutMs: 5_000 },
    ...{ clock: base.clock, log: silentLog },
  });
  dispatcher.start();
  let count = 0;
  return {
    asks,
    said,
    tasks,
    pass: (ms: number) => {
      now += ms;
    },
    /** The id of the bot's last message. */
    lastMessage: () => idOf(5000 + sent),
    send: async (text: string, rest: Partial<Pick<InboundMessage, 'kind' | 'references'>> = {}) => {
      count += 1;
      const message: InboundMessage = {
        ...{ id: idOf(count), sender: owner, protocol: 'nip17', kind: 14, text, references: [] },
        ...{ createdAt: Math.floor(base.clock.now() / 1000), relay: 'wss://relay.example/' as RelayUrl },
        ...rest,
      };
      const stored = messages.insert(message, message.id, 'received');
      if (stored === undefined) throw new Error('stored before');
      dispatcher.accept(stored);
      for (let turn = 0; turn < 20; turn++) await Bun.sleep(0);
      return said.at(-1) ?? '';
    },
    /** Lets what was settled be heard. */
    settle: async () => {
      for (let turn = 0; turn < 5; turn++) await Bun.sleep(0);
    },
  };
}

const never = new AbortController().signal;

describe('what an agent wants to do', () => {
  test('is read in full and allowed, in any way that people say it', async () => {
    for (const yes of [
      '!yes',
      'yes',
      'Ok',
      'go ahead',
      '!YES',
      'ja',
      '👍',
      '!yes please',
      'Yes, go for it!',
      'ok, do it',
    ]) {
      const phone = openPhone();
      const verdict = phone.asks.ofRun(runOf('r1'), () => {}).onApproval(command('rm -rf build'), never);
      await phone.settle();
      expect(phone.said.at(-1)).toContain('rm -rf build');
      expect(phone.said.at(-1)).toContain('!no');
      await phone.send(yes);
      expect([yes, await verdict]).toEqual([yes, { answer: 'once' }]);
      expect(phone.tasks).toEqual([]);
    }
  });

  test('is refused with the reason, which the model hears', async () => {
    const refusals = [
      ['!no use git rm', 'use git rm'],
      ['no, use git rm', 'use git rm'],
      ['Nope: leave it', 'leave it'],
      ['No, leave it', 'leave it'],
      ['!no, use git rm', 'use git rm'],
      ['!NO: use git rm', 'use git rm'],
      ['! no use git rm', 'use git rm'],
    ] as const;
    for (const [text, why] of refusals) {
      const phone = openPhone();
      const verdict = phone.asks.ofRun(runOf('r1'), () => {}).onApproval(command('rm a'), never);
      await phone.settle();
      expect(await phone.send(text)).toContain(why);
      expect(await verdict).toEqual({ answer: 'no', why });
      expect(phone.tasks).toEqual([]);
    }
  });

  test('a thumb counts for the message that it is on, and for no other', async () => {
    const phone = openPhone();
    const run = phone.asks.ofRun(runOf('r1'), () => {});
    const verdict = run.onApproval(command('make'), never);
    await phone.settle();
    const asking = phone.lastMessage();
    await phone.send('👍', { kind: 7, references: [idOf(4999)] });
    expect(phone.asks.open(owner)).toHaveLength(1);
    await phone.send('👎🏽', { kind: 7, references: [asking] });
    expect((await verdict).answer).toBe('no');
    // Again, when it is over.
    const before = phone.said.length;
    await phone.send('👍', { kind: 7, references: [asking] });
    expect(phone.said.length).toBe(before);
  });

  test('one thing after the other; always holds for its kind, and for this run alone', async () => {
    const phone = openPhone();
    const run = phone.asks.ofRun(runOf('r1'), () => {});
    const verdicts = [command('a'), command('b'), edit('c.ts')].map((each) => run.onApproval(each, never));
    await phone.settle();
    expect(phone.asks.open(owner)).toHaveLength(1);
    await phone.send('!always');
    expect(await verdicts[0]).toEqual({ answer: 'always' });
    expect(await verdicts[1]).toEqual({ answer: 'once' });
    await phone.settle();
    expect(phone.said.at(-1)).toContain('edit c.ts');
    expect(phone.said.at(-1)).toContain('+new');
    expect(phone.said.at(-1)).toContain('sub-agent');
    await phone.send('no');
    expect((await verdicts[2])?.answer).toBe('no');
    const next = phone.asks.ofRun(runOf('r2'), () => {}).onApproval(command('a'), never);
    await phone.settle();
    expect(phone.asks.open(owner)).toHaveLength(1);
    await phone.send('!no');
    await next;
  });

  test('of two that wait, a bare yes is asked about; a number or a reply says which', async () => {
    const phone = openPhone();
    const first = phone.asks.ofRun(runOf('r1'), () => {}).onApproval(command('one'), never);
    await phone.settle();
    const asking = phone.lastMessage();
    const second = phone.asks.ofRun(runOf('r2'), () => {}).onApproval(command('two'), never);
    await phone.settle();
    expect(await phone.send('yes')).toContain('2. two');
    expect(phone.asks.open(owner)).toHaveLength(2);
    await phone.send('!yes 2');
    expect(await second).toEqual({ answer: 'once' });
    await phone.send('no', { references: [asking] });
    expect((await first).answer).toBe('no');
  });

  test('no answer is a no after the deadline, which both sides hear', async () => {
    const phone = openPhone(20);
    const run = phone.asks.ofRun(runOf('r1'), () => {});
    const verdict = await run.onApproval(command('deploy'), never);
    expect(verdict).toEqual({ answer: 'no', why: expect.stringContaining('did not answer') });
    expect(phone.said.at(-1)).toContain('told no');
    expect(await phone.send('!yes')).toContain('Nothing waits for a yes');
  });

  test('who is not there is not asked again and again: what waits for its turn is refused with what lapsed', async () => {
    const phone = openPhone(20);
    const run = phone.asks.ofRun(runOf('r1'), () => {});
    const verdicts = await Promise.all(['one', 'two'].map((line) => run.onApproval(command(line), never)));
    const silent = { answer: 'no' as const, why: expect.stringContaining('did not answer') };
    expect(verdicts).toEqual([silent, silent]);
    expect(phone.said.filter((text) => text.includes('🔐'))).toHaveLength(1);
    // What comes later is.
    const later = run.onApproval(command('three'), never);
    await phone.settle();
    expect(phone.said.at(-1)).toContain('three');
    await phone.send('no');
    await later;
  });

  test('whoever stops a run has no answer to it on its way', async () => {
    const phone = openPhone();
    const stopping = new AbortController();
    const first = phone.asks.ofRun(runOf('r1'), () => {}, '', stopping.signal);
    const stopped = first.onApproval(command('ls'), stopping.signal);
    await phone.settle();
    stopping.abort('stopped');
    await stopped;
    const next = phone.asks.ofRun(runOf('r2'), () => {}).onApproval(command('make'), never);
    await phone.settle();
    await phone.send('!yes');
    expect(await next).toEqual({ answer: 'once' });
  });

  test('an answer that crosses the deadline allows nothing that its owner has not read', async () => {
    const phone = openPhone(60_000);
    const ending = new AbortController();
    const run = phone.asks.ofRun(runOf('r1'), () => {});
    const first = run.onApproval(command('ls'), ending.signal);
    const second = run.onApproval(command('rm -rf /'), never);
    await phone.settle();
    ending.abort();
    expect((await first).answer).toBe('no');
    await phone.settle();
    expect(await phone.send('yes')).toContain('rm -rf /');
    expect(phone.asks.open(owner)).toHaveLength(1);
    phone.pass(5_000);
    await phone.send('no');
    expect((await second).answer).toBe('no');
  });

  test('a yes in reply to what is over is no yes to what is asked now', async () => {
    const phone = openPhone();
    const run = phone.asks.ofRun(runOf('r1'), () => {});
    const first = run.onApproval(command('ls'), never);
    await phone.settle();
    const asking = phone.lastMessage();
    await phone.send('no');
    await first;
    const second = run.onApproval(command('rm -rf /'), never);
    await phone.settle();
    for (const late of ['yes', '!yes', '!always'])
      expect(await phone.send(late, { references: [asking] })).toContain('That is over');
    await phone.send('👍', { kind: 7, references: [asking] });
    expect(phone.asks.open(owner)).toHaveLength(1);
    await phone.send('no');
    expect((await second).answer).toBe('no');
  });

  test('nothing outlives its run: a late yes does nothing', async () => {
    const phone = openPhone();
    const run = phone.asks.ofRun(runOf('r1'), () => {});
    const verdict = run.onApproval(command('rm a'), never);
    await phone.settle();
    run.end();
    expect((await verdict).answer).toBe('no');
    expect(phone.asks.open(owner)).toEqual([]);
    expect(await phone.send('!yes')).toContain('Nothing waits');
    expect((await run.onApproval(command('rm b'), never)).answer).toBe('no');
  });

  test('somebody else’s yes is no answer', async () => {
    const phone = openPhone();
    const other = { ...runOf('r1'), owner: 'b'.repeat(64) as PublicKey };
    const verdict = phone.asks.ofRun(other, () => {}).onApproval(command('rm a'), never);
    await phone.settle();
    const asking = phone.lastMessage();
    expect(await phone.send('!yes', { references: [asking] })).toContain('Nothing waits');
    await phone.send('👍', { kind: 7, references: [asking] });
    expect(phone.asks.open(other.owner)).toHaveLength(1);
    const [ask] = phone.asks.open(other.owner);
    if (ask) phone.asks.answer(ask, { answer: 'no', why: '' });
    await verdict;
  });

  test('a long command shows its end, too', async () => {
    const phone = openPhone();
    const line = `echo ${'x'.repeat(5000)}; rm -rf ~`;
    const verdict = phone.asks.ofRun(runOf('r1'), () => {}).onApproval(command(line), never);
    await phone.settle();
    expect(phone.said.at(-1)).toContain('rm -rf ~');
    expect(phone.said.at(-1)).toContain('not shown');
    await phone.send('no');
    await verdict;
  });
});

describe('what an agent asks', () => {
  test('is answered by a number, a name or in words, and none of it is a task', async () => {
    const answers = [
      ['2', 'Blue'],
      ['red', 'Red'],
      ['!answer 1', 'Red'],
      ['Something darker, like navy', 'Something darker, like navy'],
      ['yes', 'yes'],
    ] as const;
    for (const [text, words] of answers) {
      const phone = openPhone();
      const answer = phone.asks.ofRun(runOf('r1'), () => {}).onQuestion([colour], never);
      await phone.settle();
      expect(phone.said.at(-1)).toContain('1. Red – like fire');
      await phone.send(text);
      expect([text, await answer]).toEqual([text, [[words]]]);
      expect(phone.tasks).toEqual([]);
    }
  });

  test('several come one by one, and money in an answer is no answer', async () => {
    const phone = openPhone();
    const waits: boolean[] = [];
    const run = phone.asks.ofRun(runOf('r1'), (begun) => waits.push(begun));
    const size: AgentQuestion = { question: 'Which sizes?', options: [], multiple: true };
    const answer = run.onQuestion([colour, size], never);
    await phone.settle();
    await phone.send('blue');
    expect(phone.said.at(-1)).toContain('Which sizes? (2 of 2)');
    await phone.send(`cashuA${'x'.repeat(60)}`);
    expect(phone.asks.open(owner)).toHaveLength(1);
    await phone.send('S and M');
    expect(await answer).toEqual([['Blue'], ['S and M']]);
    expect(waits).toEqual([true, false, true, false]);
  });

  test('without an answer the agent decides, and knows what was answered before', async () => {
    const phone = openPhone(50);
    const run = phone.asks.ofRun(runOf('r1'), () => {});
    const answer = run.onQuestion([colour, colour, colour], never);
    await phone.settle();
    await phone.send('blue');
    const unanswered = [expect.stringContaining('No answer within')];
    expect(await answer).toEqual([['Blue'], unanswered, unanswered]);
    expect(phone.said.at(-1)).toContain('goes on by itself');
  });

  test('a yes or a no is the option that says so, else a no leaves it to the agent', async () => {
    const yesNo: AgentQuestion = {
      ...colour,
      options: ['Yes, all', 'No'].map((label) => ({ label, description: '' })),
    };
    const left = expect.stringContaining('Decide it yourself');
    const cases = [
      [yesNo, '!yes', 'Yes, all'],
      [yesNo, 'yes', 'Yes, all'],
      [yesNo, '!no', 'No'],
      [yesNo, 'No.', 'No'],
      [colour, '!no', left],
      [colour, '!no not today', 'No: not today'],
      [{ ...colour, options: [] }, '!yes', 'yes'],
    ] as const;
    for (const [question, text, words] of cases) {
      const phone = openPhone();
      const answer = phone.asks.ofRun(runOf('r1'), () => {}).onQuestion([question], never);
      await phone.settle();
      await phone.send(text);
      expect([text, await answer]).toEqual([text, [[words]]]);
    }
    const reactions = [
      [yesNo, '👍', 'Yes, all'],
      [yesNo, '👎', 'No'],
      [colour, '2️⃣', 'Blue'],
      [colour, '👎🏽', left],
    ] as const;
    for (const [question, sign, words] of reactions) {
      const phone = openPhone();
      const answer = phone.asks.ofRun(runOf('r1'), () => {}).onQuestion([question], never);
      await phone.settle();
      await phone.send(sign, { kind: 7, references: [phone.lastMessage()] });
      expect([sign, await answer]).toEqual([sign, [[words]]]);
    }
    // What is no answer is said to be none, and the question stays.
    const phone = openPhone();
    const answer = phone.asks.ofRun(runOf('r1'), () => {}).onQuestion([colour], never);
    await phone.settle();
    const asking = phone.lastMessage();
    for (const sign of ['👍', '9️⃣'])
      expect(await phone.send(sign, { kind: 7, references: [asking] })).toContain('a number or in words');
    expect(await phone.send('!yes')).toContain('a number or in words');
    await phone.send('❤️', { kind: 7, references: [asking] });
    expect(phone.asks.open(owner)).toHaveLength(1);
    await phone.send('red');
    expect(await answer).toEqual([['Red']]);
  });

  test('of several options, numbers name several where that is meant', () => {
    const many = { ...colour, multiple: true };
    expect(readAnswer(many, '1, 2')).toEqual(['Red', 'Blue']);
    expect(readAnswer(many, '1 and 2')).toEqual(['Red', 'Blue']);
    expect(readAnswer(colour, '1, 2')).toEqual(['1, 2']);
    expect(readAnswer(colour, '#2.')).toEqual(['Blue']);
    expect(readAnswer(colour, '7')).toEqual(['7']);
    expect(readAnswer(many, '1 2')).toEqual(['Red', 'Blue']);
    expect(readAnswer(many, '1️⃣2️⃣')).toEqual(['Red', 'Blue']);
    expect(readAnswer(many, 'blue and red')).toEqual(['Blue', 'Red']);
    expect(readAnswer(many, 'blue and green')).toEqual(['blue and green']);
    expect(readAnswer(colour, 'Option 2')).toEqual(['Blue']);
    const marked = { ...colour, options: [{ label: 'Blue (recommended)', description: '' }] };
    expect(readAnswer(marked, 'blue')).toEqual(['Blue (recommended)']);
  });
});
