import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startModel } from '@nostr-dm-agent/sandbox/model';
import { createBackends } from '../../src/backends/all-backends.ts';
import type { Approval, Verdict } from '../../src/backends/approval.ts';
import type {
  AgentRequest,
  AgentResult,
  Backend,
  RunObserver,
  StandingPayment,
} from '../../src/backends/backend.ts';
import type { SessionPlace } from '../../src/backends/session-desk.ts';
import { sandboxOpencodeConfig } from '../../src/sandbox/opencode-user-config.ts';
import { makePlace, watch } from '../support/backend.ts';
import { bubblewrapHere } from '../support/jail.ts';
import { startDoor } from '../support/warm-door.ts';

// One server for all stories: it takes seconds to start.
const limit = 90_000;
const me = { name: 'me', uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const missing = await bubblewrapHere(me);
if (missing !== undefined) test('the jail can be built', () => expect(process.env.CI).toBeUndefined());
const story = test.if(missing === undefined);

const place = makePlace();
const { workspace, settings, request } = place;
const model = startModel();
const house = startDoor(model.url.replace(/\/v1$/, '/v1'));
let opencode: Backend;

const standing: StandingPayment = {
  payer: 'routstr',
  payment: (door) => ({
    credentials: 'provided',
    variables: { ROUTSTR_API_KEY: door?.key ?? '' },
    configuration: {
      model: 'routstr/tiny',
      small_model: 'routstr/small',
      provider: {
        routstr: {
          ...sandboxOpencodeConfig(model.url, '').provider.sandbox,
          options: { baseURL: door?.baseUrl ?? '', apiKey: '{env:ROUTSTR_API_KEY}' },
        },
      },
    },
  }),
  openDoor: () => house.door,
};

const sh = (script: string): string =>
  Bun.spawnSync(['/bin/sh', '-c', script], { cwd: workspace }).stdout.toString().trim();

beforeAll(() => {
  writeFileSync(join(workspace, 'README.md'), 'hello\n');
  sh('git init -q && git add -A && git -c user.name=a -c user.email=a@b commit -qm init');
  const warm = { servers: 2, keptMs: 60_000 };
  const created = createBackends(settings, { ...place.behind('bwrap'), warm }).get('opencode');
  if (created === undefined) throw new Error('no opencode');
  opencode = created;
});
afterAll(async () => {
  await opencode.close?.();
  await model.stop();
  house.stop();
  place.remove();
});

const run = async (
  task: string,
  more: Partial<AgentRequest> = {},
  observer: RunObserver = {},
  signal = AbortSignal.timeout(60_000),
) => {
  const seen = watch();
  const result = await opencode.run(
    request(task, { standing, ...more }),
    { ...seen.observer, ...observer },
    signal,
  );
  return { ...result, ...seen };
};

story(
  'a task that comes to a server which is ready is at the model at once, and its session goes on',
  async () => {
    opencode.warm?.({ owner: 'a'.repeat(64), workspace, mode: 'agent', model: undefined, standing });
    const first = await run('write hello.txt with the text Hi there then remember the word kiwi');
    expect(first).toMatchObject({ outcome: 'answered', failure: undefined, steps: 2, tools: { write: 1 } });
    expect(first.answer).toBe('I wrote hello.txt.\nI will remember: kiwi');
    expect(readFileSync(join(workspace, 'hello.txt'), 'utf8')).toBe('Hi there\n');
    expect(first.changes).toEqual({
      state: 'known',
      files: [{ file: 'hello.txt', added: 1, removed: 0 }],
    });
    const second = await run('what did I say', { backendSession: first.backendSession });
    expect(second.answer).toContain('kiwi');
    expect(second.events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['session', 'delta', 'text']),
    );
    // Both on one server, each call under its own run.
    expect(second.pids).toEqual(first.pids);
    expect(house.calls.map(({ run }) => run === undefined)).toEqual([false, false, false]);
    expect(model.requests.filter(({ title }) => title)).toHaveLength(0);
    expect(house.leases.size).toBe(0);
  },
  limit,
);

const scriptOf = (name: string, text: string): string => {
  writeFileSync(join(workspace, name), text);
  return `run sh ${name}`;
};

