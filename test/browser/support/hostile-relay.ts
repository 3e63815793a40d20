import { z } from 'zod';
import { hostileWords } from './hostile-words.ts';

const frame = z.tuple([z.string(), z.unknown()]).rest(z.unknown());
const withId = z.object({ id: z.string() });

/** A relay that refuses everything, for reasons that are written for a browser. */
export function startHostileRelay() {
  const reason = `blocked: ${hostileWords.relay}`;
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response(reason, { status: 400 })),
    websocket: {
      message: (socket, text) => {
        const [type, first] = frame.parse(JSON.parse(String(text)));
        if (type === 'REQ') socket.send(JSON.stringify(['CLOSED', first, reason]));
        if (type === 'EVENT') socket.send(JSON.stringify(['OK', withId.parse(first).id, false, reason]));
      },
    },
  });
  return { url: `ws://127.0.0.1:${server.port}/`, stop: () => void server.stop(true) };
}
