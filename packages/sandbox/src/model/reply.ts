import type { ToolCall } from './agent-tools.ts';
import { type Instruction, parseInstructions, smallTalk } from './grammar.ts';
import type { Conversation } from './model-messages.ts';

/** What the model does in answer to one request. */
export type Reply = {
  readonly delayMs: number;
  /** Between the words of the answer. */
  readonly wordMs: number;
} & (
  | { readonly type: 'text'; readonly text: string; readonly finish: 'stop' | 'length' | 'none' }
  | { readonly type: 'calls'; readonly calls: readonly ToolCall[] }
  | { readonly type: 'status'; readonly status: number; readonly once: boolean }
  | { readonly type: 'html' | 'hang' | 'hang silently' | 'cut' | 'stream error' }
);

const slowWordMs = 200;

const shortly = (text: string): string => text.split(/\s+/).slice(0, 5).join(' ');

/** The tool call that an instruction needs; undefined when it needs none. */
const callFor = (instruction: Instruction): ToolCall | undefined => {
  switch (instruction.do) {
    case 'write':
      return { name: 'write', input: { filePath: instruction.file, content: `${instruction.text}\n` } };
    case 'edit':
      return {
        name: 'edit',
        input: { filePath: instruction.file, oldString: instruction.from, newString: instruction.to },
      };
    case 'read':
      return { name: 'read', input: { filePath: instruction.file } };
    case 'run':
      return {
        name: 'bash',
        input: {
          command: instruction.command,
          description: 'Run the command',
          ...(instruction.wait ? { timeout: 600_000 } : {}),
        },
      };
    case 'delegate':
      return {
        name: 'task',
        input: {
          ...{ description: shortly(instruction.task), prompt: instruction.task },
          subagent_type: 'general',
        },
      };
    case 'ask':
      return {
        name: 'question',
        input: {
          questions: instruction.questions.map(({ question, options, multiple }) => ({
            ...{ question, header: shortly(question).slice(0, 30), multiple },
            options: options.map((label) => ({ label, description: '' })),
          })),
        },
      };
    case 'steps':
      return {
        name: 'todowrite',
        input: {
          todos: instruction.steps.map((content, index) => ({
            ...{ content, priority: 'medium', status: index === 0 ? 'in_progress' : 'pending' },
          })),
        },
      };
    case 'use':
      return { name: instruction.tool, input: instruction.input };
    default:
      return undefined;
  }
};

const failed =
  /^(?:Error|The user (?:rejected|has specified a rule))|prevents you from|not found|ENOENT|unavailable tool/i;

