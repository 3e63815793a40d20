import { expect, test } from 'bun:test';
import { pause, untilAborted } from '../src/abort.ts';

test('waiting ends with what was waited for, or with the signal’s reason, whichever is first', async () => {
  const controller = new AbortController();
  expect(await untilAborted(Promise.resolve(1), controller.signal)).toBe(1);
  await expect(untilAborted(Promise.reject(new Error('it failed')), controller.signal)).rejects.toThrow(
    'it failed',
  );
  const { promise: never, reject } = Promise.withResolvers<void>();
  const waiting = untilAborted(never, controller.signal);
  controller.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  await expect(untilAborted(never, controller.signal)).rejects.toThrow('enough');
  // Late, and nobody's: an unhandled rejection would fail this test.
  reject(new Error('too late'));
  await Bun.sleep(0);
});

test('a pause ends with its time, or at once with the signal', async () => {
  const controller = new AbortController();
  expect(await pause(1, controller.signal)).toBe(true);
  const long = pause(60_000, controller.signal);
  controller.abort();
  expect([await long, await pause(60_000, controller.signal)]).toEqual([false, false]);
});
