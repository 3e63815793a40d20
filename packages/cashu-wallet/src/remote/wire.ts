/*
 * What crosses the socket: JSON on one line each way; `undefined` travels as null. Requests are checked field by field, for
 * anybody may write to a socket; answers come from this very program.
 */
import { z } from 'zod';
import type { RemoteErrorFacts } from './remote-error.ts';

/** Changes with whatever crosses the socket: a bot that was started before an update is told from one of today. */
const version = z.literal(3);

/** The fingerprint says which wallet is meant. */
const requestLine = z.object({ version, fingerprint: z.string(), request: z.unknown() });
const answerLine = z.object({
  version,
  answer: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('answer'), answer: z.unknown() }),
    z.object({ kind: z.literal('failure'), facts: z.custom<RemoteErrorFacts>(isFacts) }),
    /** The bot has another wallet than the one that was asked for. */
    z.object({ kind: z.literal('other-wallet') }),
  ]),
});
export type Answer = z.infer<typeof answerLine>['answer'];

function isFacts(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string';
}

const writeLine = (content: object): string => `${toJson({ version: version.value, ...content })}\n`;

export const writeRequest = (fingerprint: string, request: unknown): string =>
  writeLine({ fingerprint, request });
export const readRequest = (line: string) => requestLine.parse(fromJson(line));
export const writeAnswer = (answer: Answer): string => writeLine({ answer });
/** undefined: the other end is of another version. */
export const readAnswer = (line: string): Answer | undefined =>
  answerLine.safeParse(fromJson(line)).data?.answer;

/** JSON in which what is `undefined` is there, as null: field names are stable. */
export const toJson = (value: unknown, indent?: number): string =>
  JSON.stringify(value, (_, each: unknown) => (each === undefined ? null : each), indent);

/** The other way round: null is `undefined`, and stays a field. */
const fromJson = (text: string): unknown => withoutNull(JSON.parse(text));

function withoutNull(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map(withoutNull);
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withoutNull(each)]));
}

/** The longest line that is read: a token of 64 kB, and room. */
export const maxLineBytes = 1024 * 1024;
