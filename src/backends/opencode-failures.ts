import { constants } from 'node:os';
import { z } from 'zod';
import { type AgentFailure, type AgentFailureKind, machineWords } from './backend.ts';
import { toDetail } from './cover-secrets.ts';
import type { OpencodeError, Transcript } from './opencode-events.ts';
import type { Exit } from './processes.ts';

/** What providers and nodes put around their reason, in all the shapes that were seen. */
const reason = z.object({
  message: z.string().optional(),
  reason: z.string().optional(),
  type: z.string().nullish(),
  code: z.union([z.string(), z.number()]).nullish(),
});
const reasonOrText = z.union([reason, z.string().transform((message) => ({ message }))]);
const body = z.union([
  z.object({ error: reasonOrText }).transform(({ error }) => error),
  z.object({ detail: z.object({ error: reasonOrText }) }).transform(({ detail }) => detail.error),
  z.object({ detail: reasonOrText }).transform(({ detail }) => detail),
  reason,
]);
type Reason = z.infer<typeof reason>;

const readReason = (text: string | undefined): Reason | undefined => {
  const start = text?.indexOf('{') ?? -1;
  if (text === undefined || start < 0) return undefined;
  try {
    const parsed = body.safeParse(JSON.parse(text.slice(start)));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
};

const failure = (kind: AgentFailureKind, detail?: string | undefined, status?: number): AgentFailure => ({
  kind,
  detail: detail === undefined || detail === '' ? undefined : toDetail(detail) || undefined,
  status,
});

/** What the text itself gives away, whatever the status: providers agree on the words more than on the numbers. */
const byWords: readonly (readonly [RegExp, AgentFailureKind])[] = [
  [
    /insufficient[_ ](?:quota|balance|funds|credits?)|minimum_balance_required|payment required/i,
    'budget_exhausted',
  ],
  [
    /context_length_exceeded|maximum context length|context window|prompt is too long|too many tokens/i,
    'context_overflow',
  ],
  [
    /model_not_found|invalid_model|model\b.{0,80}\b(?:not found|does not exist|not exist|unknown)/i,
    'model_unknown',
  ],
];

const byStatus = (status: number | undefined): AgentFailureKind => {
  if (status === undefined) return 'provider_down';
  if (status === 402) return 'budget_exhausted';
  if (status === 401 || status === 403) return 'unauthorized';
  if (status === 404) return 'model_unknown';
  if (status === 413) return 'context_overflow';
  if (status === 429) return 'rate_limited';
  // 424: a Routstr node whose upstream failed.
  if (status === 408 || status === 424 || status >= 500) return 'provider_down';
  return status >= 400 ? 'bad_request' : 'provider_nonsense';
};

/** Of words alone, as an agent passes them on: the provider's status may stand in them. */
export function classifyWords(text: string): AgentFailure {
  const status = Number(/\b(4\d\d|5\d\d)\b/.exec(text)?.[1]) || undefined;
  const worded = byWords.find(([pattern]) => pattern.test(text))?.[1];
  const kind = worded ?? (status === undefined ? 'crashed' : byStatus(status));
  return failure(kind, text, status);
}

const classifyApiError = ({ data }: OpencodeError): AgentFailure => {
  const said = readReason(data.responseBody) ?? readReason(data.message);
  const detail = said?.message ?? said?.reason ?? data.message;
  const words = [said?.type, said?.code, detail].filter((word) => word != null).join(' ');
  const status = data.statusCode;
  // A refusal may be worded as a refusal for money or size; a server that is down may say anything.
  const wordsCount =
    status !== undefined && status >= 400 && status < 500 && status !== 401 && status !== 402;
  const worded = wordsCount ? byWords.find(([pattern]) => pattern.test(words))?.[1] : undefined;
  return failure(worded ?? byStatus(status), detail, status);
};

/** `UnknownError` is what opencode makes of an error object in the stream, of a timeout and of its own mistakes. */
const classifyUnknownError = ({ data }: OpencodeError): AgentFailure => {
  const message = data.message ?? '';
  const said = readReason(message);
  if (said !== undefined) {
    const words = [said.type, said.code, said.message, said.reason].join(' ');
    const kind = byWords.find(([pattern]) => pattern.test(words))?.[1] ?? 'provider_nonsense';
    return failure(kind, said.message ?? said.reason ?? message);
  }
  if (/timed? ?out|unable to connect|connection (?:reset|refused|closed)|socket|fetch failed/i.test(message))
    return failure('provider_down', message);
  // Said of a model or a provider that is not in the configuration; the real cause is in opencode's log only.
  if (/^Unexpected server error\b/i.test(message)) return failure('model_unknown');
  const kind = [...byWords, ...machineWords].find(([pattern]) => pattern.test(message))?.[1] ?? 'crashed';
  return failure(kind, message);
};

/** What an `error` event of opencode means. */
const classifyError = (error: OpencodeError): AgentFailure => {
  switch (error.name) {
    case 'APIError':
      return classifyApiError(error);
    case 'ContextOverflowError':
      return failure('context_overflow', readReason(error.data.responseBody)?.message ?? error.data.message);
    case 'ProviderAuthError':
      return failure('unauthorized', error.data.message);
    case 'MessageOutputLengthError':
      return failure('output_limit', error.data.message);
    case 'ProviderModelNotFoundError':
      return failure('model_unknown', error.data.message);
    default:
      return classifyUnknownError(error);
  }
};

/** What opencode says on standard error when it does not even begin. */
const byStderr: readonly (readonly [RegExp, AgentFailureKind])[] = [
  [/Session not found/i, 'session_unknown'],
  [/file is not a database|database disk image is malformed|file is encrypted or is not/i, 'store_damaged'],
  [/database is locked|SQLITE_BUSY|Failed query:/i, 'store_locked'],
  [
    /Configuration is invalid|Config(?:uration)? file .* is not valid|ConfigInvalidError/i,
    'bad_configuration',
  ],
  [/ProviderModelNotFound|Model not found/i, 'model_unknown'],
  [/You must provide a message/i, 'bad_request'],
  ...machineWords,
];

const meaningfulStderr = (stderr: string): string =>
  stderr
    .split('\n')
    .filter((line) => line.trim() !== '' && !/permission requested/.test(line))
    .slice(-6)
    .join(' ');

const byReason = (transcript: Transcript, exit: Exit, stderr: string): AgentFailure | undefined => {
  const { lastReason, answer, rejected } = transcript;
  switch (lastReason) {
    case 'stop':
      return answer === '' ? failure('no_answer') : undefined;
    case 'length':
      return failure('output_limit');
    case 'unknown':
      return failure('provider_nonsense', 'the answer ended without a finish reason');
    case 'tool-calls':
      return rejected === undefined
        ? failure('no_answer', 'it stopped after a tool call')
        : failure('permission_denied', rejected);
    case undefined:
      return exit.code === 0
        ? failure('no_answer', meaningfulStderr(stderr))
        : failure('crashed', meaningfulStderr(stderr));
    default:
      return failure('no_answer', lastReason);
  }
};

const signals: ReadonlyMap<number, string> = new Map(
  (['SIGILL', 'SIGABRT', 'SIGBUS', 'SIGKILL', 'SIGSEGV'] as const).map((name) => [
    constants.signals[name],
    name,
  ]),
);

/**
 * Why a run that nobody stopped gave no full answer; undefined when it did. Exit codes alone do not tell: opencode
 * ends with 0 after a refused permission and after an empty answer.
 */
export const judge = (transcript: Transcript, exit: Exit, stderr: string): AgentFailure | undefined => {
  if (transcript.error !== undefined) return classifyError(transcript.error);
  const said = meaningfulStderr(stderr);
  // A shell, or a jail, says by its own exit code which signal ended what it ran.
  const signal = exit.signal ?? (said === '' ? signals.get((exit.code ?? 0) - 128) : undefined);
  if (signal !== undefined) return failure('crashed', `ended by ${signal}`);
  if (exit.code !== 0) {
    const known = byStderr.find(([pattern]) => pattern.test(stderr))?.[1];
    return failure(known ?? 'crashed', said);
  }
  return byReason(transcript, exit, stderr);
};