story(
  'an agent learns no secret of its server, cannot speak to it, and cannot change what it loads',
  async () => {
    const probe = [
      'echo "http $(curl -s -m 5 -o /dev/null -w "%{http_code}" http://127.0.0.1:4096/permission)"',
      'echo "guess $(curl -s -m 5 -u opencode: -o /dev/null -w "%{http_code}" http://127.0.0.1:4096/permission)"',
      'echo "env $(env | grep -c "PASSWORD=.\\|CONFIG_CONTENT=.\\|API_KEY=.\\|door-")"',
      `echo "environ $(cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c "PASSWORD=.\\|CONFIG_CONTENT=.\\|API_KEY=.\\|${house.door.key}")"`,
      `echo "argv $(cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c "^door-\\|api[K]ey")"`,
      'server=$(grep -l "^Name:.opencode" /proc/[0-9]*/status | head -1 | cut -d/ -f3)',
      'test -n "$server" && echo "server found"',
      'head -c 1 /proc/$server/mem >/dev/null 2>&1 && echo "mem open"; readlink /proc/$server/fd/* >/dev/null 2>&1 && echo "fd open"; ls /proc/$server/cwd/ >/dev/null 2>&1 && echo "cwd open"',
      'touch /run/jail/texts/warm.ts 2>/dev/null && echo "plugin open"',
      'mkdir -p ~/.config/opencode/plugin 2>/dev/null && echo "config open"',
      'echo x > /run/jail/in/AGENTS.md 2>/dev/null && echo "instructions open"',
      'mv /run/out/server.sock /run/out/other.sock',
      'echo "run $NOSTR_DM_AGENT_RUN"',
    ].join('\n');
    const task = scriptOf('probe.sh', probe);
    const order = request(task, { standing });
    const result = await opencode.run(order, {}, AbortSignal.timeout(60_000));
    for (const line of ['http 401', 'guess 401', 'env 0', 'environ 0', 'argv 0', 'server found'])
      expect(result.answer).toContain(line);
    expect(result.answer).toContain(`run ${order.runId}`);
    expect(result.answer).not.toContain('open');
    // What it put at the socket's place changes nothing.
    expect((await run('say still here')).answer).toBe('still here');
  },
  limit,
);

story(
  'what a run leaves for the server’s own git is not run in the next one',
  async () => {
    const planted = [
      'echo "#!/bin/sh" > .planted.sh; echo "touch ran-$(basename $0)" >> .planted.sh; chmod +x .planted.sh',
      'for repository in ~/.local/share/opencode/snapshot/*/*; do',
      '  git config -f $repository/config core.fsmonitor $PWD/.planted.sh && echo planted',
      '  git config -f $repository/config core.hooksPath $repository/mine',
      '  mkdir -p $repository/mine; cp .planted.sh $repository/mine/post-index-change',
      '  mkdir -p $repository/hooks; cp .planted.sh $repository/hooks/post-index-change',
      '  git config -f $repository/config filter.mine.clean $PWD/.planted.sh; echo "* filter=mine" > $repository/info/attributes',
      'done',
      'git config --global core.fsmonitor $PWD/.planted.sh; git config --global filter.mine.clean $PWD/.planted.sh; echo "x.txt filter=mine" > .gitattributes',
      'sleep 0.2; rm -f ran-*',
    ].join('\n');
    expect((await run(scriptOf('plant.sh', planted))).answer).toContain('planted');
    writeFileSync(join(workspace, 'x.txt'), 'x');
    sh(`rm -f ${workspace}/ran-*`);
    const next = await run('write y.txt with the text y');
    expect(next.outcome).toBe('answered');
    expect(sh(`ls ${workspace} | grep -c "^ran-" || true`)).toBe('0');
    sh(`rm -f ${workspace}/.gitattributes ${workspace}/.planted.sh`);
  },
  limit,
);

story(
  'what a run leaves behind is ended with it, whatever it did with its marker',
  async () => {
    const task = scriptOf(
      'leave.sh',
      'setsid sleep 7191 >/dev/null 2>&1 &\n(setsid env -i /bin/sleep 7192 >/dev/null 2>&1 &)\necho left',
    );
    expect((await run(task)).answer).toContain('left');
    expect(sh('ps axww -o args | grep -c "^[^ ]*slee[p] 719[12]"')).toBe('0');
  },
  limit,
);

