import type { SandboxRelay } from '@nostr-dm-agent/sandbox/relay';
import { finalizeEvent, generateSecretKey } from 'nostr-tools/pure';
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

/** A node that works, announced under a name that is written for a browser. */
export function announceHostileNode(relay: Pick<SandboxRelay, 'inject'>, url: string): void {
  const tags = [
    ['d', 'a'],
    ['u', url],
  ];
  const content = JSON.stringify({ name: hostileWords.node });
  const created_at = Math.floor(Date.now() / 1000);
  relay.inject(finalizeEvent({ kind: 38421, created_at, tags, content }, generateSecretKey()));
}
