import { connect } from 'node:net';
import { errorCode } from '@nostr-dm-agent/kit/error-code';
import { RemoteError } from './remote-error.ts';
import { type Answer, lineReader, type Question, readAnswer, writeCancel, writeQuestion } from './wire.ts';

/** How long an answer to `cancel` is waited for; what was begun goes on there all the same. */
const cancelMs = 2_000;

/**
 * Asks whoever listens at `path`. An abort is told there, and its answer awaited for a moment: a payment that was made is
 * not reported as cancelled. undefined: nobody is there.
 *
 * @throws RemoteError `ConnectionLostError`, `OtherVersionError`; the signal's reason
 */
export async function askHolder(
  path: string,
  question: Question,
  signal: AbortSignal,
  onEvent: (event: unknown) => void = () => undefined,
): Promise<Answer | undefined> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Answer | undefined>();
  const socket = connect(path);
  let begun = false;
  const lost = (): void => reject(new RemoteError({ name: 'ConnectionLostError', begun }));
  let late: ReturnType<typeof setTimeout> | undefined;
  const onAbort = (): void => {
    socket.write(writeCancel());
    late = setTimeout(() => reject(signal.reason), cancelMs);
  };
  socket.setEncoding('utf8');
  socket.on('connect', () => void socket.write(writeQuestion(question)));
  socket.on(
    'data',
    lineReader((line) => {
      const answer = readAnswer(line);
      if (answer === undefined) reject(new RemoteError({ name: 'OtherVersionError' }));
      else if (answer.kind === 'begun') begun = true;
      else if (answer.kind === 'event') onEvent(answer.event);
      else resolve(answer);
    }),
  );
  socket.on('close', lost);
  socket.on('error', (error) => {
    const code = errorCode(error);
    // EINVAL: the path is too long for a socket (some 100 bytes), so nobody can be there either.
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'EINVAL') resolve(undefined);
    else if (code === 'EPIPE' || code === 'ECONNRESET') lost();
    else reject(error);
  });
  signal.addEventListener('abort', onAbort);
  try {
    const answer = await promise;
    // The other end was told, and gave up.
    if (signal.aborted && answer?.kind !== 'answer') throw signal.reason;
    return answer;
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', onAbort);
    socket.destroy();
  }
}
