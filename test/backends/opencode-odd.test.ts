/* What goes wrong with an agent's program is known after seconds, and told as what it is. */
import { afterAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@nostr-dm-agent/kit/testing/until';
import { createBackends } from '../../src/backends/all-backends.ts';
import type { AgentRequest } from '../../src/backends/backend.ts';
import { makePlace, watch } from '../support/backend.ts';
import { processesOf } from '../support/bot.ts';
import { writeOddOpencode } from '../support/odd-opencode.ts';

const place = makePlace();
const odd = writeOddOpencode(place.root);
afterAll(() => place.remove());
const opencode = createBackends(
  { ...place.settings, opencodeBin: odd.path },
  { ...place.deps, lingerMs: 200 },
).get('opencode');
const run = (more: Partial<AgentRequest> = {}) => {
  if (opencode === undefined) throw new Error('no opencode');
  return opencode.run(place.request('say hi', more), watch().observer, AbortSignal.timeout(20_000));
};
/** Whether the stand-in sits at what does not end. */
const isAsleep = (): boolean => processesOf('sleep', '6172').length > 0;
const store = join(place.settings.home, 'agent', `owner-${'a'.repeat(16)}`, 'store');

test('one that has answered and does not exit is ended, and its answer counts', async () => {
  odd.set('lingers');
  expect(await run()).toMatchObject({ outcome: 'answered', answer: 'did: say hi', failure: undefined });
});

test('one that speaks otherwise is named, with the version that is understood', async () => {
  odd.set('strange');
  odd.version('2.0.10');
  expect(await run()).toMatchObject({
    outcome: 'failed',
    failure: { kind: 'backend_unknown', detail: 'opencode 2.0.10, tested with 1.18.33' },
  });
});

test('one that was replaced, or is gone, is noticed before the next run', async () => {
  odd.set('');
  odd.version('1.18.33');
  expect(await run()).toMatchObject({ outcome: 'answered' });
  expect(await opencode?.health(AbortSignal.timeout(20_000))).toMatchObject({ version: '1.18.33' });
  odd.version('1.18.34');
  expect(await run()).toMatchObject({ outcome: 'answered' });
  odd.remove();
  expect(await run()).toMatchObject({ outcome: 'failed', failure: { kind: 'backend_missing' } });
  odd.version('1.18.33');
  expect(await run()).toMatchObject({ outcome: 'answered' });
});

test('a workspace that is gone is named', async () => {
  const workspace = join(place.root, 'gone');
  expect(await run({ workspace })).toMatchObject({
    outcome: 'failed',
    failure: { kind: 'workspace_gone', detail: workspace },
  });
});

test('a store that cannot be read is moved aside, and the next run works', async () => {
  odd.set('damaged');
  writeFileSync(join(store, 'opencode.db'), 'garbage');
  const { failure } = await run();
  expect(failure).toMatchObject({ kind: 'store_damaged' });
  expect(readFileSync(join(failure?.detail ?? '', 'opencode.db'), 'utf8')).toBe('garbage');
  expect(existsSync(join(store, 'opencode.db'))).toBe(false);
  expect(await run()).toMatchObject({ outcome: 'answered' });
  // Of several the last one is kept.
  writeFileSync(join(store, 'opencode.db'), 'garbage again');
  await run();
  expect(readdirSync(join(store, '../damaged'))).toHaveLength(1);
});

test('one that is locked is tried again, then moved aside unless another run works with it', async () => {
  odd.set('locked');
  writeFileSync(join(store, 'opencode.db'), '');
  writeFileSync(join(place.root, 'locked'), '1');
  expect(await run()).toMatchObject({ outcome: 'answered' });
  writeFileSync(join(place.root, 'locked'), '99');
  const two = await Promise.all([run(), run()]);
  expect(two.map(({ failure }) => failure?.kind).sort()).toEqual(['store_damaged', 'store_locked']);
}, 30_000);

test('instructions that are too long are told', async () => {
  odd.set('');
  const workspace = join(place.root, 'talkative');
  mkdirSync(workspace);
  writeFileSync(join(workspace, 'AGENTS.md'), 'x'.repeat(70_000));
  expect(await run({ workspace })).toMatchObject({ outcome: 'answered', cutInstructions: 'AGENTS.md' });
});

test('a run is stopped while its program does not say what it is', async () => {
  odd.version('hangs');
  const stop = new AbortController();
  const running = opencode?.run(place.request('say hi'), watch().observer, stop.signal);
  await until(isAsleep, 'its version is asked for');
  const begun = performance.now();
  stop.abort('stopped');
  expect(await running).toMatchObject({ outcome: 'stopped' });
  expect(performance.now() - begun).toBeLessThan(3_000);
  expect(isAsleep()).toBe(false);
});
