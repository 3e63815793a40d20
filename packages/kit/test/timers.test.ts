import { expect, test } from 'bun:test';
import { after, every } from '../src/timers.ts';
import { until } from './support/until.ts';

const logged: unknown[] = [];
const options = {
  name: 'a test',
  log: { error: (facts: Record<string, unknown>) => void logged.push(facts) },
};
const newLog = () => {
  logged.length = 0;
  return options;
};

test('what a timer throws is logged, and it goes on', async () => {
  let times = 0;
  const cancel = every(1, newLog(), () => {
    times += 1;
    if (times === 1) throw new Error('at once');
    if (times === 2) return Promise.reject(new Error('later'));
    return undefined;
  });
  await until(() => times > 4, 'it goes on');
  cancel();
  expect(logged).toMatchObject([
    { timer: 'a test', error: { message: 'at once' } },
    { timer: 'a test', error: { message: 'later' } },
  ]);
});

test('it is never at work twice at a time', async () => {
  let [at, most, times] = [0, 0, 0];
  const cancel = every(1, newLog(), async () => {
    at += 1;
    most = Math.max(most, at);
    times += 1;
    await Bun.sleep(5);
    at -= 1;
  });
  await until(() => times > 3, 'several times');
  cancel();
  expect(most).toBe(1);
});

test('it ends with its signal, or when it is cancelled, also in the middle of its work', async () => {
  const controller = new AbortController();
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
  const { promise: gate, reject: fail } = Promise.withResolvers<void>();
  let times = 0;
  every(1, { ...newLog(), signal: controller.signal }, async () => {
    times += 1;
    reach();
    await gate;
  });
  await reached;
  controller.abort();
  fail(new Error('nobody wants to know any more'));
  let others = 0;
  const never = () => {
    others += 1;
  };
  every(1, { ...options, signal: controller.signal }, never);
  after(1, { ...options, signal: controller.signal }, never);
  after(1, options, never)();
  let last = false;
  after(10, options, () => {
    last = true;
  });
  await until(() => last, 'a timer that began later');
  expect([times, others, logged]).toEqual([1, 0, []]);
});

test('a timer does not keep the process alive', async () => {
  const source = `import { every } from '${import.meta.dir}/../src/timers.ts';
    every(60_000, { name: '', log: console }, () => {});`;
  const child = Bun.spawn([process.execPath, '-e', source], { stdout: 'ignore', stderr: 'inherit' });
  expect(await child.exited).toBe(0);
});