story(
  'what has to be asked first is done after a yes, and after a no the agent goes on with the reason',
  async () => {
    writeFileSync(join(workspace, 'x.txt'), 'x');
    const asked: unknown[] = [];
    const saying = (verdict: Verdict): RunObserver => ({
      onApproval: async ({ what, bySubAgent }) => {
        asked.push(what, bySubAgent);
        return verdict;
      },
    });
    const no = await run(
      'run rm x.txt then write y.txt with the text y',
      { approvals: 'commands' },
      saying({ answer: 'no', why: 'keep that file' }),
    );
    expect(asked).toEqual([{ kind: 'command', command: 'rm x.txt' }, false]);
    expect(no.outcome).toBe('answered');
    expect(existsSync(join(workspace, 'x.txt'))).toBe(true);
    expect(JSON.stringify(model.requests.at(-1)?.chat.messages)).toContain('keep that file');
    expect(existsSync(join(workspace, 'y.txt'))).toBe(true);
    const yes = await run(
      'run rm x.txt then write z.txt with the text z',
      { approvals: 'all', backendSession: no.backendSession },
      saying({ answer: 'once' }),
    );
    expect(yes.outcome).toBe('answered');
    expect(existsSync(join(workspace, 'x.txt'))).toBe(false);
    expect(asked.slice(2)).toEqual([
      { kind: 'command', command: 'rm x.txt' },
      false,
      { kind: 'edit', file: expect.stringContaining('z.txt'), diff: expect.stringContaining('+z') },
      false,
    ]);
    // Nothing of it stays with the session, and without anybody to ask the answer is no.
    const free = await run('run echo free', { backendSession: no.backendSession });
    expect(free.answer).toContain('free');
    const nobody = await run('run touch nobody.txt', { approvals: 'commands' });
    expect(nobody.outcome).toBe('answered');
    expect(existsSync(join(workspace, 'nobody.txt'))).toBe(false);
  },
  limit,
);

story(
  'a stop ends a run that asks or works, and a late yes does nothing',
  async () => {
    const stopping = new AbortController();
    const open = Promise.withResolvers<void>();
    const late = Promise.withResolvers<Verdict>();
    const ending = run(
      'run touch late.txt',
      { approvals: 'commands' },
      {
        onApproval: (_, signal) => {
          open.resolve();
          signal.addEventListener('abort', () => late.resolve({ answer: 'once' }));
          return late.promise;
        },
      },
      stopping.signal,
    );
    await open.promise;
    stopping.abort('stopped');
    const stopped = await ending;
    expect(stopped).toMatchObject({ outcome: 'stopped', failure: undefined, tools: {} });
    const after = await run('say after');
    expect(after.answer).toBe('after');
    expect(existsSync(join(workspace, 'late.txt'))).toBe(false);

    const early = new AbortController();
    const unanswered = run('take 30 seconds then say rhubarb', {}, {}, early.signal);
    for (const before = house.calls.length; house.calls.length === before; ) await Bun.sleep(20);
    early.abort('stopped');
    const gone = await unanswered;
    expect(gone).toMatchObject({ outcome: 'stopped', steps: 0 });
    await run('say next', { backendSession: gone.backendSession });
    expect(JSON.stringify(model.requests.at(-1)?.chat.messages)).not.toContain('rhubarb');

    const working = new AbortController();
    const busy = Promise.withResolvers<void>();
    const task = scriptOf('long.sh', 'touch begun\nsleep 7193');
    const second = run(`${task} and wait`, {}, {}, working.signal);
    void (async () => {
      while (!existsSync(join(workspace, 'begun'))) await Bun.sleep(20);
      busy.resolve();
    })();
    await busy.promise;
    working.abort('stopped');
    expect((await second).outcome).toBe('stopped');
    expect(sh('ps axww -o args | grep -c "^[^ ]*slee[p] 7193"')).toBe('0');
  },
  limit,
);

