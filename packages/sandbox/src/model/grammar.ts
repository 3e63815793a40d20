/**
 * The language of the sandbox's small model. A message is one or more instructions joined by `then`:
 *
 *   write FILE with the text TEXT          the agent's tool `write`
 *   edit FILE replace OLD by NEW           `edit` (also `… with NEW`)
 *   read FILE                              `read`; the answer quotes it
 *   run COMMAND                            `bash`; the answer quotes what it printed
 *   run COMMAND and wait                   the same, with ten minutes for it
 *   delegate TASK                          `task`: a sub-agent gets it, and its answer is quoted
 *   ask QUESTION? A, B                     `question`; `any of A, B`: several may be chosen; `… and ask Q2? C, D`: both at once
 *   note the steps A, B                    `todowrite`; the first is begun
 *   at once: run A; run B                  several of these in one step
 *   use the tool NAME with {…}             any other tool of the agent
 *   take N seconds                         thinks so long before it goes on
 *   stream slowly                          the answer comes word by word, five words a second
 *   stream N words a second                the same at another pace
 *   answer TEXT · say TEXT                 says exactly that
 *   answer with N words                    says something that long
 *   answer with html                       HTTP 200 with a page that is no answer
 *   remember TEXT · what did I say         looks at the whole conversation
 *   fail with STATUS · fail once with STATUS
 *   hang · hang silently                   half an answer and then nothing · not even headers
 *   cut the stream                         the connection breaks in mid-answer
 *   error in the stream                    an error object among the events
 *   loop                                   the same tool call for ever
 *   say nothing                            an empty answer
 *   end without a finish reason            a stream that just ends
 *   stop at the limit                      finish reason `length`
 *
 * File names and texts may stand in double quotes, and must where they hold the word `then`. Anything else is small
 * talk: a greeting, a small sum, or an explanation of what can be said.
 */
export type Instruction =
  | { readonly do: 'write'; readonly file: string; readonly text: string }
  | { readonly do: 'edit'; readonly file: string; readonly from: string; readonly to: string }
  | { readonly do: 'read'; readonly file: string }
  | { readonly do: 'run'; readonly command: string; readonly wait: boolean }
  | { readonly do: 'delegate'; readonly task: string }
  | { readonly do: 'ask'; readonly questions: readonly AskedQuestion[] }
  | { readonly do: 'steps'; readonly steps: readonly string[] }
  | { readonly do: 'use'; readonly tool: string; readonly input: Readonly<Record<string, unknown>> }
  | { readonly do: 'at once'; readonly each: readonly Instruction[] }
  | { readonly do: 'take'; readonly seconds: number }
  | { readonly do: 'pace'; readonly words: number }
  | { readonly do: 'say'; readonly text: string }
  | { readonly do: 'ramble'; readonly words: number }
  | { readonly do: 'fail'; readonly status: number; readonly once: boolean }
  | { readonly do: 'recall' }
  | { readonly do: 'chat'; readonly text: string }
  | { readonly do: Plain };

type AskedQuestion = {
  readonly question: string;
  readonly options: readonly string[];
  readonly multiple: boolean;
};

const plain = {
  'stream slowly': 'slowly',
  'answer with html': 'html',
  hang: 'hang',
  'hang silently': 'hang silently',
  'cut the stream': 'cut',
  'error in the stream': 'stream error',
  loop: 'loop',
  'say nothing': 'nothing',
  'end without a finish reason': 'unfinished',
  'stop at the limit': 'length',
} as const;
type Plain = (typeof plain)[keyof typeof plain];

const unquote = (text: string): string => text.trim().replace(/^"([\s\S]*)"$/, '$1');

