import { afterAll, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createBackends } from '../../src/backends/all-backends.ts';
import { isolate, probeIsolation } from '../../src/backends/isolation.ts';
import { runShortCommand } from '../../src/backends/short-command.ts';
import { makePlace, watch } from '../support/backend.ts';

const signal = AbortSignal.timeout(60_000);
const place = makePlace();
afterAll(() => place.remove());
const { PATH: path } = place.settings.ambient;
/** Where bubblewrap does not work there is only its absence to test. */
const isolation = await probeIsolation('auto', path, signal);

const home = join(place.root, 'home');
const agent = join(home, 'agent');
const workspace = join(home, 'inside');
const configuration = join(place.root, 'configuration');
for (const folder of [agent, workspace, configuration]) mkdirSync(folder, { recursive: true });
writeFileSync(join(home, 'bot.db'), 'secret of the bot');
writeFileSync(join(workspace, '.env'), 'BOT_KEY=secret');
writeFileSync(join(configuration, 'opencode.json'), 'mine');

const inside = async (script: string): Promise<string> => {
  if (isolation.state !== 'bwrap') throw new Error('not isolated');
  const runId = crypto.randomUUID();
  const environment = { PATH: path ?? '', NOSTR_DM_AGENT_RUN: runId };
  const command = await isolate(
    isolation,
    { file: '/bin/sh', args: ['-c', script], cwd: workspace, environment },
    {
      cwd: workspace,
      writable: [workspace, agent],
      scratch: [configuration],
      hidden: [home, join(workspace, '.env'), join(place.root, 'not there')],
    },
  );
  return (await runShortCommand({ ...command, cwd: place.root }, { runId, timeoutMs: 20_000 }, signal))
    .output;
};

test('“none” is none, and “auto” says why when it comes to none', async () => {
  expect(await probeIsolation('none', path, signal)).toMatchObject({ state: 'none' });
  expect(await probeIsolation('auto', '/nowhere', signal)).toMatchObject({
    state: 'none',
    reason: expect.any(String),
  });
});

test('“bwrap” without bubblewrap starts no agent', async () => {
  expect(await probeIsolation('bwrap', '/nowhere', signal)).toMatchObject({ state: 'refused' });
  const ambient = { ...place.settings.ambient, PATH: '/nowhere' };
  const opencode = createBackends({ ...place.settings, ambient, isolation: 'bwrap' }, place.deps).get(
    'opencode',
  );
  const { observer, pids } = watch();
  expect(await opencode?.run(place.request('say hi'), observer, signal)).toMatchObject({
    outcome: 'failed',
    failure: { kind: 'bad_configuration' },
  });
  expect(pids).toEqual([]);
  expect(await opencode?.health(signal)).toMatchObject({ state: 'missing' });
}, 30_000);

if (isolation.state === 'bwrap') {
  test('the bot’s own files are not there for the agent, its own and the workspace are', async () => {
    const seen = await inside(
      `ls ${home}; cat ${home}/bot.db; cat .env; echo "env ended"; echo a > file && echo b > ${agent}/file && echo written`,
    );
    expect(seen).toBe('agent\ninside\nenv ended\nwritten');
    expect(readFileSync(join(workspace, 'file'), 'utf8')).toBe('a\n');
    expect(readFileSync(join(agent, 'file'), 'utf8')).toBe('b\n');
    expect(readFileSync(join(home, 'bot.db'), 'utf8')).toBe('secret of the bot');
  });

  test('the rest of the system cannot be changed, and its walls not be taken down', async () => {
    const outside = join(place.root, 'outside');
    expect(await inside(`echo x > ${outside} || echo refused; umount ${home} 2>/dev/null || echo held`)).toBe(
      'refused\nheld',
    );
  });

  test('a configuration is seen, and changes of it are thrown away', async () => {
    const seen = await inside(
      `cat ${configuration}/opencode.json; echo; echo x > ${configuration}/plugin.ts && ls ${configuration}; echo x > ${configuration}/opencode.json || echo kept`,
    );
    expect(seen).toBe('mine\nopencode.json\nplugin.ts\nkept');
    expect(readFileSync(join(configuration, 'opencode.json'), 'utf8')).toBe('mine');
    expect(await inside(`ls ${configuration}`)).toBe('opencode.json');
  });

  test('other processes cannot be seen', async () => {
    const seen = await inside(`ls /proc | grep -c '^[0-9]'; ls /proc/${process.pid}/environ || echo none`);
    expect(Number(seen.split('\n')[0])).toBeLessThan(10);
    expect(seen).toEndWith('none');
  });
} else
  test('without a working bubblewrap the status says so', () => {
    expect(isolation).toMatchObject({ state: 'none', reason: expect.stringContaining('bubblewrap') });
  });
