import { z } from 'zod';
import { createTranscript, type Transcript } from '../opencode-events.ts';
import { asRunEvent } from './as-run-events.ts';
import type { Client } from './client.ts';
import { messagePart, serverError } from './server-events.ts';

const message = z.object({
  info: z.object({
    id: z.string(),
    sessionID: z.string(),
    role: z.string(),
    /** It is what a compaction made of the conversation. */
    summary: z.unknown().optional(),
    error: serverError.optional().catch(undefined),
  }),
  parts: z.array(z.unknown()),
});

/**
 * What is known of a run from its session's own messages, whatever of its events was heard.
 * @param most messages that are looked at, from the end
 */
export const readMessages = async (
  client: Client,
  of: {
    readonly session: string;
    readonly prompt: string;
    readonly workspace: string;
    readonly most: number;
  },
  signal: AbortSignal,
): Promise<Transcript> => {
  const { data } = await client.session.messages(
    { sessionID: of.session, limit: of.most },
    { signal, throwOnError: true },
  );
  const transcript = createTranscript(of.workspace, () => undefined);
  for (const entry of data) {
    const parsed = message.safeParse(entry);
    if (!parsed.success || parsed.data.info.id <= of.prompt) continue;
    const { info, parts } = parsed.data;
    const byModel = info.role === 'assistant';
    if (byModel && info.summary === true) continue;
    for (const one of parts) {
      const part = messagePart.safeParse(one);
      const event = part.success ? asRunEvent(part.data, byModel) : undefined;
      if (event !== undefined) transcript.add(event);
    }
    if (byModel && info.error !== undefined)
      transcript.add({ type: 'error', sessionID: of.session, error: info.error });
  }
  return transcript.read();
};
