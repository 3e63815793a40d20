import { parseJson } from '@nostr-dm-agent/kit/json';
import type { z } from 'zod';
import type { ModelRequest } from './api.ts';

type Body = Readonly<Record<string, unknown>> & {
  readonly model: string;
  readonly stream?: boolean | null | undefined;
};

/** A model call as its API's schema reads it. @param most of an answer, in the API's own field; undefined: it is no request of this API */
export function readRequest<Read extends Body>(
  text: string,
  schema: z.ZodType<Read>,
  most: (body: Read) => number | null | undefined,
): ModelRequest | undefined {
  const body = schema.safeParse(parseJson(text)).data;
  if (body === undefined) return undefined;
  return {
    model: body.model,
    stream: body.stream === true,
    promptTokens: Math.ceil(text.length / 3),
    maxTokens: most(body) ?? undefined,
    body,
  };
}
