import { z } from 'zod';
import { type AgentResult, agentFailureKinds } from './backend.ts';
import { limitsMet } from './jail/limits.ts';

const changes = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('known'),
    files: z.array(z.object({ file: z.string(), added: z.int(), removed: z.int() })),
  }),
  z.object({ state: z.literal('unknown'), why: z.enum(['no_git', 'shared', 'cut_off']) }),
]);
/** What a run came to beside its answer, as JSON that was written earlier or elsewhere. */
export const runResult = z
  .object({
    failure: z
      .object({
        kind: z.enum(agentFailureKinds),
        detail: z.string().optional(),
        status: z.number().optional(),
      })
      .optional(),
    backendSession: z.string().optional(),
    steps: z.int(),
    tools: z.record(z.string(), z.int()),
    tokens: z.object({
      input: z.number(),
      output: z.number(),
      reasoning: z.number(),
      cacheRead: z.number(),
      cacheWrite: z.number(),
    }),
    model: z.string().optional(),
    unknownEvents: z.int(),
    // Runs of earlier versions have neither.
    limits: z.array(z.enum(limitsMet)).default([]),
    newGit: z.array(z.string()).default([]),
    cutInstructions: z.string().optional(),
    prompt: z.string().optional(),
    words: z.array(z.string()).optional(),
    changes: changes.optional(),
    unheard: z.array(z.string()).optional(),
    context: z.object({ used: z.number(), of: z.number().optional() }).optional(),
  })
  .transform(
    ({
      failure,
      backendSession,
      model,
      cutInstructions,
      words,
      changes,
      context,
      unheard,
      ...rest
    }): Omit<AgentResult, 'answer' | 'outcome'> => ({
      ...rest,
      ...(words === undefined ? {} : { words }),
      ...(changes === undefined ? {} : { changes }),
      ...(unheard === undefined ? {} : { unheard }),
      ...(context === undefined ? {} : { context: { used: context.used, of: context.of } }),
      ...(cutInstructions === undefined ? {} : { cutInstructions }),
      backendSession,
      model,
      failure: failure && { kind: failure.kind, detail: failure.detail, status: failure.status },
    }),
  );
