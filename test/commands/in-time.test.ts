import { expect, test } from 'bun:test';
import { RefusalError } from '../../src/commands/command.ts';
import { inTime } from '../../src/commands/provider/in-time.ts';

/** Work that ends with its signal, as everything that moves money does. */
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

test('what takes longer than its command may wait goes on, and its owner is told not to send it again', async () => {
  const limit = new AbortController();
  const late = inTime(limit.signal, untilAborted(limit.signal), 'see !provider balance');
  limit.abort(new DOMException('too late', 'TimeoutError'));
  await expect(late).rejects.toThrow(new RefusalError('see !provider balance'));
});

test('what is ended for another reason, and what fails, is no matter of time', async () => {
  const limit = new AbortController();
  const stopped = inTime(limit.signal, untilAborted(limit.signal), 'late');
  limit.abort('interrupted');
  await expect(stopped).rejects.toBe('interrupted');
  const failing = inTime(new AbortController().signal, Promise.reject(new RangeError('broken')), 'late');
  await expect(failing).rejects.toThrow(new RangeError('broken'));
});
