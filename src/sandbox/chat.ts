import { clearLine, createInterface, cursorTo } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { BotMessage, ChatClient } from './chat-client.ts';
import { paymentQr } from './payment-qr.ts';

/** What both kinds of chat need. */
export type ChatStreams = {
  readonly input: Readable;
  /** The bot's words, and on a terminal everything. */
  readonly output: Writable;
  readonly error: Writable;
};

/** `bot> ` before the first line of each message; the rest as it is. */
export const shown = (text: string): string => `bot> ${text}\n`;

/** Makes the client with a listener for what the bot says. */
type Connect = (onMessage: (message: BotMessage) => void) => ChatClient;

/**
 * The chat without a terminal: each line of the input is sent as one DM, the next when the one before is done. Ends at
 * the end of the input, or with the signal.
 *
 * @param deadlineMs how long one line may wait for its answer
 * @returns the exit code: 1 if any line got no answer
 */
export async function chatByLines(
  connect: Connect,
  { input, output, error }: ChatStreams,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<0 | 1> {
  const client = connect((message) => {
    if (message.type === 'text') output.write(shown(message.text));
  });
  let unanswered = 0;
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY, signal });
  for await (const line of lines) {
    if (line.trim() === '') continue;
    error.write(`you> ${line}\n`);
    const problem = await ask(client, line, deadlineMs, signal);
    if (signal.aborted) break;
    if (problem === undefined) continue;
    unanswered += 1;
    error.write(`${problem}: ${line}\n`);
  }
  return unanswered === 0 && !signal.aborted ? 0 : 1;
}

/** Why a line got no answer; undefined when it got one. */
async function ask(
  client: ChatClient,
  line: string,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { promise: over, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => resolve(`No answer within ${deadlineMs / 1000} s`), deadlineMs);
  const onAbort = (): void => resolve('No answer before the end');
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const { delivered, answered } = client.send(line);
    const undelivered = delivered.then((outcome) =>
      // The answer may still come: the relay may have it without having said so.
      outcome.result === 'refused' ? `The relay refused it (${outcome.message})` : over,
    );
    return await Promise.race([answered, undelivered, over].map(async (end) => (await end) ?? undefined));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/** The chat on a terminal: each line is sent as one DM. Ends with Ctrl-C, Ctrl-D, `/quit` or the signal. */
export async function chatOnTerminal(
  connect: Connect,
  { input, output }: ChatStreams,
  signal: AbortSignal,
): Promise<0> {
  const terminal = createInterface({ input, output, prompt: 'you> ', terminal: true });
  /** Writes above the line that is being typed. */
  const above = (text: string): void => {
    clearLine(output, 0);
    cursorTo(output, 0);
    output.write(text);
    terminal.prompt(true);
  };
  let drawing = Promise.resolve();
  const say = async (message: BotMessage): Promise<void> => {
    if (message.type === 'reaction') return above(`     ${status(message.reaction)}\n`);
    const code = await paymentQr(message.text, { color: true, columns: columnsOf(output) });
    above(code === undefined ? shown(message.text) : `${shown(message.text)}${code}\n`);
  };
  const client = connect((message) => {
    // In the order in which they came, whatever has to be loaded for one of them.
    drawing = drawing.then(() => say(message));
  });
  const close = (): void => terminal.close();
  signal.addEventListener('abort', close, { once: true });
  terminal.on('SIGINT', close);
  terminal.on('line', (line) => {
    const text = line.trim();
    if (text === '/quit' || text === '/exit') {
      terminal.close();
      return;
    }
    if (text !== '') {
      void client.send(line).delivered.then((outcome) => {
        if (outcome.result !== 'accepted') above(`     not delivered: ${outcome.message}\n`);
      });
    }
    terminal.prompt();
  });
  const closed = new Promise<void>((resolve) => terminal.once('close', resolve));
  if (signal.aborted) terminal.close();
  else terminal.prompt();
  await closed;
  signal.removeEventListener('abort', close);
  output.write('\nGoodbye.\n');
  return 0;
}

/** A terminal that nobody has given a size says 0. */
const columnsOf = (output: Writable): number | undefined =>
  ('columns' in output && Number(output.columns)) || undefined;

const statuses: Readonly<Record<string, string>> = {
  '👀': '👀 working on it',
  '⏸': '⏸ waiting for its turn',
  '⏹': '⏹ stopped',
  '✅': '✅ done',
  '❌': '❌ ended without success',
};
const status = (reaction: string): string => statuses[reaction] ?? reaction;