/** The text of a file as opencode's tool `read` gives it: between tags, with a number before each line. */
const fileText = (result: string): string =>
  (/<content>\n([\s\S]*?)\n*(?:\(End of file[^\n]*)?\n<\/content>/.exec(result)?.[1] ?? result).replace(
    /^\d+: /gm,
    '',
  );

/** What the answer says of a tool call that was made. */
const report = (instruction: Instruction, result: string): string => {
  const quoted = (instruction.do === 'read' ? fileText(result) : result).slice(0, 2000).trim();
  switch (instruction.do) {
    case 'write':
      return failed.test(result)
        ? `I could not write ${instruction.file}: ${quoted}`
        : `I wrote ${instruction.file}.`;
    case 'edit':
      return failed.test(result)
        ? `I could not edit ${instruction.file}: ${quoted}`
        : `I edited ${instruction.file}.`;
    case 'read':
      return `${instruction.file} says:\n${quoted}`;
    case 'run':
      return `${instruction.command} printed:\n${quoted}`;
    case 'delegate':
      return `The sub-agent says:\n${/<task_result>\n?([\s\S]*?)\n?<\/task_result>/.exec(result)?.[1] ?? quoted}`;
    case 'ask':
      return `I asked, and: ${quoted}`;
    case 'steps':
      return `I noted ${instruction.steps.length} steps.`;
    case 'use':
      return `${instruction.tool} gave:\n${quoted}`;
    default:
      return '';
  }
};

const withoutTool: Readonly<Record<string, string>> = {
  bash: 'I cannot run commands in this mode.',
  read: 'I cannot read files in this mode.',
  write: 'I cannot change files in this mode.',
  edit: 'I cannot change files in this mode.',
};
const forbidden = ({ name }: ToolCall): string => withoutTool[name] ?? `I have no tool ${name} in this mode.`;

const ramble = (words: number): string =>
  Array.from({ length: words }, (_, index) => `word${index + 1}`)
    .join(' ')
    .replace(/((?:\S+ ){79}\S+) /g, '$1\n\n');

const recall = (earlier: readonly string[]): string =>
  earlier.length === 0 ? 'You have said nothing before.' : `You said: ${earlier.join(' | ')}`;

/** The model has no state: how far it is in a task shows in how many tool results there are. */
export const decideReply = (conversation: Conversation): Reply => {
  const { task, earlier, results, tools } = conversation;
  if (conversation.wantsTitle)
    return {
      type: 'text',
      text: task.split(/\s+/).slice(0, 6).join(' '),
      finish: 'stop',
      delayMs: 0,
      wordMs: 0,
    };
  const { pictures } = conversation;
  const said: string[] =
    pictures.length === 0
      ? []
      : [
          `I see ${pictures.length === 1 ? 'a picture' : `${pictures.length} pictures`}: ${pictures.join('; ')}.`,
        ];
  let used = 0;
  let delayMs = 0;
  let wordMs = 0;
  for (const instruction of parseInstructions(task)) {
    const wanted = (instruction.do === 'at once' ? instruction.each : [instruction]).flatMap((each) => {
      const call = callFor(each);
      return call === undefined ? [] : [{ each, call }];
    });
    if (wanted.length > 0) {
      said.push(...wanted.filter(({ call }) => !tools.has(call.name)).map(({ call }) => forbidden(call)));
      const able = wanted.filter(({ call }) => tools.has(call.name));
      if (able.length > 0 && results[used] === undefined)
        return { type: 'calls', calls: able.map(({ call }) => call), delayMs, wordMs };
      said.push(...able.map(({ each }, index) => report(each, results[used + index] ?? '')));
      used += able.length;
      if (able.length > 0) delayMs = 0;
      continue;
    }
    switch (instruction.do) {
      case 'take':
        delayMs += instruction.seconds * 1000;
        break;
      case 'slowly':
        wordMs = slowWordMs;
        break;
      case 'pace':
        wordMs = 1000 / Math.max(1, instruction.words);
        break;
      case 'say':
        said.push(instruction.text);
        break;
      case 'ramble':
        said.push(ramble(instruction.words));
        break;
      case 'recall':
        said.push(recall(earlier));
        break;
      case 'chat':
        said.push(smallTalk(instruction.text));
        break;
      case 'fail':
        return { type: 'status', status: instruction.status, once: instruction.once, delayMs, wordMs };
      case 'loop': {
        const call = tools.has('bash')
          ? { name: 'bash', input: { command: 'echo same', description: 'Say the same' } }
          : { name: 'glob', input: { pattern: '*.nothing' } };
        return { type: 'calls', calls: [call], delayMs, wordMs };
      }
      case 'nothing':
        return { type: 'text', text: '', finish: 'stop', delayMs, wordMs };
      case 'unfinished':
        return { type: 'text', text: 'This answer ends', finish: 'none', delayMs, wordMs };
      case 'length':
        return { type: 'text', text: 'This answer is cut off', finish: 'length', delayMs, wordMs };
      case 'html':
      case 'hang':
      case 'hang silently':
      case 'cut':
      case 'stream error':
        return { type: instruction.do, delayMs, wordMs };
    }
  }
  return { type: 'text', text: said.join('\n') || 'Done.', finish: 'stop', delayMs, wordMs };
};
