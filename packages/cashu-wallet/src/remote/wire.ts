/*
 * What crosses the socket: JSON on lines; `undefined` travels as null. A question, and perhaps that it is not wanted any
 * more; events, and one answer. What is asked is checked field by field, for anybody may write to a socket; answers come
 * from this very program (whoever added a command checks its own).
 */
import { z } from 'zod';
import type { RemoteErrorFacts } from './remote-error.ts';

/** Changes with whatever crosses the socket: a bot that was started before an update is told from one of today. */
const version = z.literal(4);

/** The fingerprint says which wallet is meant. */
const questionLine = z.object({
  version,
  fingerprint: z.string(),
  command: z.string(),
  args: z.unknown(),
});
export type Question = Omit<z.infer<typeof questionLine>, 'version'>;
const cancelLine = z.object({ version, cancel: z.literal(true) });
const answerLine = z.object({
  version,
  answer: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('answer'), answer: z.unknown() }),
    z.object({ kind: z.literal('failure'), facts: z.custom<RemoteErrorFacts>(isFacts) }),
    /** It is taken up. A connection that is lost before this was asked for nothing. */
    z.object({ kind: z.literal('begun') }),
    /** Not the answer yet: how far it is. */
    z.object({ kind: z.literal('event'), event: z.unknown() }),
    /** Whoever is asked has another wallet than the one that is meant. */
    z.object({ kind: z.literal('other-wallet') }),
    /** The wallet changes hands; nothing was begun, or what waits is to be asked again. */
    z.object({ kind: z.literal('moved') }),
  ]),
});
export type Said = z.infer<typeof answerLine>['answer'];
export type Answer = Exclude<Said, { kind: 'event' | 'begun' }>;

function isFacts(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string';
}

const writeLine = (content: object): string => `${toJson({ version: version.value, ...content })}\n`;

export const writeQuestion = (question: Question): string => writeLine(question);
/** @throws ZodError, SyntaxError */
export const readQuestion = (line: string): Question => questionLine.parse(fromJson(line));
export const writeCancel = (): string => writeLine({ cancel: true });
export const isCancel = (line: string): boolean => cancelLine.safeParse(readLeniently(line)).success;
export const writeAnswer = (answer: Said): string => writeLine({ answer });
/** undefined: the other end is of another version. */
export const readAnswer = (line: string): Said | undefined =>
  answerLine.safeParse(readLeniently(line)).data?.answer;

/** JSON in which what is `undefined` is there, as null: field names are stable. */
export const toJson = (value: unknown, indent?: number): string =>
  JSON.stringify(value, (_, each: unknown) => (each === undefined ? null : each), indent);

/** The other way round: null is `undefined`, and stays a field. */
const fromJson = (text: string): unknown => withoutNull(JSON.parse(text));

function readLeniently(line: string): unknown {
  try {
    return fromJson(line);
  } catch {
    return undefined;
  }
}

function withoutNull(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map(withoutNull);
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withoutNull(each)]));
}

/** The longest line that is read: a token of 64 kB, and room. */
export const maxLineBytes = 1024 * 1024;

/** Hands over each whole line of what comes in pieces. What is too long ends it. */
export function lineReader(onLine: (line: string) => void, onTooLong?: () => void): (text: string) => void {
  let received = '';
  return (text) => {
    received += text;
    for (let end = received.indexOf('\n'); end >= 0; end = received.indexOf('\n')) {
      const line = received.slice(0, end);
      received = received.slice(end + 1);
      onLine(line);
    }
    if (onTooLong !== undefined && received.length > maxLineBytes) onTooLong();
  };
}
