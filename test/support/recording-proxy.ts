/** One request that passed through, with when, in ms of `performance.timeOrigin + performance.now()`. */
export type Passed = {
  readonly method: string;
  readonly path: string;
  readonly userAgent: string;
  /** What may hold secrets of it: its credentials, its body, and what was answered. */
  text: string;
  readonly from: number;
  /** Its answer's body went through; undefined while it is on its way. */
  until: number | undefined;
};

const now = (): number => performance.timeOrigin + performance.now();

/**
 * An HTTP proxy on loopback in front of a mint or a node: passes everything on, and writes down what it was.
 *
 * @param delayMs by which each answer is late
 */
export function startRecordingProxy(target: string, delayMs = 0) {
  const passed: Passed[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    fetch: async (request) => {
      const from = now();
      const { pathname, search } = new URL(request.url);
      const { method, headers } = request;
      const body = request.body === null ? null : await request.arrayBuffer();
      const credentials = [headers.get('authorization'), headers.get('x-cashu'), search];
      const record: Passed = {
        ...{ method, from, until: undefined },
        path: pathname,
        userAgent: headers.get('user-agent') ?? '',
        text: `${credentials.join(' ')} ${body === null ? '' : new TextDecoder().decode(body)} `,
      };
      passed.push(record);
      if (delayMs > 0) await Bun.sleep(delayMs);
      const answer = await fetch(`${target}${pathname}${search}`, { method, headers, body });
      const decoder = new TextDecoder();
      const through = new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          record.text += decoder.decode(chunk, { stream: true });
          controller.enqueue(chunk);
        },
        flush: () => {
          record.until = now();
        },
      });
      return new Response(answer.body?.pipeThrough(through) ?? null, {
        status: answer.status,
        headers: answer.headers,
      });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    /** In order of arrival. */
    passed,
    stop: () => server.stop(true),
  };
}
export type RecordingProxy = ReturnType<typeof startRecordingProxy>;