story(
  'what a task changed is shown, taken back and put back; the conversation is copied, named and shortened',
  async () => {
    const { desk } = opencode;
    if (desk === undefined) throw new Error('no desk');
    const early: AgentResult[] = [];
    const worked = await run(
      'write made.txt with the text one then run echo two > two.txt',
      {},
      { onAnswer: (result) => void early.push(result) },
    );
    // All of it was known, and could be told, before the server had let go of it.
    const { pids: _pids, events: _events, ...whole } = worked;
    expect(early.map((result) => ({ ...whole, ...result }))).toEqual([whole]);
    const { backendSession = '', prompt = '' } = worked;
    const at: SessionPlace = { owner: 'a'.repeat(64), workspace, mode: 'agent', backendSession, standing };
    const soon = AbortSignal.timeout(30_000);
    expect(worked.context?.used).toBeGreaterThan(0);
    const files = [
      { file: 'made.txt', added: 1, removed: 0 },
      { file: 'two.txt', added: 1, removed: 0 },
    ];
    expect(worked.changes).toEqual({ state: 'known', files });
    expect(await desk.diff(at, [prompt], soon)).toMatchObject(
      files.map((file) => ({ ...file, diff: expect.stringContaining('+') })),
    );
    const there = () => ['made.txt', 'two.txt'].map((name) => existsSync(join(workspace, name)));
    expect(await desk.undo(at, [prompt], soon)).toEqual({ state: 'done', files });
    expect(there()).toEqual([false, false]);
    expect(await desk.redo(at, soon)).toEqual({ state: 'done' });
    expect(there()).toEqual([true, true]);
    expect(await desk.redo(at, soon)).toEqual({ state: 'refused', why: 'nothing' });
    expect(await desk.todos(at, soon)).toEqual([]);
    expect(await desk.rename(at, 'two files', soon)).toEqual({ state: 'done' });
    const copy = await desk.fork(at, soon);
    if (!('backendSession' in copy)) throw new Error(JSON.stringify(copy));
    expect((await run('what did I say', { backendSession: copy.backendSession })).answer).toContain(
      'made.txt',
    );
    const lost = { ...at, backendSession: 'ses_00000000000000000000000000' };
    expect(await desk.fork(lost, soon)).toEqual({ state: 'refused', why: 'forgotten' });

    const before = house.calls.length;
    const short = await run('(shorten)', { backendSession, job: 'compact' });
    expect(short).toMatchObject({ outcome: 'answered', failure: undefined });
    expect(house.calls.slice(before).map(({ run: payer }) => payer !== undefined)).toEqual([true]);
    const after = await run('say still here', { backendSession });
    expect(after.answer).toBe('still here');

    // Shortening that is cut off is not done in the next task's place.
    const goOn = house.hold();
    const cut = new AbortController();
    const asked = house.calls.length;
    const shortening = run('(shorten)', { backendSession, job: 'compact' }, {}, cut.signal);
    while (house.calls.length === asked) await Bun.sleep(20);
    cut.abort('stopped');
    expect(await shortening).toMatchObject({ outcome: 'stopped' });
    goOn();
    const calls = house.calls.length;
    expect((await run('say and still', { backendSession })).answer).toBe('and still');
    expect(house.calls.length - calls).toBe(1);
  },
  limit,
);

story(
  'a word to a run that is just ending is read by it, once and at its cost, or not taken',
  async () => {
    const before = house.calls.length;
    let taken = 0;
    for (let round = 0; round < 8; round += 1) {
      const order = request(`say first${round}`, { standing });
      const calls = house.calls.length;
      const running = opencode.run(order, {}, AbortSignal.timeout(60_000));
      while (house.calls.length === calls) await Bun.sleep(1);
      // All over the time from the model's answer to the end of the run.
      await Bun.sleep(round * 12);
      const told = await opencode.tell?.(order.runId, `say word${round}`, AbortSignal.timeout(5_000));
      const { outcome, answer, unheard } = await running;
      expect({ outcome, unheard }).toEqual({ outcome: 'answered', unheard: undefined });
      if (told === true) taken += 1;
      expect(answer).toBe(told === true ? `word${round}` : `first${round}`);
      const asked = model.requests.filter(({ chat }) =>
        chat.messages.some(({ content }) => content.includes(`word${round}`)),
      );
      if (told !== true) expect(asked).toEqual([]);
      const said = JSON.stringify(asked.at(-1)?.chat.messages ?? []).split(`say word${round}`).length - 1;
      expect(said).toBe(told === true ? 1 : 0);
    }
    expect(taken).toBeGreaterThan(0);
    expect(house.calls.slice(before).filter(({ run: payer }) => payer === undefined)).toEqual([]);
  },
  limit,
);

