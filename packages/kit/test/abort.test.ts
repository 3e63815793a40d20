import { expect, test } from 'bun:test';
import { untilAborted } from '../src/abort.ts';

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