/** Splits at a mark, except inside double quotes. */
const splitOutsideQuotes = (text: string, mark: RegExp): readonly string[] => {
  const pieces: string[] = [''];
  for (const part of text.split(/("[^"]*")/)) {
    const [first = '', ...rest] = part.startsWith('"') ? [part] : part.split(mark);
    pieces[pieces.length - 1] += first;
    pieces.push(...rest);
  }
  return pieces.map((piece) => piece.trim()).filter((piece) => piece !== '');
};
const listed = (text: string): readonly string[] => splitOutsideQuotes(text, /,|\bor\b/).map(unquote);

const readQuestion = (text: string): AskedQuestion => {
  const [, question = '', any, options = ''] = /^("[^"]+"|.*?\?)\s*(any of )?(.*)$/is.exec(text) ?? [];
  return { question: unquote(question), options: listed(options), multiple: any !== undefined };
};

/** @throws SyntaxError: the request is refused as no JSON */
const readInput = (text: string): Readonly<Record<string, unknown>> => {
  const read: unknown = JSON.parse(text);
  return typeof read === 'object' && read !== null ? { ...read } : {};
};

type Rule = readonly [RegExp, (...parts: string[]) => Instruction];

const name = String.raw`("[^"]+"|\S+?)`;
const pattern = (source: string): RegExp => new RegExp(`^(?:please )?${source}$`, 'is');

/** The first that fits counts. */
const rules: readonly Rule[] = [
  ...Object.entries(plain).map(([words, what]): Rule => [pattern(words), () => ({ do: what })]),
  [
    pattern(`(?:write|create)(?: a)?(?: file)? ${name}(?: with)?(?: the)?(?: text| content)?:? (.+)`),
    (file, text) => ({ do: 'write', file: unquote(file), text: unquote(text) }),
  ],
  [
    pattern(`edit ${name},? replac(?:e|ing) (".+?"|.+?) (?:by|with) (.+)`),
    (file, from, to) => ({ do: 'edit', file: unquote(file), from: unquote(from), to: unquote(to) }),
  ],
  [pattern(`read(?: the file)? ${name}[.!?]?`), (file) => ({ do: 'read', file: unquote(file) })],
  [pattern('run (.+) and wait'), (command) => ({ do: 'run', command: unquote(command), wait: true })],
  [pattern('run (.+)'), (command) => ({ do: 'run', command: unquote(command), wait: false })],
  [pattern('(?:delegate|have a sub-agent):? (.+)'), (task) => ({ do: 'delegate', task: unquote(task) })],
  [
    pattern(String.raw`ask(?: me)?:? (.+\?.*)`),
    (text) => ({ do: 'ask', questions: splitOutsideQuotes(text, /\band ask\b/i).map(readQuestion) }),
  ],
  [pattern('note the steps:? (.+)'), (steps) => ({ do: 'steps', steps: listed(steps) })],
  [
    pattern('at once:? (.+)'),
    (text) => ({ do: 'at once', each: splitOutsideQuotes(text, /;/).map(parseOne) }),
  ],
  [
    pattern(String.raw`use the tool (\w+) with (\{.+\})`),
    (tool, input) => ({ do: 'use', tool, input: readInput(input) }),
  ],
  [pattern(String.raw`(?:take|wait) (\d+(?:\.\d+)?) seconds?`), (n) => ({ do: 'take', seconds: Number(n) })],
  [pattern(String.raw`stream (\d+) words a second`), (n) => ({ do: 'pace', words: Number(n) })],
  [pattern(String.raw`fail once with (\d{3})`), (n) => ({ do: 'fail', status: Number(n), once: true })],
  [pattern(String.raw`fail with (\d{3})`), (n) => ({ do: 'fail', status: Number(n), once: false })],
  [pattern(String.raw`answer with (\d+) words`), (n) => ({ do: 'ramble', words: Number(n) })],
  [
    pattern('remember (?:that |the (?:word|number) )?(.+)'),
    (text) => ({ do: 'say', text: `I will remember: ${unquote(text)}` }),
  ],
  [pattern(String.raw`what (?:did|have) i (?:say|said|told|tell)\b.*`), () => ({ do: 'recall' })],
  [pattern('(?:answer|say):? (.+)'), (text) => ({ do: 'say', text: unquote(text) })],
];

function parseOne(text: string): Instruction {
  for (const [shape, make] of rules) {
    const match = shape.exec(text) ?? shape.exec(text.replace(/[.!?]$/, ''));
    if (match !== null) return make(...match.slice(1).map((part) => part ?? ''));
  }
  return { do: 'chat', text };
}

/** What a message asks for, in order. Never empty. */
export const parseInstructions = (text: string): readonly Instruction[] => {
  const pieces = splitOutsideQuotes(text.trim(), /[\s,;.]+(?:and )?then[\s,:]+/i);
  return pieces.length === 0 ? [{ do: 'chat', text: '' }] : pieces.map(parseOne);
};

const sums: Readonly<Record<string, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  x: (a, b) => a * b,
};

/** An answer to what is no instruction. */
export const smallTalk = (text: string): string => {
  if (/^(?:hi|hello|hey|good (?:morning|evening|day)|ping)\b/i.test(text))
    return 'Hello! I am the small model of the sandbox. Tell me, for example: write hello.txt with the text Hi there';
  const [, a, sign, b] = /(-?\d{1,9})\s*([-+*x])\s*(\d{1,9})/.exec(text) ?? [];
  const sum = sums[sign ?? ''];
  if (sum !== undefined) return `${a} ${sign} ${b} = ${sum(Number(a), Number(b))}`;
  return [
    `You said: ${text.slice(0, 200)}`,
    'I am the small model of the sandbox: I follow simple instructions and really do them. Try',
    '  write hello.txt with the text Hi there',
    '  read hello.txt',
    '  edit hello.txt replace Hi by Hello',
    '  run ls -l',
    '  take 20 seconds then answer done',
  ].join('\n');
};
