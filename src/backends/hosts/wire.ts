import { z } from 'zod';
import { approvalRules } from '../approval.ts';
import { modes } from '../backend.ts';
import { runResult } from '../run-result.ts';

/** What crosses between the bot and its program on an agent host. Both sides look at all of it: neither trusts the other. */

/** Changes with whatever the two have to agree on. */
export const protocolVersion = 1;

/** The port of the jail's own loopback at which agents on a host find the meter. */
export const meterPort = 4097;

const text = z.string();
/** JSON has no `undefined`. */
const optional = text.nullish().transform((value) => value ?? undefined);

/** How servers there are paid: everything of `StandingPayment` that can be written down, `{url}` and `{key}` for the door's. */
const standing = z.object({
  /** Names it to the bot when a door is wanted. */
  ref: text,
  payer: text,
  payment: z.object({
    credentials: z.literal('provided'),
    variables: z.record(text, text),
    configuration: z.record(text, z.unknown()),
  }),
});
export type WireStanding = z.infer<typeof standing>;

const place = z.object({ owner: text, workspace: text, mode: z.enum(modes), standing });

export const hello = z.object({
  version: z.literal(protocolVersion),
  /** Of the bot's opencode configuration: what agents are and may do, without providers. */
  configuration: z.record(text, z.unknown()),
  trustWorkspace: z.boolean(),
  network: z.enum(['internet', 'none']),
  author: z.object({ name: optional, email: optional }),
  warm: z.object({ servers: z.int(), keptMs: z.int() }),
  folder: optional,
  /** The socket that leads to the meter. */
  meter: text,
  pingMs: z.int().positive(),
});
export type Hello = z.input<typeof hello>;

/** How the host is. */
export const report = z.object({
  version: z.int(),
  opencode: z.object({ version: text, tested: z.boolean() }),
  /** Why no wall can be built there; undefined: it stands. */
  wall: optional,
  load: z.number(),
  processors: z.int().positive(),
  /** Bytes of memory that are free. */
  free: z.number(),
  servers: z.int(),
  /** Processes of an earlier life that were ended at the start. */
  ended: z.int(),
});
export type HostReport = z.output<typeof report>;

export const runOrder = place.extend({
  runId: text,
  task: text,
  model: optional,
  backendSession: optional,
  title: text,
  approvals: z.enum(approvalRules),
  job: z.enum(['task', 'compact']),
});
export const warmOrder = place.extend({ model: optional, approvals: z.enum(approvalRules) });
export const tellOrder = z.object({ runId: text, text });
export const shellOrder = z.object({ workspace: text, line: text });
export const deskOrder = place.extend({
  what: z.enum(['diff', 'undo', 'redo', 'todos', 'fork', 'rename']),
  backendSession: text,
  prompts: z.tuple([text], text).optional(),
  title: optional,
});

/** A run's end. */
export const runEnd = runResult.and(
  z.object({ answer: text, outcome: z.enum(['answered', 'failed', 'stopped']) }),
);

const todos = z.array(z.object({ text, state: z.enum(['open', 'doing', 'done', 'dropped']) }));
const event = z.discriminatedUnion('type', [
  z.object({ type: z.literal('session'), backendSession: text }),
  z.object({ type: z.literal('step') }),
  z.object({ type: z.literal('tool'), tool: text, title: text, ok: z.boolean() }),
  z.object({ type: z.literal('text'), text }),
  z.object({ type: z.literal('delta'), part: text, text }),
  z.object({ type: z.literal('todos'), todos }),
  z.object({ type: z.literal('retry'), message: text }),
]);
export const runEvent = z.object({ runId: text, event });
export const runNamed = z.object({ runId: text });
export const runAnswered = z.object({ runId: text, result: runEnd });
export const approvalAsked = z.object({
  runId: text,
  approval: z.object({
    id: text,
    what: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('command'), command: text }),
      z.object({ kind: z.literal('edit'), file: text, diff: optional }),
      z.object({ kind: z.literal('other'), permission: text, patterns: z.array(text) }),
    ]),
    bySubAgent: z.boolean(),
  }),
});
export const verdict = z.discriminatedUnion('answer', [
  z.object({ answer: z.literal('once') }),
  z.object({ answer: z.literal('always') }),
  z.object({ answer: z.literal('no'), why: text }),
]);
export const questionsAsked = z.object({
  runId: text,
  questions: z.array(
    z.object({
      question: text,
      options: z.array(z.object({ label: text, description: text })),
      multiple: z.boolean(),
    }),
  ),
});
export const answersGiven = z
  .array(z.array(text))
  .nullish()
  .transform((answers) => answers ?? undefined);

export const doorWanted = z.object({
  door: text,
  ref: text,
  server: z.enum(['kept', 'spare']),
  secret: text,
  key: text,
});
export const doorNamed = z.object({ door: text });
export const ownAnswer = z.object({ door: text, session: text, on: z.boolean() });
export const leaseWanted = z.object({ lease: text, door: text, session: text, runId: text });
export const leaseEnded = z.object({ lease: text });
export const callAnswered = z.object({
  lease: text,
  answer: z.object({
    session: text,
    isStep: z.boolean(),
    text: optional,
    promptTokens: z
      .number()
      .nullish()
      .transform((value) => value ?? undefined),
    completionTokens: z
      .number()
      .nullish()
      .transform((value) => value ?? undefined),
  }),
});

const refusal = [
  z.object({
    state: z.literal('refused'),
    why: z.enum(['no_git', 'busy', 'nothing', 'unsupported', 'forgotten']),
  }),
  z.object({ state: z.literal('failed'), detail: text }),
] as const;
const fileChange = { file: text, added: z.int(), removed: z.int() };
export const deskAnswers = {
  diff: z.union([z.array(z.object({ ...fileChange, diff: text })), ...refusal]),
  undo: z.union([z.object({ state: z.literal('done'), files: z.array(z.object(fileChange)) }), ...refusal]),
  done: z.union([z.object({ state: z.literal('done') }), ...refusal]),
  todos: z.union([todos, ...refusal]),
  fork: z.union([z.object({ state: z.literal('done'), backendSession: text }), ...refusal]),
} as const;
export const shellAnswer = z.union([
  z.object({
    output: text,
    leftOut: z.int(),
    exit: z.object({
      code: z
        .int()
        .nullish()
        .transform((value) => value ?? undefined),
      signal: optional,
    }),
    stopped: z.boolean(),
  }),
  z.object({
    failure: z.object({ kind: text, detail: optional }),
  }),
]);
