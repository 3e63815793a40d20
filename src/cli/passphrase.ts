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

/** From a file, from whoever is at the terminal, else the first line of standard input. @throws PassphraseError */
export async function takePassphrase({ file, isNew, question }: PassphraseSource): Promise<string> {
  const passphrase = file === undefined ? await typed(question, isNew) : fromFile(file);
  if (isNew ? [...passphrase].length >= shortest : passphrase !== '') return passphrase;
  throw new PassphraseError(
    isNew
      ? `A passphrase has at least ${shortest} characters. Without a terminal it is the first line of standard input, or in a file that --passphrase-file names.`
      : 'There is no passphrase. Without a terminal it is the first line of standard input, or in a file that --passphrase-file names.',
  );
}

async function typed(question: string, isNew: boolean): Promise<string> {
  if (process.stdin.isTTY !== true) {
    const [line = ''] = (await Bun.stdin.text()).split(/\r?\n/);
    return line;
  }
  const first = (await askPassphrase(question)) ?? '';
  if (isNew && first !== '' && (await askPassphrase('Once more')) !== first) {
    throw new PassphraseError('These are two different ones. Nothing was changed.');
  }
  return first;
}

function fromFile(path: string): string {
  const read = readPassphrase(path);
  if ('problem' in read) throw new PassphraseError(`--passphrase-file ${read.problem}.`);
  return read.passphrase;
}