story(
  'what a run changed is told whole, also what it did after a word in between',
  async () => {
    const order = request('run touch before-word && sleep 1 then say done', { standing });
    const calls = house.calls.length;
    const running = opencode.run(order, {}, AbortSignal.timeout(60_000));
    while (house.calls.length === calls) await Bun.sleep(1);
    expect(await opencode.tell?.(order.runId, 'run touch after-word', AbortSignal.timeout(5_000))).toBe(true);
    const { outcome, changes, prompt = '', words = [], backendSession = '' } = await running;
    expect({ outcome, changes }).toEqual({
      outcome: 'answered',
      changes: {
        state: 'known',
        files: [
          { file: 'after-word', added: 0, removed: 0 },
          { file: 'before-word', added: 0, removed: 0 },
        ],
      },
    });
    const at: SessionPlace = { owner: 'a'.repeat(64), workspace, mode: 'agent', backendSession, standing };
    const undone = await opencode.desk?.undo(at, [prompt, ...words], AbortSignal.timeout(30_000));
    expect(undone).toMatchObject({ state: 'done', files: [{ file: 'after-word' }, { file: 'before-word' }] });
    expect(['after-word', 'before-word'].map((name) => existsSync(join(workspace, name)))).toEqual([
      false,
      false,
    ]);
  },
  limit,
);

test(
  'where nothing is kept ready and nothing walls agents in, what has to be asked is asked all the same',
  async () => {
    // A bot has one wall: this is another one's.
    const other = makePlace();
    const { workspace, request } = other;
    const bare = createBackends(other.settings, other.deps).get('opencode');
    if (bare?.close === undefined) throw new Error('no opencode');
    writeFileSync(join(workspace, 'bare.txt'), 'x');
    const asked: unknown[] = [];
    const onApproval = async ({ what }: Approval): Promise<Verdict> => {
      asked.push(what);
      return { answer: asked.length === 1 ? 'no' : 'once', why: 'not that' };
    };
    const order = request('run rm bare.txt then run touch bare2.txt', { standing, approvals: 'commands' });
    const result = await bare.run(order, { onApproval }, AbortSignal.timeout(60_000));
    expect(result).toMatchObject({ outcome: 'answered', failure: undefined });
    expect(asked).toHaveLength(2);
    expect(existsSync(join(workspace, 'bare.txt'))).toBe(true);
    expect(existsSync(join(workspace, 'bare2.txt'))).toBe(true);
    // In a process of its own nobody can be asked: it is not done, and the agent goes on.
    const payment = standing.payment({ ...house.door, baseUrl: model.url });
    const alone = await bare.run(
      request('run rm bare.txt then say went on', { approvals: 'commands', payment }),
      { onApproval },
      AbortSignal.timeout(60_000),
    );
    expect(alone.answer).toContain('went on');
    // What its runs were allowed stays in no session: in another mode nothing is run, and nothing asked.
    const { backendSession } = result;
    const reading = await bare.run(
      request('run touch bare3.txt', { mode: 'ask', payment, backendSession }),
      { onApproval },
      AbortSignal.timeout(60_000),
    );
    expect(reading.answer).toContain('cannot run commands');
    expect(asked).toHaveLength(2);
    expect(existsSync(join(workspace, 'bare3.txt'))).toBe(false);
    expect(existsSync(join(workspace, 'bare.txt'))).toBe(true);
    await bare.close();
    other.remove();
  },
  limit,
);

story(
  'a server that dies takes its run with it, which is told, and the next run works',
  async () => {
    const task = scriptOf('die.sh', 'touch dying\nsleep 7194');
    const seen = watch();
    const running = opencode.run(
      request(`${task} and wait`, { standing }),
      seen.observer,
      AbortSignal.timeout(60_000),
    );
    while (!existsSync(join(workspace, 'dying'))) await Bun.sleep(20);
    process.kill(seen.pids[0] ?? 0, 'SIGKILL');
    expect(await running).toMatchObject({ outcome: 'failed', failure: { kind: 'crashed' } });
    expect(house.leases.size).toBe(0);
    expect(sh('ps axww -o args | grep -c "^[^ ]*slee[p] 7194"')).toBe('0');
    const next = await run('say again');
    expect(next.answer).toBe('again');
    expect(next.pids).not.toEqual(seen.pids);
  },
  limit,
);
