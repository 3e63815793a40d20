import type { Api } from './api.ts';
import { type ByteReader, eventStream } from './relay-stream.ts';

const encoder = new TextEncoder();
const comment = encoder.encode(': waiting\n\n');
const everyMs = 15_000;

/**
 * An answer that is begun before it is known: comments keep the agent's patience up until the real one is there. What
 * is an error by then can only be said inside the stream.
 */
export function answerLater(answer: Promise<Response>, { frame, wording }: Api): Response {
  let reader: (ByteReader & { readonly cancel: () => Promise<void> }) | undefined;
  let timer: ReturnType<typeof setInterval> | undefined;
  const stream = new ReadableStream<Uint8Array>(
    {
      start: async (controller) => {
        controller.enqueue(comment);
        timer = setInterval(() => controller.enqueue(comment), everyMs);
        try {
          const response = await answer;
          if (response.status === 200 && response.body) {
            reader = response.body.getReader();
            return;
          }
          controller.enqueue(encoder.encode(frame(await response.text())));
          controller.close();
        } catch (error) {
          controller.enqueue(encoder.encode(wording.refusalFrame('run_over')));
          controller.error(error);
        } finally {
          clearInterval(timer);
        }
      },
      pull: async (controller) => {
        if (!reader) return;
        const { done, value } = await reader.read();
        if (done) controller.close();
        else if (value) controller.enqueue(value);
      },
      cancel: async () => {
        clearInterval(timer);
        await reader?.cancel();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(stream, { headers: eventStream });
}
