import { randomBytes } from 'node:crypto';
import type { Door, Lease } from '@nostr-dm-agent/routstr';
import { callAnswered, meterPort } from './wire.ts';

/** Doors of the bot's meter, as its program on a host has them. */
export type RemoteDoors = {
  /** @param ref whose money is behind it, as the bot named it */
  readonly open: (ref: string, server: 'kept' | 'spare') => Door;
  /** The bot says that a call was answered. */
  readonly called: (body: unknown) => void;
};

type Answered = NonNullable<Parameters<Door['lease']>[2]>;

/**
 * A door is known at once, and the bot is told of it: what makes it one's own is thrown here. Whatever is said of it goes the
 * same way, in order, and before any call that is about it.
 */
export const createRemoteDoors = (
  tell: (name: string, body: unknown) => void,
  call: (name: string, body: unknown) => Promise<unknown>,
): RemoteDoors => {
  const hearing = new Map<string, Answered>();
  return {
    open: (ref, server) => {
      const door = crypto.randomUUID();
      const secret = randomBytes(24).toString('base64url');
      const key = `sk-${randomBytes(32).toString('hex')}`;
      tell('door', { door, ref, server, secret, key });
      return {
        baseUrl: `http://127.0.0.1:${meterPort}/${secret}/v1`,
        key,
        answerItself: (session) => {
          tell('ownAnswer', { door, session, on: true });
          return () => tell('ownAnswer', { door, session, on: false });
        },
        lease: (session, runId, answered): Lease => {
          const lease = crypto.randomUUID();
          if (answered !== undefined) hearing.set(lease, answered);
          tell('lease', { lease, door, session: session ?? '', runId });
          return {
            release: async () => {
              hearing.delete(lease);
              await call('release', { lease });
            },
          };
        },
        close: () => tell('doorClosed', { door }),
      };
    },
    called: (body) => {
      const { lease, answer } = callAnswered.parse(body);
      hearing.get(lease)?.(answer);
    },
  };
};
