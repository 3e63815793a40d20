/** What came back for one message so far. */
export type Answer = {
  /** 👀 or ⏸ was seen: it is a task, and its end is told by another reaction. */
  readonly working: boolean;
  /** ✅, ❌ or ⏹ was seen. */
  readonly ended: boolean;
  /** Texts that belong to the reply; progress lines do not. */
  readonly texts: number;
  /** Of how many texts the reply consists at least, as its chunks state it: `(1/3)`; `(1/…)`: one more or several. */
  readonly total: number;
};

export const noAnswer: Answer = { working: false, ended: false, texts: 0, total: 1 };

/** A long run tells how it goes in lines like this; they are not its answer. */
const progressLine = /^⏳/;
const chunkNumber = /^\((\d+)\/(\d+|…)\)\n/;

/** The agent wants a word of its owner's before it goes on: the next line may be it. */
export const asksOwner = (text: string): boolean => /^(?:🔐|❓)/u.test(text);
/** The word was passed on: what comes next is the agent's. */
export const isPassedOn = (text: string): boolean => text.startsWith('Told the agent:');

export function withText(answer: Answer, text: string): Answer {
  if (progressLine.test(text) || asksOwner(text)) return answer;
  const [, number = 1, of = 1] = chunkNumber.exec(text) ?? [];
  const total = of === '…' ? Number(number) + 1 : Number(of);
  return { ...answer, texts: answer.texts + 1, total: Math.max(answer.total, total) };
}

export function withReaction(answer: Answer, reaction: string): Answer {
  if (reaction === '👀' || reaction === '⏸') return { ...answer, working: true };
  if (['✅', '❌', '⏹'].includes(reaction)) return { ...answer, ended: true };
  return answer;
}

/** Nothing more will come: all chunks of a command's reply, or the end of a task and its text, in either order. */
export const isComplete = (answer: Answer): boolean =>
  answer.texts >= answer.total && (answer.ended || !answer.working);
