import { untilAborted } from '@nostr-dm-agent/kit/abort';
import { readLines } from '../backends/lines.ts';
import { readPassphrase } from '../config/sealed-words.ts';
import { askPassphrase } from '../setup/questions.ts';

/** Short ones are tried out in no time. */
const shortest = 10;

/** Where a passphrase comes from; never an argument, which all users of a machine can read. */
export type PassphraseSource = {
  /** A file whose content it is. */
  readonly file?: string | undefined;
  /** To seal something: asked for twice on a terminal, and long enough. */
  readonly isNew: boolean;
  /** What is asked on a terminal. */
  readonly question: string;
};

/** No passphrase that can be used. The message is for whoever typed it. */
export class PassphraseError extends Error {
  override readonly name = 'PassphraseError';
}

/**
 * From a file, from whoever is at the terminal, else the first line of standard input.
 * @throws PassphraseError; the signal's reason
 */
export async function takePassphrase(
  { file, isNew, question }: PassphraseSource,
  signal: AbortSignal,
): Promise<string> {
  const passphrase = file === undefined ? await typed(question, isNew, signal) : fromFile(file);
  if (isNew ? [...passphrase].length >= shortest : passphrase !== '') return passphrase;
  throw new PassphraseError(
    isNew
      ? `A passphrase has at least ${shortest} characters. Without a terminal it is the first line of standard input, or in a file that --passphrase-file names.`
      : 'There is no passphrase. Without a terminal it is the first line of standard input, or in a file that --passphrase-file names.',
  );
}

/** Nobody types a longer one. */
const longestLine = 4096;

/** The first line of standard input, as soon as it is there: its end may never come. @throws the signal's reason */
async function firstLineOfInput(signal: AbortSignal): Promise<string> {
  const lines = readLines(Bun.stdin.stream(), longestLine);
  const { value } = await untilAborted(lines.next(), signal);
  return value?.type === 'line' ? value.text.replace(/\r$/, '') : '';
}

async function typed(question: string, isNew: boolean, signal: AbortSignal): Promise<string> {
  if (process.stdin.isTTY !== true) return firstLineOfInput(signal);
  const first = await ask(question);
  if (isNew && first !== '' && (await ask('Once more')) !== first) {
    throw new PassphraseError('These are two different ones. Nothing was changed.');
  }
  return first;
}

async function ask(question: string): Promise<string> {
  const answer = await askPassphrase(question);
  if (answer === undefined) throw new PassphraseError('Cancelled. Nothing was changed.');
  return answer;
}

function fromFile(path: string): string {
  const read = readPassphrase(path);
  if ('problem' in read) throw new PassphraseError(`--passphrase-file ${read.problem}.`);
  return read.passphrase;
}
